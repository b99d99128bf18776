"""Bounds under hidden causes: closed forms, order, and worlds whose hidden cause is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.hidden import GAMMAS, MOST, Bounds, Tilted, bounds, highest_gain
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import LstdSettings
from core.evaluation.judging.mix import Judged, MixSettings
from tests.evaluation.worlds import record

PLAIN = JudgeSettings(FeatureSettings(()), LstdSettings(0.1, 0.1), MixSettings((2,), spread=0.0), hidden=True)
GAMMA = 3.0


def test_one_step_with_a_hidden_cause_of_known_strength_is_bounded_by_the_truth_itself() -> None:
    """Half of the patients are well and get the dose with odds GAMMA, the others with odds 1 / GAMMA; it does nothing.

    By the record all get it with odds 1, and whoever got it fared well in GAMMA / (1 + GAMMA): the truth is 1/2, which
    is the lower bound at GAMMA, and not before.
    """
    dosed = np.repeat([1.0, 0.0], [300, 100])  # who got the dose: well, ill
    fixed, moved = np.ones(400), np.ones(400)  # ratio of the policy "always" is 1 + l (1 / b - 1) with b = 1/2
    gammas = np.array([1.0, 2.0, GAMMA, 10.0])
    low = 0.75 - highest_gain(-dosed, fixed, moved, gammas)
    assert low[[0, 2]] == pytest.approx([0.75, 0.5])
    assert low[1] == pytest.approx(3 * 1.5 / (3 * 1.5 + 3))
    assert low[1] > 0.5 > low[3]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_bounds_part_with_gamma_start_at_the_estimate_and_stay_within_what_was_seen(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    fixed, moved, errors = rng.uniform(0, 1, (n, 3)), rng.exponential(size=(n, 3)), rng.normal(size=(n, 3))
    fixed[rng.random((n, 3)) < 0.2] = 0
    with np.errstate(divide="ignore"):
        moved[rng.random((n, 3)) < 0.2] = 0
        tilted = Tilted(fixed, moved, np.log(fixed + moved))
    found = bounds(tilted, errors, {2: 0.4, 1: 0.6}, 0.9)
    assert (found.low[0], found.high[0]) == (0, 0)
    assert (np.diff(found.low) <= 1e-12).all()
    assert (np.diff(found.high) >= -1e-12).all()
    reach = (errors.max(axis=0) - errors.min(axis=0)) @ 0.9 ** np.arange(3)
    assert found.high[-1] - found.low[-1] <= reach + 1e-9
    mirrored = bounds(tilted, -errors, {2: 0.4, 1: 0.6}, 0.9)
    assert (mirrored.low, mirrored.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    order = rng.permutation(n)
    shuffled = Tilted(*(part[order] for part in (fixed, moved, tilted.log_ratios)))
    assert bounds(shuffled, 5 * errors[order], {2: 0.4, 1: 0.6}, 0.9).low == pytest.approx(5 * found.low)


def test_those_who_are_followed_stand_for_those_who_are_lost() -> None:
    """Lost after the first of two steps: that step by all, the second by those who are left, none else."""
    rng = np.random.default_rng(2)
    fixed, moved, errors = rng.uniform(0, 1, (40, 2)), rng.exponential(size=(40, 2)), rng.normal(size=(40, 2))
    tilted, kept = Tilted(fixed, moved, np.log(fixed + moved)), rng.random(40) < 0.5
    followed = np.zeros((40, 2))
    followed[:, 1] = np.where(kept, np.log(1 / 0.5), -np.inf)
    found = bounds(tilted, errors, {1: 1.0}, 0.9, followed)
    first, second = (errors * [1, 0], errors * [0, 1])
    left = Tilted(fixed[kept], moved[kept], tilted.log_ratios[kept])
    expected = bounds(tilted, first, {1: 1.0}, 0.9).low + bounds(left, second[kept], {1: 1.0}, 0.9).low
    assert found.low == pytest.approx(expected)


def test_a_claim_dies_where_its_margin_is_taken() -> None:
    logs = np.log(GAMMAS)
    found = Bounds(-2 * logs, logs)
    assert found.at(1) == (0, 0)
    assert found.at(1.7) == pytest.approx((-2 * np.log(1.7), np.log(1.7)))
    assert found.reaches(2 * np.log(1.3)) == pytest.approx(1.3)
    assert found.at(found.reaches(0.123))[0] == pytest.approx(-0.123)
    assert (found.reaches(0.0), found.reaches(-1.0), found.reaches(100.0)) == (1.0, 1.0, MOST)
    with pytest.raises(ValueError, match=r"gamma must lie between 1 and 20, got 0\.5"):
        found.at(0.5)


def confounded(n: int, seed: int, lasting: bool) -> tuple[Histories, np.ndarray]:
    """Stays of two steps whose dose does nothing. Not lasting: at each step a cause of its own, good or bad, is earned
    there and moves the odds of the dose by GAMMA. lasting: one cause moves the first dose, and is earned at the last
    step."""
    rng = np.random.default_rng(seed)
    cause = rng.random((n, 2)) < 0.5
    actions = (rng.random((n, 2)) < np.where(cause, GAMMA / (1 + GAMMA), 1 / (1 + GAMMA))).astype(int)
    rewards = cause.astype(float)
    if lasting:
        actions[:, 1] = rng.random(n) < 0.5
        rewards[:, 1], rewards[:, 0] = cause[:, 0], 0
    states = rng.normal(size=(n, 2, 1))
    histories = Histories(states, actions, rewards, np.ones((n, 2), dtype=bool), np.array([0.0, 1.0]), gamma=0.99)
    return histories, np.full((n, 2), 0.5)


def always_dosed(n: int, lasting: bool) -> Judged:
    histories, behavior = confounded(n, 3, lasting)
    own = np.broadcast_to([0.0, 1.0], (n, 2, 2))
    number = assign_folds(np.arange(n), 5, seed=1)
    return judge(histories, [Fold(number == k, [Deferring("always", own)], behavior) for k in range(5)], PLAIN)[0]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_gain_that_is_none_is_claimed_and_dies_at_the_strength_of_its_hidden_cause(lasting: bool) -> None:
    judged = always_dosed(4_000, lasting)
    found, hidden = judged.difference, judged.hidden
    assert hidden is not None
    assert found.low > 0, "the cause is taken for an effect of the dose"
    of_the_kind = hidden.lasting if lasting else hidden.passing
    slack = 3 * found.se
    assert found.value + of_the_kind.at(GAMMA)[0] < slack, "at the true strength the truth, 0, is inside"
    assert 1.3 < of_the_kind.reaches(found.low) <= GAMMA * 1.1
    assert hidden.lasting.reaches(found.low) < hidden.passing.reaches(found.low)


def test_where_a_policy_defers_nothing_is_moved_and_where_nobody_follows_nothing_is_said() -> None:
    world = record(60, seed=4)
    number = assign_folds(np.arange(60), 5, seed=1)
    never = np.zeros((*world.states.shape, 2))
    never[..., 0] = world.histories.actions == 1
    never[..., 1] = world.histories.actions == 0
    usual = always_deferring(world.histories)
    policies = [usual, world.policy(), world.policy().toward(0.5), Deferring("never", never)]
    folds = [Fold(number == k, policies, world.propensities) for k in range(5)]
    asked = JudgeSettings(FeatureSettings((0, 1)), hidden=True)
    clinicians, whole, half, nobody = judge(world.histories, folds, asked)
    assert clinicians.hidden is not None
    assert not clinicians.hidden.lasting.low.any()
    assert not clinicians.hidden.passing.high.any()
    assert nobody.hidden is None
    assert whole.hidden is not None
    assert half.hidden is not None
    assert 0 > half.hidden.passing.at(2)[0] > whole.hidden.passing.at(2)[0]
    unasked = judge(world.histories, folds, replace(asked, hidden=False))
    assert [one.hidden for one in unasked] == [None] * 4
    assert [one.difference for one in unasked] == [one.difference for one in (clinicians, whole, half, nobody)]
