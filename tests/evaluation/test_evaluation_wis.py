"""WIS, per-decision WIS and WDR: closed forms, on-policy values, invariances, and what tells them from PHWIS."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation import Critic, Recorded, per_decision_wis, phwis, wdr, weighted_draws, weighted_many, wis

MASK = np.array([[True, True], [True, False]])
REWARDS = np.array([[1.0, 2.0], [3.0, np.nan]])
EVALUATION, BEHAVIOR = np.array([[0.6, 0.5], [0.2, 0]]), np.array([[0.2, 0.25], [0.2, 0]])  # ratios 3, 6 and 1
TWO = Recorded(REWARDS, MASK, BEHAVIOR, gamma=0.5)


def recorded_of(data, rows=slice(None)) -> Recorded:
    return Recorded(data.rewards[rows], data.mask[rows], data.behavior[rows])


def test_wis_by_hand() -> None:
    result = wis(TWO, EVALUATION)
    assert result.value == pytest.approx(6 / 7 * (1 + 0.5 * 2) + 1 / 7 * 3)
    assert result.ess == pytest.approx(1 / ((6 / 7) ** 2 + (1 / 7) ** 2))
    assert (result.n, result.max_weight, result.estimator) == (2, pytest.approx(6 / 7), "wis")


def test_per_decision_wis_by_hand() -> None:
    assert per_decision_wis(TWO, EVALUATION).value == pytest.approx(3 / 4 * 1 + 1 / 4 * 3 + 0.5 * 6 / 7 * 2)


def test_wdr_by_hand() -> None:
    q, v = np.array([[5.0, 1], [2, np.nan]]), np.array([[4.0, 2], [1, np.nan]])
    first = (3 / 4 * 1 - (3 / 4 * 5 - 1 / 2 * 4)) + (1 / 4 * 3 - (1 / 4 * 2 - 1 / 2 * 1))
    second = 6 / 7 * 2 - (6 / 7 * 1 - 3 / 4 * 2)
    assert wdr(TWO, EVALUATION, q, v).value == pytest.approx(first + 0.5 * second)


def test_a_policy_on_its_own_data_gets_the_mean_return(data) -> None:
    recorded, zero = recorded_of(data), np.zeros_like(data.q)
    mean = (np.where(data.mask, data.rewards, 0) * 0.99 ** np.arange(6)).sum(axis=1).mean()
    results = wis(recorded, data.behavior), per_decision_wis(recorded, data.behavior)
    for result in (*results, wdr(recorded, data.behavior, zero, zero)):
        assert result.value == pytest.approx(mean)
        assert result.ess == pytest.approx(len(data.mask))


def test_without_a_critic_weighted_dr_is_per_decision_wis(data) -> None:
    recorded, zero = recorded_of(data), np.zeros_like(data.q)
    plain, robust = per_decision_wis(recorded, data.evaluation), wdr(recorded, data.evaluation, zero, zero)
    assert robust.value == pytest.approx(plain.value)


def test_with_equal_lengths_wis_is_phwis(data) -> None:
    whole = np.ones_like(data.mask)
    recorded = Recorded(data.rewards, whole, data.behavior)
    assert wis(recorded, data.evaluation).value == pytest.approx(
        phwis(data.rewards, whole, data.evaluation, data.behavior).value
    )


def test_wis_follows_a_policy_that_changes_how_long_stays_last_and_phwis_does_not() -> None:
    # action 1 (reward 1) ends the stay, action 0 (reward 0) goes on for one more step; the policy always takes 1
    mask = np.array([[True, False]] * 20 + [[True, True]] * 20)
    actions = mask & ~np.roll(mask, -1, axis=1)
    actions[20:] = False
    recorded = Recorded(actions.astype(float), mask, np.full(mask.shape, 0.5))
    assert wis(recorded, actions.astype(float)).value == pytest.approx(1)
    assert phwis(recorded.rewards, mask, actions.astype(float), recorded.behavior_propensities).value == pytest.approx(
        0.5
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_order_of_patients_and_content_of_padding_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.arange(5) < rng.integers(0, 6, 20)[:, None]
    mask[0, 0] = True
    rewards, q, v = rng.normal(size=(3, 20, 5))
    evaluation, behavior = rng.uniform(0.01, 1, size=(2, 20, 5))
    order = rng.permutation(20)

    def values(*arrays: np.ndarray) -> list[float]:
        rewards, mask, evaluation, behavior, q, v = arrays
        recorded = Recorded(rewards, mask, behavior)
        results = wis(recorded, evaluation), per_decision_wis(recorded, evaluation), wdr(recorded, evaluation, q, v)
        return [result.value for result in results] + [results[0].ess]

    arrays = rewards, mask, evaluation, behavior, q, v
    expected = values(*arrays)
    assert values(*(a[order] for a in arrays)) == pytest.approx(expected)
    assert values(*(a if a is mask else np.where(mask, a, np.nan) for a in arrays)) == pytest.approx(expected)


def test_a_person_drawn_twice_adds_no_certainty(data) -> None:
    once = wis(recorded_of(data), data.evaluation, n_bootstrap=100)
    rows = np.repeat(np.arange(len(data.mask)), 2)
    twice = Recorded(data.rewards[rows], data.mask[rows], data.behavior[rows], persons=rows)
    result = wis(twice, data.evaluation[rows], n_bootstrap=100)
    assert (result.value, result.low, result.high) == pytest.approx((once.value, once.low, once.high))


@pytest.mark.parametrize("name", ["wis", "pdwis", "wdr"])
def test_many_equals_one_by_one_on_the_same_resamples(data, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, policies = recorded_of(data), np.stack([data.evaluation, data.behavior, data.evaluation**2])
    critic = Critic(data.q, np.stack([data.v] * 3)) if name == "wdr" else None
    many = weighted_many(name, recorded, policies, critic, n_bootstrap=40)
    draws = weighted_draws(name, recorded, policies, critic, n_bootstrap=40)
    assert np.percentile(draws, 2.5, axis=0) == pytest.approx([result.low for result in many])
    monkeypatch.setattr("core.evaluation.weighted.BLOCK", 1)
    for one, all_ in zip(weighted_many(name, recorded, policies, critic, n_bootstrap=40), many, strict=True):
        assert (one.value, one.low, one.ess) == pytest.approx((all_.value, all_.low, all_.ess))


def test_a_critic_is_asked_for_where_it_is_used(data) -> None:
    with pytest.raises(ValueError, match="wdr needs a critic"):
        weighted_many("wdr", recorded_of(data), data.evaluation[None])
    with pytest.raises(ValueError, match="wis takes no critic"):
        weighted_many("wis", recorded_of(data), data.evaluation[None], Critic(data.q, data.v))
