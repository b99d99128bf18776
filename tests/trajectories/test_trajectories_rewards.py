"""The reward against sums done by hand, and the invariance that lets its range term use physical units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cohort import Cohort
from core.rewards import step_rewards
from core.study import RewardTerm, StudySpec, load_study
from core.trajectories import fit_scaler, make_trajectories, make_transitions, reward_terms


def g(value: float, low: float, high: float) -> float:
    """The range term as the method states it."""
    width = (high - low) / 10
    return 2 / (1 + math.exp(-(value - low) / width)) - 2 / (1 + math.exp(-(value - high) / width)) - 1


def test_rewards_by_hand(small_cohort: Cohort) -> None:
    """Spans: score 12, count 180. Scaled differences are 2 dx / span."""
    rewards = make_trajectories(small_cohort, fit_scaler(small_cohort)).rewards
    first = [
        -0.5 + 0.25 * g(100, 50, 150),
        -2 * (2 * 4 / 12) + 3 * math.tanh(2 * 100 / 180) + 0.25 * g(200, 50, 150),
        -2 * (2 * 4 / 12) + 3 * math.tanh(2 * -180 / 180) + 0.25 * g(20, 50, 150) - 10,
        0,
    ]
    second = [
        3 * math.tanh(2 * -40 / 180) + 0.25 * g(80, 50, 150) + 10,
        0,
        0,
        0,
    ]  # a score that stays 0 is no stagnation
    np.testing.assert_allclose(rewards, [first, second], rtol=1e-5)


def test_where_the_last_row_is_a_decision_it_earns_the_outcome_and_all_else_stays(small_cohort: Cohort) -> None:
    scaler, study = fit_scaler(small_cohort), small_cohort.study.model_copy(update={"last_row": "decision"})
    ended, usual = (make_trajectories(one, scaler) for one in (replace(small_cohort, study=study), small_cohort))
    rows, last = np.arange(2), small_cohort.lengths - 1
    moved = usual.rewards.copy()
    moved[rows, last - 1] -= 10 * small_cohort.outcomes
    moved[rows, last] += 10 * small_cohort.outcomes
    np.testing.assert_allclose(ended.rewards, moved, atol=1e-5)
    np.testing.assert_array_equal(ended.transition_mask, ended.mask)
    moves = make_transitions(ended)
    assert len(moves) == small_cohort.lengths.sum()
    np.testing.assert_array_equal(moves.step[moves.terminals], last)


def test_terms_of_the_reward_sum_to_it_and_each_is_its_coefficient_times_its_own(small_cohort: Cohort) -> None:
    scaler, study = fit_scaler(small_cohort), small_cohort.study
    terms = reward_terms(small_cohort, study, scaler)
    assert terms.shape[-1] == len(study.rewards) + 1
    np.testing.assert_allclose(terms.sum(axis=-1), make_trajectories(small_cohort, scaler).rewards, rtol=1e-5)
    np.testing.assert_allclose(terms[..., -1], [[0, 0, -10, 0], [10, 0, 0, 0]])
    doubled = [term.model_copy(update={"coefficient": 2 * term.coefficient}) for term in study.rewards]
    again = reward_terms(small_cohort, study.model_copy(update={"rewards": tuple(doubled)}), scaler)
    np.testing.assert_allclose(again[..., :-1], 2 * terms[..., :-1], rtol=1e-5)
    assert np.ptp(terms, axis=(0, 1)).all(), "no term is empty here"


def test_icu_reward_of_one_transition() -> None:
    """The published equation, term by term."""
    study = load_study()
    rng = np.random.default_rng(1)
    now, after = (np.array([rng.uniform(*c.plausible) for c in study.columns]) for _ in range(2))
    spans = rng.uniform(10, 20, study.n_columns)
    platelets, ptt, sofa, lactate = (study.index(name) for name in ("Platelets", "PTT", "SOFA", "Lactate"))
    expected = (
        -0.125 * 2 * (after[sofa] - now[sofa]) / spans[sofa]
        - 2 * math.tanh(2 * (after[lactate] - now[lactate]) / spans[lactate])
        + 0.05 * g(after[platelets], 50, 150)
        + 0.05 * g(after[ptt], 60, 100)
    )
    assert step_rewards(now, after, study, spans) == pytest.approx(expected, rel=1e-5)


def test_range_term_is_one_inside_and_minus_one_outside(small_study: StudySpec) -> None:
    study = small_study.model_copy(update={"rewards": small_study.rewards[3:]})
    after = np.array([[0, 0, 100], [0, 0, 0], [0, 0, 300]])
    reward = step_rewards(np.zeros((3, 3)), after, study, np.ones(3))
    np.testing.assert_allclose(reward / 0.25, [1, -1, -1], atol=0.03)


@given(
    value=st.floats(-50, 300),
    low=st.floats(0, 100),
    width=st.floats(1, 200),
    shift=st.floats(-9, 9),
    scale=st.floats(0.01, 9),
)
def test_range_term_does_not_change_under_affine_scaling(
    small_study: StudySpec, value: float, low: float, width: float, shift: float, scale: float
) -> None:
    """So the term may read physical units while the agent reads scaled ones."""

    def reward(value: float, low: float, high: float) -> float:
        term = RewardTerm(name="g", kind="range", column="count", coefficient=1.0, low=low, high=high)
        study = small_study.model_copy(update={"rewards": (term,)})
        return float(step_rewards(np.zeros(3), np.array([0, 0, value]), study, np.ones(3)))

    scaled = [(x - shift) / scale for x in (value, low, low + width)]
    assert reward(*scaled) == pytest.approx(reward(value, low, low + width), abs=1e-5)


def test_difference_terms_equal_differences_of_scaled_states(small_cohort: Cohort, small_study: StudySpec) -> None:
    term = RewardTerm(name="d", kind="difference", column="score", coefficient=1.0)
    study = small_study.model_copy(update={"rewards": (term,), "terminal_coeff": 0.0})
    cohort = Cohort(small_cohort.frame, study)
    trajectories = make_trajectories(cohort, fit_scaler(cohort))
    scaled = trajectories.states[:, :, study.index("score")]
    np.testing.assert_allclose(trajectories.rewards[0, :3], np.diff(scaled[0]), atol=1e-6)


def test_a_study_without_reward_terms_has_the_outcome_alone(small_cohort: Cohort, small_study: StudySpec) -> None:
    cohort = Cohort(small_cohort.frame, small_study.model_copy(update={"rewards": ()}))
    rewards = make_trajectories(cohort, fit_scaler(cohort)).rewards
    np.testing.assert_array_equal(rewards, [[0, 0, -10, 0], [10, 0, 0, 0]])


def test_rewards_take_any_leading_shape(small_study: StudySpec) -> None:
    rng = np.random.default_rng(0)
    now, after = rng.uniform(0, 20, (2, 3, 4, 3))
    spans = np.array([1.0, 2.0, 3.0])
    block = step_rewards(now, after, small_study, spans)
    assert block.shape == (3, 4)
    assert block[1, 2] == step_rewards(now[1, 2], after[1, 2], small_study, spans)


def test_a_constant_column_gives_finite_rewards(small_study: StudySpec) -> None:
    now, after = np.array([50.0, 3, 100]), np.array([50.0, 4, 110])
    assert np.isfinite(step_rewards(now, after, small_study, np.zeros(3)))
