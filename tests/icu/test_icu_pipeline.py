"""The whole study on a small simulated cohort: what it stores, that it resumes, and that its numbers hang together."""

from __future__ import annotations

import gc
import hashlib
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError, RunError
from core.base.remembered import remembered
from core.cohort import load_cohort, make_cohort, simulate_cohort
from core.evaluation import phwis, propensities, reliability
from core.icu.ask.critics import fqe_q
from core.icu.ask.tables import comparison, policy_table
from core.icu.config import load_preset
from core.icu.fit.clinicians import own_behavior
from core.icu.foreign import ForeignStays
from core.icu.pipeline import STAGES, evaluate_run
from core.icu.stays import Stays
from core.icu.study import run_study
from core.icu.view import RunView
from core.policies import MODES, PolicyKey

SMALLEST = {
    "encoder.epochs": "3",
    "encoder.hidden_size": "16",
    "encoder.latent_dim": "4",
    "phenotypes.k_max": "3",
    "phenotypes.n_bootstrap": "1",
    "phenotypes.n_init": "1",
    "agents.epochs": "1",
    "agents.hidden_size": "8",
    "fqi.n_trees": "2",
    "fqe.n_trees": "2",
    "baselines.boosting_rounds": "2",
    "baselines.boosting_iterations": "2",
    "evaluation.n_bootstrap": "10",
    "evaluation.n_neighbors": "10",
    "evaluation.truth_patients": "20",
}


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_every_stage_is_recorded_with_its_time(view: RunView) -> None:
    assert list(view.manifest.stages) == ["cohort", *STAGES]
    assert view.complete
    assert view.manifest.simulated
    assert all(record.seconds >= 0 for record in view.manifest.stages.values())


def test_the_clinicians_own_value_is_their_mean_return(view: RunView) -> None:
    test = view.trajectories.subset(view.split.test)
    gamma = view.config.agents.gamma
    returns = test.rewards @ gamma ** np.arange(view.study.horizon)
    row = view.evaluations.query("policy == 'clinician' and estimator == 'phwis'").iloc[0]
    assert row["value"] == pytest.approx(returns.mean(), rel=1e-5)
    assert row["ess"] == pytest.approx(test.n)


