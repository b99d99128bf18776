"""A simulator from elsewhere by its adapter: its own rewards, an outcome of any kind, estimates against its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.bring.judgment import JudgeConfig, make_bench, on_grid
from core.cohort import Cohort, load_cohort, make_cohort, save_cohort, split_cohort
from core.cohort.describe import cohort_facts, outcome_by_group
from core.cohort.smallness import cohort_too_small
from core.environments import collect, mean_return
from core.evaluation import judge
from core.evaluation.judging.crossfit import Fold
from core.evaluation.judging.deferring import Deferring
from core.icu.ask.judge import judge_settings
from core.trajectories import fit_scaler, make_trajectories, make_transitions, reward_terms
from tests.environments.lake import GOAL, HOLE, ICE, STEPS, Lake, careful, exact_value


@pytest.fixture(scope="module")
def stays() -> Cohort:
    return collect(Lake(), 300, seed=3)


def test_roll_outs_through_the_adapter_are_worth_what_the_simulators_own_table_says() -> None:
    lake = Lake()
    for act in (None, careful):
        found = mean_return(lake, act, 300, seed=1, gamma=0.9)
        assert abs(found.value - exact_value(lake, act or lake.clinicians, 0.9)) < 4 * found.standard_error
        assert np.isnan(found.survival)
        assert found.n == 300


def test_each_transition_has_the_reward_that_the_simulator_gave_it(stays: Cohort) -> None:
    data = make_trajectories(stays, fit_scaler(stays))
    last = data.transition_mask.sum(axis=1) - 1
    ends, rows = data.rewards[np.arange(data.n), last], np.arange(STEPS + 1)
    assert set(np.unique(ends)) == {GOAL, HOLE, ICE}  # out of time on the ice
    assert (data.rewards[rows < last[:, None]] == ICE).all()
    assert not data.rewards[rows > last[:, None]].any()
    np.testing.assert_array_equal(make_transitions(data).rewards, data.rewards[data.transition_mask])
    terms = reward_terms(stays, stays.study, fit_scaler(stays))
    np.testing.assert_array_equal(terms, data.rewards[..., None])


def test_an_episode_needs_no_row_for_the_state_that_it_ended_in(stays: Cohort) -> None:
    """The same transitions, of which an end has no next state to speak of; one decision is a stay too."""
    bare = collect(Lake(last_row="decision", horizon=STEPS), 300, seed=3)
    np.testing.assert_array_equal(bare.lengths, stays.lengths - 1)
    scaler = fit_scaler(stays)
    moves, same = (make_transitions(make_trajectories(cohort, scaler)) for cohort in (bare, stays))
    for name in ("states", "actions", "rewards", "terminals", "patient", "step", "next_step"):
        np.testing.assert_array_equal(getattr(moves, name), getattr(same, name))
    np.testing.assert_array_equal(moves.next_states[~moves.terminals], same.next_states[~same.terminals])
    np.testing.assert_array_equal(moves.next_states[moves.terminals], moves.states[moves.terminals])
    single = make_cohort(bare.frame.assign(earned=bare.given_rewards).iloc[: bare.lengths[0] + 1], bare.study)
    assert single.lengths.tolist() == [bare.lengths[0], 1]
    assert make_transitions(make_trajectories(single, scaler)).terminals.tolist() == [False] * (bare.lengths[0] - 1) + [
        True,
        True,
    ]


def test_an_estimate_from_its_records_holds_its_truth(stays: Cohort) -> None:
    """The difference of a policy to the recorded behavior, both exact, with the behavior that the adapter tells."""
    lake, bench = Lake(), make_bench(stays, JudgeConfig())
    probs, usual = (
        on_grid(stays, np.stack([act(None, state) for state in stays.states])) for act in (careful, lake.clinicians)
    )
    folds = [Fold.by(bench.histories, held, [Deferring("careful", probs)], usual) for held in bench.held]
    found = judge(bench.histories, folds, judge_settings(stays.study))[0]
    gamma = bench.config.gamma
    value, known = exact_value(lake, careful, gamma), exact_value(lake, lake.clinicians, gamma)
    assert found.value.low < value < found.value.high
    assert found.difference.low < value - known < found.difference.high
    assert found.difference.high - found.difference.low < 0.5
    assert bench.trajectories.survived is None


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rewards_and_a_missing_outcome_survive_a_file(stays: Cohort, ending: str, tmp_path: Path) -> None:
    again = load_cohort(save_cohort(stays, tmp_path / f"lake.{ending}"), stays.study)
    assert again.data_hash == stays.data_hash
    assert "outcome" not in again.frame
    assert not again.report.warnings  # nor does it take episodes that are equal by chance for one person's
    dearer = make_cohort(again.frame.assign(earned=2 * again.given_rewards), stays.study)
    assert dearer.data_hash != stays.data_hash  # rewards are of the data


def test_an_outcome_may_be_any_number_which_is_earned_at_the_end() -> None:
    stays = collect(Lake(outcome="number", reward_column="", terminal_coeff=2.0), 60, seed=3)
    data = make_trajectories(stays, fit_scaler(stays))
    assert set(np.unique(stays.outcomes)) == {GOAL, HOLE, ICE}
    np.testing.assert_array_equal(data.rewards.sum(axis=1), 2 * stays.outcomes)
    np.testing.assert_array_equal(data.rewards[np.arange(60), stays.lengths - 2], 2 * stays.outcomes)


@pytest.mark.parametrize("changes", [{}, {"outcome": "number"}])
def test_without_survival_nobody_is_said_to_have_died_or_survived(changes: dict[str, str]) -> None:
    stays = collect(Lake(**changes), 30, seed=3)
    assert make_trajectories(stays, fit_scaler(stays)).survived is None
    assert not stays.died.any()
    assert np.isnan([stays.mortality(), cohort_facts(stays)["mortality"]]).all()
    assert outcome_by_group(stays).empty
    assert not any("death" in said or "outcome" in said for said in cohort_too_small(stays))
    assert "mortality_percent" not in stays.report.summary
    parts = split_cohort(stays)
    np.testing.assert_array_equal(np.sort(np.concatenate([parts.learners, parts.test])), np.arange(30))
