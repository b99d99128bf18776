"""Judging a run's policies: who may teach, who is judged, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import RunError
from core.icu.ask.judge import advice_record, advise, histories_of, judge_policies, judgment_rows
from core.icu.pipeline import judged_keys
from core.icu.view import RunView
from core.policies.key import CLINICIAN, MODES, PolicyKey


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_the_clinicians_differ_from_themselves_by_nothing(view: RunView) -> None:
    keys = [PolicyKey(CLINICIAN), PolicyKey("zero-drug")]
    learners = np.concatenate([view.split.train, view.split.valid])
    own, other = judge_policies(view, view.study, view.n_clusters, keys, view.split.test, learners)
    assert (own.difference.value, own.difference.se) == (0, 0)
    returns = histories_of(view.only(view.split.test), view.study, view.n_clusters).returns
    assert own.value.value == pytest.approx(returns.mean(), rel=1e-6)
    assert other.difference.se > 0


def test_judged_are_the_given_patients_alone(view: RunView) -> None:
    keys, learners = [PolicyKey("zero-drug")], np.concatenate([view.split.train, view.split.valid])
    (one,) = judge_policies(view, view.study, view.n_clusters, keys, view.split.test, learners)
    assert one.difference.n == view.trajectories.transition_mask[view.split.test].any(axis=1).sum()
    (again,) = judge_policies(view, view.study, view.n_clusters, keys, view.split.test[::-1], learners)
    assert again.difference.value == pytest.approx(one.difference.value, abs=1e-9)


def test_a_single_person_is_refused_in_a_sentence(view: RunView) -> None:
    with pytest.raises(RunError, match="nobody else to learn from"):
        judge_policies(view, view.study, view.n_clusters, [PolicyKey(CLINICIAN)], view.split.test[:1], None)


def test_stored_judgments_are_those_of_the_run(view: RunView) -> None:
    keys = judged_keys(view, view.n_clusters, view.config.fusion.lambda_, MODES)
    learners = np.concatenate([view.split.train, view.split.valid])
    judged = judge_policies(view, view.study, view.n_clusters, keys, view.split.test, learners)
    table = judgment_rows(keys, judged, view.config.evaluation.ess_floor)
    assert view.judgments is not None
    np.testing.assert_allclose(view.judgments["difference"], table["difference"], atol=1e-9)
    assert view.judgments["grade"].tolist() == table["grade"].tolist()
    assert ((table["difference_high"] - table["difference_low"]) >= 0).all()


def test_the_stored_advice_is_made_anew_and_leaves_clinicians_only_where_they_go_too(view: RunView) -> None:
    found = advise(view, view.study, view.n_clusters)
    assert view.advice == advice_record(found)
    np.testing.assert_array_equal(view.advised_action, found.own)
    steers = view.advised_action >= 0
    assert not steers[~view.trajectories.transition_mask].any()
    assert (view.advised_action < view.study.n_actions).all()
    assert view.advice.claim_z > view.advice.advise_z


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