def test_the_ends_of_the_lambda_axis_are_the_pure_policies(view: RunView) -> None:
    k = view.n_clusters
    average = view.agent_probs(k).mean(axis=2)
    np.testing.assert_allclose(view.probs(PolicyKey.at("fused", k, 0.0, "retrospective")), average, atol=1e-6)
    nearest = view.distances(k, "retrospective").argmin(axis=-1)
    alone = np.take_along_axis(view.agent_probs(k), nearest[..., None, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(view.probs(PolicyKey.at("fused", k, np.inf, "retrospective")), alone, atol=1e-6)


def test_stored_values_are_those_of_the_policies_shown(view: RunView) -> None:
    k, test = view.n_clusters, view.split.test
    data = view.trajectories.subset(test)
    probs = view.probs(PolicyKey.at("fused", k, 1.0, "prospective"))[test]
    result = phwis(
        data.rewards,
        data.transition_mask,
        propensities(probs, data.actions),
        propensities(np.asarray(view.behavior[test]), data.actions),
        view.config.agents.gamma,
    )
    table = policy_table(view, k, 1.0, "prospective")
    row = table.query("policy == 'fused' and estimator == 'phwis'").iloc[0]
    assert row["value"] == pytest.approx(result.value, rel=1e-5)
    assert row["ess"] == pytest.approx(result.ess, rel=1e-4)


def test_a_decision_never_sees_what_comes_after_it(view: RunView) -> None:
    """Prospective weights at step t stay the same whatever is done at t or happens later."""
    patient, k = int(view.split.test[0]), view.n_clusters
    data = view.trajectories.subset(np.array([patient]))
    step = int(data.lengths[0]) // 2
    other = data.subset(np.array([0]))
    other.actions[0, step:] = (other.actions[0, step:] + 1) % view.study.n_actions
    other.states[0, step + 1 :] += 1.0
    encoder = view.encoder()
    from core.icu.stays import decision_distances

    for stays in (data, other):
        prefixes = encoder.encode_prefixes(stays)
        distances = decision_distances(view.phenotypes.distances(prefixes, k), encoder.sees_current_action)
        np.testing.assert_allclose(
            distances[0, : step + 1], view.distances(k, "prospective")[patient, : step + 1], atol=1e-4
        )


def test_truth_is_given_only_for_policies_that_can_act_forward(view: RunView) -> None:
    known = comparison(view).dropna(subset="true_value")
    assert set(known["mode"]) <= {"", "prospective"}
    assert {"clinician", "fused", "single-expert", "random", "zero-drug", "phenotype-0"} <= set(known["policy"])
    assert (known["true_se"] > 0).all()


def test_evaluate_has_every_policy_with_interval_and_support(view: RunView) -> None:
    document = evaluate_run(view, view.cohort)
    assert view.advice is not None
    assert view.advice.left_out is not None
    assert document.gamma is not None
    assert document.gamma.columns == list(view.advice.left_out)
    assert document.advice.atlas is not None
    assert document.advice.atlas == view.advice.atlas
    assert document.gamma.claim_dies_at == (view.advice.shown.hidden and view.advice.shown.hidden.claim_dies_at)
    assert document.policies["clinician"].gamma is not None
    assert document.policies["clinician"].gamma.low == 0, "what clinicians do is theirs, whatever they knew"
    points = {(point.dial, point.setting): point for point in document.frontier}
    fused, end = document.policies["fused"], points["mixture", 1.0]
    assert end.difference.value == pytest.approx(fused.difference.value, rel=1e-4)
    assert (end.gamma is None) == (fused.gamma is None)
    assert all(point.true_difference is not None for point in document.frontier)
    names = [
        "clinician",
        *(f"phenotype-{i}" for i in range(view.n_clusters)),
        "fused",
        "single-expert",
        "random",
        "zero-drug",
        *view.baselines,
    ]
    assert set(document.policies) == set(names)
    for policy in document.policies.values():
        for estimate in (policy.phwis, policy.phwdr):
            assert estimate.low <= estimate.value + 1e-6
            assert estimate.ess > 0
        assert sum(policy.action_shares) == pytest.approx(1, abs=1e-4)
    assert document.cohort.split == "test"


def test_another_cohort_is_evaluated_whole_with_the_runs_own_models(view: RunView) -> None:
    foreign, _ = simulate_cohort("eicu", 60, seed=9)
    document = evaluate_run(view, foreign)
    assert (document.cohort.shared_stays, document.cohort.shared_note) == (0, "")
    assert document.cohort.evaluated_patients == 60
    assert document.cohort.split == "all"
    # The same patients give the same values whether they are read from the run or computed anew.
    from core.icu.foreign import ForeignStays

    computed, k = ForeignStays(view, view.cohort), view.n_clusters
    mask = view.trajectories.mask
    np.testing.assert_allclose(computed.agent_q(k)[mask], view.agent_q(k)[mask], atol=1e-4)
    for key in [PolicyKey.at(name, k, 2.0, mode) for name in ("fused", *view.baselines) for mode in MODES]:
        np.testing.assert_allclose(computed.probs(key)[mask], view.probs(key)[mask], atol=1e-4)
    for key in (PolicyKey("clinician"), PolicyKey("phenotype-0", k)):
        np.testing.assert_allclose(fqe_q(computed, key)[mask], fqe_q(view, key)[mask], atol=1e-3)


def test_estimates_abroad_divide_by_what_clinicians_there_do(view: RunView) -> None:
    """The cohort's own clinicians are nearer to the truth that generated it than those of the run's cohort."""
    foreign, truth = simulate_cohort("eicu", 150, seed=9)
    errors, curves = {}, {}
    for asked in ("own", "development"):
        stays = ForeignStays(view, foreign, asked)
        mask, actions = stays.trajectories.mask, stays.trajectories.actions
        errors[asked] = np.abs(stays.behavior[mask] - truth.action_probs[mask]).sum(axis=-1).mean()
        curves[asked] = reliability(stays.behavior[mask], actions[mask])
    assert errors["own"] < errors["development"]
    assert curves["own"].error < curves["development"].error
    assert curves["own"].log_loss < curves["development"].log_loss
    # On its own habits the cohort's mean return is what PHWIS gives its clinicians.
    returns = stays.trajectories.rewards.astype(np.float64) @ 0.99 ** np.arange(mask.shape[1])
    document = evaluate_run(view, foreign)
    assert document.policies["clinician"].phwis.value == pytest.approx(returns.mean(), rel=1e-4)
    assert document.cohort.clinicians == "own"
    assert "development cohort" in evaluate_run(view, foreign, clinicians="development").cohort.clinicians_note


def test_a_choice_abroad_is_no_evidence_for_itself(view: RunView) -> None:
    """What one person was given, in any of the stays, leaves that person's own probabilities as they are."""
    foreign, _ = simulate_cohort("eicu", 60, seed=9)
    stays = ForeignStays(view, foreign, "own")
    persons = np.arange(foreign.n_patients) // 2  # two stays each
    before = own_behavior(view, stays.trajectories, persons)
    actions = stays.trajectories.actions.copy()
    actions[:2] = (actions[:2] + 1) % view.study.n_actions
    after = own_behavior(view, replace(stays.trajectories, actions=actions), persons)
    np.testing.assert_array_equal(after[:2], before[:2])
    assert (after[2:] != before[2:]).any()


def test_a_small_cohort_cannot_tell_what_its_clinicians_do(view: RunView) -> None:
    few, _ = simulate_cohort("eicu", 12, seed=9)
    assert ForeignStays(view, few).clinicians == "development"
    assert ForeignStays(view, few, "own").clinicians == "own"
    alone, _ = simulate_cohort("eicu", 1, seed=9)
    with pytest.raises(RunError, match="single patient"):
        ForeignStays(view, alone, "own")


def digest(folder: Path) -> dict[str, str]:
    """Hash of every result of a run; times and progress are not results."""
    skipped = {"manifest.json", "progress.json", ".lock"}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skipped and path.suffix not in {".lock"}
    }


def test_a_run_cut_short_anywhere_ends_with_the_same_result(tmp_path: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 60, seed=1)
    config = load_preset("quick", SMALLEST)
    for _ in run_study(cohort, config, tmp_path / "whole"):
        pass
    for limit in (1, 2, 3, 5, 8, 13, 30, 60, 120, 10_000):  # later cuts fall into later stages
        steps = run_study(cohort, config, tmp_path / "cut")
        for taken, _ in enumerate(steps, start=1):
            if taken == limit:
                break
        steps.close()
    assert RunView(tmp_path / "cut").complete
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_a_folder_of_another_run_is_refused(tiny_run: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 60, seed=2)
    with pytest.raises(RunError, match="other data"):
        next(run_study(cohort, load_preset("quick"), tiny_run))
    view = RunView(tiny_run)
    changed = view.config.model_copy(update={"fusion": view.config.fusion.model_copy(update={"lambda_": 3.0})})
    same, _ = simulate_cohort("mimic-iv", view.manifest.n_patients, seed=view.manifest.origin.seed)
    with pytest.raises(RunError, match=r"fusion\.lambda_"):
        next(run_study(same, changed, tiny_run))


def test_a_folder_under_another_definition_of_the_study_is_refused(tiny_run: Path) -> None:
    view = RunView(tiny_run)
    same, _ = simulate_cohort("mimic-iv", view.manifest.n_patients, seed=view.manifest.origin.seed)
    other = replace(same, study=same.study.model_copy(update={"terminal_coeff": 1.0}))
    with pytest.raises(RunError, match=r"another definition of study .*terminal_coeff"):
        next(run_study(other, view.config, tiny_run))


def test_rewards_of_another_cohort_are_weighted_as_the_runs(view: RunView) -> None:
    foreign, _ = simulate_cohort("eicu", 20, seed=9)
    changed = replace(foreign, study=foreign.study.model_copy(update={"terminal_coeff": 1.0}))
    np.testing.assert_array_equal(
        ForeignStays(view, changed).trajectories.rewards, ForeignStays(view, foreign).trajectories.rewards
    )


def test_the_cohort_that_a_run_keeps_is_its_own_where_values_were_imputed(tmp_path: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 60, seed=1)
    frame = cohort.frame.copy()
    frame.loc[frame["step"] == 0, "Lactate"] = np.nan  # filled in anew from the training patients
    cohort = make_cohort(frame)
    for _ in run_study(cohort, load_preset("quick", SMALLEST), tmp_path):
        pass
    view = RunView(tmp_path)
    assert view.cohort.data_hash != cohort.data_hash
    for given in (cohort, load_cohort(tmp_path / "cohort.parquet")):
        assert evaluate_run(view, given).cohort.split == "test"


def test_lambda_without_end_is_the_single_expert_as_everywhere(view: RunView) -> None:
    ends, own = (evaluate_run(view, view.cohort, lambda_=value) for value in (np.inf, None))
    assert "fused" not in ends.policies
    assert ends.policies["single-expert"] == own.policies["single-expert"]
    assert ends.model_dump(mode="json", by_alias=True)["run"]["lambda"] == "inf"


@pytest.mark.parametrize("lambda_", [-1.0, np.nan])
def test_a_lambda_without_a_meaning_is_refused(view: RunView, lambda_: float) -> None:
    with pytest.raises(ConfigError, match="lambda"):
        evaluate_run(view, view.cohort, lambda_=lambda_)


def test_a_closed_run_leaves_nothing_in_memory() -> None:
    class Counted(Stays):
        made = 0

        @remembered(2)
        def distances(self, n_clusters: int, mode: str) -> np.ndarray:
            self.made += 1
            return np.full(n_clusters, self.made)

        agent_q = evaluated = persons = fqe_stack = behavior = fqi_q = expert_spreads = baseline_spread = None  # type: ignore[assignment]

    first, second = Counted(), Counted()
    for stays in (first, second, first, second):
        assert stays.distances(3, "prospective").tolist() == [1, 1, 1]
    left = weakref.ref(first)
    del first, stays
    gc.collect()
    assert left() is None


def test_plot_flag_writes_every_figure_with_its_warning(view: RunView, tmp_path: Path) -> None:
    import shutil

    from core.icu.plots import write_figures

    shutil.copytree(view.path, tmp_path / "run")
    written = write_figures(RunView(tmp_path / "run"))
    assert len(written) == (6 + view.n_clusters) + 8 + 1
    assert (tmp_path / "run" / "figures" / "plotly.min.js").is_file()
    for path in written:
        page = path.read_text(encoding="utf-8")
        assert "Research and teaching only. Simulated patients" in page
        assert '"showSendToCloud": false' in page


def test_the_critics_own_value_stands_only_where_it_was_evaluated_and_without_an_interval(view: RunView) -> None:
    fqe = view.evaluations.query("estimator == 'fqe'")
    assert fqe["low"].isna().all()
    fused = fqe[fqe["policy"] == "fused"]
    assert set(fused["lambda_"]) == {view.config.fusion.lambda_}
    assert set(fused["n_clusters"]) == {view.n_clusters}
    test, k, own = view.split.test, view.n_clusters, view.config.fusion.lambda_
    probs = view.probs(PolicyKey.at("fused", k, own, "prospective"))[test, 0]
    value = (probs * fqe_q(view, PolicyKey.at("fused", k, own, "prospective"))[test, 0]).sum(axis=-1).mean()
    row = fused[fused["mode"] == "prospective"].iloc[0]
    assert row["value"] == pytest.approx(value, rel=1e-4)


def test_weighted_survival_of_the_clinicians_is_what_was_seen(view: RunView) -> None:
    row = view.evaluations.query("policy == 'clinician'").iloc[0]
    assert row["survival"] == pytest.approx((view.cohort.outcomes[view.split.test] > 0).mean())
    assert row["survival_low"] <= row["survival"] <= row["survival_high"]


def test_stays_of_the_run_within_another_cohort_are_counted_and_said(view: RunView) -> None:
    """Half of the run's patients under other keys beside new ones: not the run's cohort, and not another one."""
    new = simulate_cohort("mimic-iv", 40, seed=11)[0].frame
    known = view.cohort.frame[np.repeat(np.arange(view.cohort.n_patients) % 4 == 0, view.cohort.lengths)]
    mixed = make_cohort(pd.concat([new, known.assign(traj="again " + known["traj"])]))
    on = evaluate_run(view, mixed).cohort
    assert on.shared_stays == known["traj"].nunique() == 40
    assert on.shared_note.startswith(
        "40 of 80 stays are of patients whom the run already knows (40 with the same records)"
    )
    assert "no external validation" in on.shared_note
