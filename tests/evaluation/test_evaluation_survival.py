"""Survival by the mix: exact on worlds with a known truth, 1 where nobody dies, and blind to reward and discount."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds
from core.evaluation.judging.deferring import always_deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.survival import judge_survival, surviving
from tests.evaluation.worlds import BEHAVIOR, HORIZON, NEXT, POLICY, START, Recorded, record

SETTINGS = JudgeSettings(FeatureSettings((0, 1)))
LIVES = np.array([[0.9, 0.7], [0.5, 0.8], [0.6, 0.2]])  # chance to survive by last state and action


def true_survival(policy: np.ndarray) -> float:
    """Exact, by backward recursion from the last step."""
    v = (policy * LIVES).sum(axis=1)
    for _ in range(HORIZON - 1):
        v = (policy * (NEXT @ v)).sum(axis=1)
    return float(START @ v)


def cohort(n: int, seed: int) -> tuple[Recorded, np.ndarray]:
    world = record(n, seed)
    chance = LIVES[world.states[:, -1], world.histories.actions[:, -1]]
    return world, np.random.default_rng((seed, 1)).random(n) < chance


def judged(world: Recorded, survived: np.ndarray) -> list[Judged]:
    number = assign_folds(world.histories.person, 5, seed=1)
    policies = [world.policy(), always_deferring(world.histories)]
    folds = [Fold(number == k, policies, world.propensities) for k in range(5)]
    return judge_survival(world.histories, survived, folds, SETTINGS)


def test_survival_over_twenty_cohorts_is_near_the_truth_and_its_intervals_hold_it() -> None:
    truth, clinicians = true_survival(POLICY), true_survival(BEHAVIOR)
    errors, held = [], []
    for seed in range(20):
        world, survived = cohort(600, seed)
        own = judged(world, survived)[0]
        errors.append(own.value.value - truth)
        held.append(own.value.low <= truth <= own.value.high)
        held.append(own.difference.low <= truth - clinicians <= own.difference.high)
    assert np.mean(np.abs(errors)) < 0.03
    assert abs(np.mean(errors)) < 3 * np.std(errors, ddof=1) / np.sqrt(20)  # no bias beyond chance
    assert np.mean(held) >= 0.9


def test_the_clinicians_survival_is_the_recorded_share() -> None:
    world, survived = cohort(200, seed=3)
    own = judged(world, survived)[1]
    assert own.value.value == pytest.approx(survived.mean())
    assert (own.difference.value, own.difference.se) == (0, 0)


def test_where_all_survive_no_policy_changes_it_and_intervals_stay_within_0_and_1() -> None:
    world, survived = cohort(200, seed=4)
    own = judged(world, np.ones(200, dtype=bool))[0]
    assert own.value.value == pytest.approx(1, abs=0.02)
    assert own.value.high <= 1
    (few,) = judged(*_first(world, survived, 25))[:1]
    assert 0 <= few.value.low <= few.value.high <= 1


def _first(world: Recorded, survived: np.ndarray, n: int) -> tuple[Recorded, np.ndarray]:
    chosen = np.arange(len(survived)) < n
    return Recorded(world.histories.only(chosen), world.propensities[:n], world.states[:n]), survived[:n]


def test_the_reward_and_the_discount_say_nothing_of_survival() -> None:
    world, survived = cohort(150, seed=5)
    other = replace(world, histories=replace(world.histories, rewards=-7 * world.histories.rewards, gamma=0.3))
    assert judged(world, survived) == judged(other, survived)


def test_the_reward_of_survival_stands_at_each_stays_last_step() -> None:
    world, survived = cohort(4, seed=6)
    lengths = np.array([5, 1, 0, 3])
    mask = np.arange(HORIZON) < lengths[:, None]
    found = surviving(replace(world.histories, mask=mask), np.array([True, True, True, False]))
    assert [(int(i), int(t)) for i, t in np.argwhere(found.rewards)] == [(0, 4), (1, 0)]
    assert found.returns.tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="one entry a stay"):
        surviving(world.histories, survived[:3])
