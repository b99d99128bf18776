"""Audits of a judgment: a drug drawn anew does nothing, controls are settled at the start, a prognosis is taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.judging.audit import (
    control_rewards,
    in_each,
    null_advice,
    outcome_rewards,
    redrawn,
    residualized,
)
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge, judge_groups
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.lstd import LstdSettings
from tests.evaluation.worlds import HORIZON, record

FEATURES = FeatureSettings((0, 1))
SETTINGS = JudgeSettings(FEATURES, LstdSettings(1.0, 1.0))


def folds_of(n: int) -> list[np.ndarray]:
    number = assign_folds(np.arange(n), 5, seed=1)
    return [number == k for k in range(5)]


def test_redrawn_doses_have_the_clinicians_shares_and_everything_else_stays() -> None:
    world = record(4000, seed=2)
    histories = world.histories
    probs = np.zeros((*histories.mask.shape, 2))
    probs[..., 1] = 0.2 + 0.6 * (histories.states[..., 0] > 0)
    probs[..., 0] = 1 - probs[..., 1]
    null = redrawn(histories, probs, np.random.default_rng(0))
    mask, high = histories.mask, histories.states[..., 0] > 0
    assert null.actions[mask & high].mean() == pytest.approx(0.8, abs=0.03)
    assert null.actions[mask & ~high].mean() == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(null.rewards, histories.rewards)
    np.testing.assert_array_equal(null.actions[~mask], histories.actions[~mask])
    agree = (null.actions == histories.actions)[mask].mean()
    assert agree < 0.9, "drawn anew, not kept"


def test_a_drug_drawn_anew_earns_claims_about_as_rarely_as_said() -> None:
    claims, advices = 0, 0
    for seed in range(6):
        world = record(200, seed=30 + seed)
        probs = np.zeros((*world.histories.mask.shape, 2))
        taken = np.where(world.histories.actions == 1, world.propensities, 1 - world.propensities)
        probs[..., 1], probs[..., 0] = taken, 1 - taken
        rng = np.random.default_rng(seed)
        features = FeatureSettings((0, 1), history=True)
        for advice in null_advice(world.histories, probs, folds_of(200), features, SETTINGS, 5, rng):
            claims += advice.claims
            advices += advice.chosen is not None
    assert claims <= 3, "of 30; one in twenty or fewer is meant, three is what chance still gives"
    assert advices < 30


def test_controls_show_no_gain_where_propensities_are_right_and_one_where_they_are_wrong() -> None:
    """Doses follow the state; who takes them for drawn by lot takes the state for their effect, by long ratios first:
    of short memories the critic makes it good."""
    honest, fooled = [], []
    for seed in range(5, 9):
        world = record(3000, seed=seed)
        lot = np.full(world.propensities.shape, 0.5)
        for found, given in ((honest, world.propensities), (fooled, lot)):
            folds = [Fold(one, [world.policy()], given) for one in folds_of(3000)]
            told = in_each(world.histories, folds, [control_rewards(world.histories, 0)], SETTINGS)[0][0].difference
            assert abs(told.value) < 3 * told.se
            found.append(told.parts[-1])
    right, wrong = (np.mean([part.value for part in found]) for found in (honest, fooled))
    assert abs(right) < 2 * np.sqrt(np.sum([part.se**2 for part in honest])) / 4
    assert abs(wrong) > 3 * np.sqrt(np.sum([part.se**2 for part in fooled])) / 4


def test_many_rewards_at_once_are_judged_as_one_by_one() -> None:
    world = record(300, seed=8)
    folds = [Fold(one, [world.policy()], world.propensities) for one in folds_of(300)]
    controls = [control_rewards(world.histories, column) for column in range(world.histories.states.shape[-1])]
    rewards = [residualized(world.histories, folds_of(300)), *controls]
    for reward, (found,) in zip(rewards, in_each(world.histories, folds, rewards, SETTINGS), strict=True):
        (alone,) = judge(replace(world.histories, rewards=reward), folds, SETTINGS)
        assert found.difference.value == pytest.approx(alone.difference.value, abs=1e-9)
        assert found.difference.se == pytest.approx(alone.difference.se)


def test_an_outcome_is_earned_at_the_last_step_and_spread_as_the_returns() -> None:
    histories = record(80, seed=6).histories
    outcome = np.arange(80.0)
    rewards = outcome_rewards(histories, outcome)
    for stay in (0, 40, 79):
        steps = np.flatnonzero(histories.mask[stay])
        assert (rewards[stay, steps[:-1]] == 0).all()
    last = np.array([rewards[i, np.flatnonzero(histories.mask[i])[-1]] for i in range(80)])
    assert np.corrcoef(last, outcome)[0, 1] == pytest.approx(1.0)
    assert last.mean() == pytest.approx(0.0, abs=1e-9)
    assert last.std() == pytest.approx(histories.returns.std())


def test_a_prognosis_comes_from_other_folds_and_keeps_the_mean() -> None:
    histories, held, stays = record(300, seed=7).histories, folds_of(300), np.arange(300)
    last = HORIZON - 1
    start = histories.states[:, 0, 0]
    rewards = histories.rewards.copy()
    rewards[:, last] = 5.0 * start + 1.0
    left = residualized(replace(histories, rewards=rewards), held)
    assert left[:, last].std() < 0.2 * (5.0 * start).std()
    assert left[:, last].mean() == pytest.approx(rewards[:, last].mean())
    np.testing.assert_array_equal(left[:, :last], rewards[:, :last])
    other = rewards.copy()
    other[0, last] += 100.0  # the first stay's own reward moves the prognosis of other folds, never of its own
    moved = residualized(replace(histories, rewards=other), held)[:, last] - left[:, last]
    own = next(one for one in held if one[0])
    assert np.ptp(moved[own & (stays != 0)]) == pytest.approx(0, abs=1e-9), "only the mean, which is everybody's, moved"
    assert np.ptp(moved[~own]) > 0.01


def test_a_group_of_all_stays_is_judged_as_all_and_parts_put_together_are_the_whole() -> None:
    world, held = record(400, seed=9), folds_of(400)
    folds = [Fold(one, [world.policy()], world.propensities) for one in held]
    everyone, first = np.ones(400, dtype=bool), world.states[:, 0] == 0
    (whole,) = judge(world.histories, folds, SETTINGS)
    (again,), (one,), (rest,) = judge_groups(world.histories, folds, [everyone, first, ~first], SETTINGS)
    assert again == whole
    assert one.difference.n + rest.difference.n == 400
    mean = (one.difference.n * one.value.parts[0].value + rest.difference.n * rest.value.parts[0].value) / 400
    assert mean == pytest.approx(whole.value.parts[0].value, abs=0.3), "the critic alone is a mean over first steps"
    assert one.difference.se > whole.difference.se
