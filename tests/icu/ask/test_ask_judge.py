"""Judging a run's policies: who may teach, who is judged, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import RunError
from core.cohort import ground_truth
from core.evaluation.judging.survival import judge_survival
from core.icu.advice import SURVIVAL_COLUMNS
from core.icu.ask.compare import compare_policies, recorded_survival
from core.icu.ask.judge import advice_record, advise, bench, histories_of, judge_policies, judgment_rows, left_out
from core.icu.fit.advised import true_gains
from core.icu.hidden_causes import HIDDEN_COLUMNS
from core.icu.pipeline import judged_keys
from core.icu.view import RunView
from core.policies.key import CLINICIAN, MODES, PolicyKey

NO_TRUTH = dict.fromkeys(("true_gain", "true_se", "true_n", "true_survival_gain", "true_survival_se"))


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_the_clinicians_differ_from_themselves_by_nothing(view: RunView) -> None:
    keys = [PolicyKey(CLINICIAN), PolicyKey("zero-drug")]
    learners = view.split.learners
    own, other = judge_policies(view, view.study, view.n_clusters, keys, view.split.test, learners)
    assert (own.difference.value, own.difference.se) == (0, 0)
    returns = histories_of(view.only(view.split.test), view.study, view.n_clusters).returns
    assert own.value.value == pytest.approx(returns.mean(), rel=1e-6)
    assert other.difference.se > 0


def test_judged_are_the_given_patients_alone(view: RunView) -> None:
    keys, learners = [PolicyKey("zero-drug")], view.split.learners
    (one,) = judge_policies(view, view.study, view.n_clusters, keys, view.split.test, learners)
    assert one.difference.n == view.trajectories.transition_mask[view.split.test].any(axis=1).sum()
    (again,) = judge_policies(view, view.study, view.n_clusters, keys, view.split.test[::-1], learners)
    assert again.difference.value == pytest.approx(one.difference.value, abs=1e-9)


def test_a_single_person_is_refused_in_a_sentence(view: RunView) -> None:
    with pytest.raises(RunError, match="nobody else to learn from"):
        judge_policies(view, view.study, view.n_clusters, [PolicyKey(CLINICIAN)], view.split.test[:1], None)


def test_stored_judgments_are_those_of_the_run(view: RunView) -> None:
    keys = judged_keys(view, view.n_clusters, view.config.fusion.lambda_, MODES)
    learners = view.split.learners
    judges = bench(view, view.study, view.n_clusters, keys, view.split.test, learners)
    assert view.judgments is not None
    assert view.advice is not None
    assert view.advice.left_out is not None
    floor, rewarded = view.config.evaluation.ess_floor, judges.reward()
    table = judgment_rows(keys, rewarded, judges.survival(), floor, view.advice.left_out)
    strongest = view.advice.left_out[0].gamma
    for row, one in zip(table.to_dict("records"), rewarded, strict=True):
        claimed, hidden = one.difference.low > 0, one.hidden
        assert hidden is None or row["hidden_low"] == one.difference.low + hidden.lasting.at(strongest)[0]
        assert np.isnan(row["claim_dies_at"]) == (not claimed or hidden is None)
    for name in ("difference", *SURVIVAL_COLUMNS, *HIDDEN_COLUMNS):
        np.testing.assert_allclose(view.judgments[name], table[name], atol=1e-9)
    survived = view.cohort.outcomes[np.concatenate([view.split.test, learners])] > 0
    alone = judge_survival(judges.histories, survived, judges.folds, judges.settings)
    np.testing.assert_allclose(table["survival_difference"], [one.difference.value for one in alone], atol=1e-9)
    recorded = (view.cohort.outcomes[view.split.test] > 0).mean()
    clinicians = table[table["policy"] == CLINICIAN].iloc[0]
    assert clinicians["survival"] == pytest.approx(recorded)
    assert view.judgments["grade"].tolist() == table["grade"].tolist()
    assert ((table["difference_high"] - table["difference_low"]) >= 0).all()


def test_the_stored_advice_is_made_anew_and_leaves_clinicians_only_where_they_go_too(view: RunView) -> None:
    found = advise(view, view.study, view.n_clusters)
    again = advice_record(found, view.config.evaluation.ess_floor, left_out(found, view.study))
    assert view.advice is not None
    unrolled = [dial.model_copy(update=NO_TRUTH) for dial in view.advice.dials]
    kept_beside = {"dials": tuple(unrolled), "audit": None, "atlas": None}
    assert view.advice.model_copy(update=kept_beside) == again
    np.testing.assert_array_equal(view.advised_action, found.own)
    steers = view.advised_action >= 0
    assert not steers[~view.trajectories.transition_mask].any()
    assert (view.advised_action < view.study.n_actions).all()
    assert view.advice.claim_z > view.advice.advise_z
    assert not view.advice.share or view.advice.shown.grade != "not supported"


def test_a_stays_own_advice_comes_from_a_fold_that_never_saw_it(view: RunView) -> None:
    """Other rewards of one stay change the advice for others, but not its own."""
    before = advise(view, view.study, view.n_clusters).own
    changed = RunView(view.path)
    data = view.trajectories
    rewards = data.rewards.copy()
    rewards[5] += 40.0
    changed.__dict__["trajectories"] = replace(data, rewards=rewards)
    after = advise(changed, view.study, view.n_clusters).own
    np.testing.assert_array_equal(before[5], after[5])
    assert (before != after).any()


def test_the_advice_is_rolled_out_on_simulated_patients(view: RunView) -> None:
    """Every dial has its true gain, and a dial further from the clinicians is not the same policy."""
    assert view.advice is not None
    dials = view.advice.dials
    assert all(dial.true_gain is not None and dial.true_se is not None and dial.true_se > 0 for dial in dials)
    assert len({dial.true_gain for dial in dials}) == len(dials)
    for dial in dials:
        assert dial.survival is not None
        assert dial.survival_points is not None
        assert dial.true_survival_gain is not None
        assert dial.survival_points[1] <= dial.survival_points[0] <= dial.survival_points[2]


def test_advice_that_always_defers_gains_nothing(view: RunView) -> None:
    truth = ground_truth(view.cohort)
    assert truth is not None
    learned = advise(view, view.study, view.n_clusters).learned[:1]
    gains = true_gains(view, truth, learned, [0.0, 1.0], 60, 3)
    assert gains[0].value == gains[0].se == 0.0
    assert gains[1].value != 0.0
    assert gains[1].n == 60


def test_true_gains_are_the_mean_over_folds_by_the_stays_they_advise(view: RunView) -> None:
    truth = ground_truth(view.cohort)
    assert truth is not None
    first, second = advise(view, view.study, view.n_clusters).learned[:2]
    whole = true_gains(view, truth, [first, second], [1.0], 80, 3)[0]
    alone = true_gains(view, truth, [first], [1.0], 40, 3)[0]
    heavy = true_gains(view, truth, [replace(first, stays=10**9), second], [1.0], 80, 3)[0]
    assert heavy.value == pytest.approx(alone.value, rel=1e-5)
    assert whole.value != pytest.approx(alone.value)


def test_where_no_outcome_tells_survival_no_estimate_of_it_is_made(numbered_run: Path) -> None:
    view, keys = RunView(numbered_run), [PolicyKey(CLINICIAN), PolicyKey("zero-drug")]
    judges = bench(view, view.study, view.n_clusters, keys, view.split.test, view.split.learners)
    table = judgment_rows(keys, judges.reward(), judges.survival(), 10, ())
    assert table["difference"].notna().all()
    assert table[list(SURVIVAL_COLUMNS)].isna().all(axis=None)
    curve = recorded_survival(view, view.split.train)
    assert not len(curve.value)
    told = compare_policies(view, view.split.test, keys, curve)
    assert told["value"].notna().all()
    assert told[["survival", "survival_low", "survival_high", "expected_survival"]].isna().all(axis=None)
    assert np.isnan(view.cohort.mortality())
