"""PHWIS and PHWDR: closed forms, on-policy values, invariances, extremes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation import (
    Critic,
    Recorded,
    differences,
    direct_many,
    phwdr,
    phwis,
    weighted_draws,
    weighted_many,
)
from core.evaluation.aligned import align_stays, cumulative_log_ratios
from core.evaluation.weighting import trajectory_weights

TRUE = np.ones((2, 1), dtype=bool)


def weights_of(mask: np.ndarray, evaluation: np.ndarray, behavior: np.ndarray) -> np.ndarray:
    """W_l omega_i of each stay, as PHWIS has it."""
    stays = align_stays(mask)
    return trajectory_weights(stays.groups, cumulative_log_ratios(stays, evaluation[None], behavior))[0]


def test_phwis_of_two_one_step_stays_by_hand() -> None:
    # ratios 0.9/0.3 = 3 and 0.2/0.2 = 1, so omega = 3/4, 1/4; returns 10 and -2
    result = phwis([[10.0], [-2.0]], TRUE, [[0.9], [0.2]], [[0.3], [0.2]])
    assert result.value == pytest.approx(0.75 * 10 - 0.25 * 2)
    assert result.ess == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert (result.n, result.max_weight, result.zero_weight) == (2, pytest.approx(0.75), 0)


def test_phwis_weighs_length_groups_by_their_share() -> None:
    # two stays of length 1 (omega 2/3, 1/3), one of length 2 (omega 1); W = 2/3, 1/3
    mask = np.array([[True, False], [True, False], [True, True]])
    rewards = np.array([[3.0, 99], [6.0, 99], [1.0, 4.0]])
    evaluation = np.array([[0.4, 7], [0.2, 7], [0.1, 0.1]])
    behavior = np.array([[0.2, 0], [0.2, 0], [0.5, 0.5]])
    result = phwis(rewards, mask, evaluation, behavior, gamma=0.5)
    assert result.value == pytest.approx(2 / 3 * (2 / 3 * 3 + 1 / 3 * 6) + 1 / 3 * (1 + 0.5 * 4))
    weights = weights_of(mask, evaluation, behavior)
    assert weights == pytest.approx([4 / 9, 2 / 9, 1 / 3])


def test_phwdr_of_two_two_step_stays_by_hand() -> None:
    mask = np.ones((2, 2), dtype=bool)
    rewards, q, v = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 1], [2, 3]]), np.array([[4.0, 2], [1, 1]])
    evaluation, behavior = np.array([[0.6, 0.5], [0.2, 0.5]]), np.array([[0.2, 0.5], [0.2, 0.1]])
    # rho_0 = 3, 1 -> omega_0 = 3/4, 1/4; rho_1 = 3, 5 -> omega_1 = 3/8, 5/8
    first = (0.75 * 1 - (0.75 * 5 - 0.5 * 4)) + (0.25 * 3 - (0.25 * 2 - 0.5 * 1))
    second = (3 / 8 * 2 - (3 / 8 * 1 - 0.75 * 2)) + (5 / 8 * 4 - (5 / 8 * 3 - 0.25 * 1))
    result = phwdr(rewards, mask, evaluation, behavior, q, v, gamma=0.9)
    assert result.value == pytest.approx(first + 0.9 * second)
    assert result.ess == pytest.approx(1 / ((3 / 8) ** 2 + (5 / 8) ** 2))


def test_a_policy_on_its_own_data_gets_the_mean_return(data) -> None:
    returns = (np.where(data.mask, data.rewards, 0) * 0.99 ** np.arange(6)).sum(axis=1)
    result = phwis(data.rewards, data.mask, data.behavior, data.behavior)
    assert result.value == pytest.approx(returns.mean())
    assert result.ess == pytest.approx(len(returns))
    zero = np.zeros_like(data.q)
    assert phwdr(data.rewards, data.mask, data.behavior, data.behavior, zero, zero).value == pytest.approx(
        returns.mean()
    )


def test_weights_sum_to_the_share_of_each_length_group(data) -> None:
    weights, lengths = weights_of(data.mask, data.evaluation, data.behavior), data.mask.sum(axis=1)
    for length in np.unique(lengths):
        assert weights[lengths == length].sum() == pytest.approx((lengths == length).mean())


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_order_of_patients_and_content_of_padding_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.arange(5) < rng.integers(0, 6, 20)[:, None]
    mask[0, 0] = True
    rewards, q, v = rng.normal(size=(3, 20, 5))
    evaluation, behavior = rng.uniform(0.01, 1, size=(2, 20, 5))
    arrays = [rewards, mask, evaluation, behavior, q, v]
    order = rng.permutation(20)
    spoiled = [np.where(mask, a, np.nan) if a is not mask else a for a in arrays]
    for method, use in ((phwis, 4), (phwdr, 6)):
        expected = method(*arrays[:use])
        for other in (method(*(a[order] for a in arrays[:use])), method(*spoiled[:use])):
            assert other.value == pytest.approx(expected.value, rel=1e-9, abs=1e-9)
            assert other.ess == pytest.approx(expected.ess)
        assert 1 - 1e-9 <= expected.ess <= expected.n + 1e-6


def test_a_constant_factor_on_the_ratios_of_a_length_group_cancels(data) -> None:
    halved = phwis(data.rewards, data.mask, data.evaluation / 2, data.behavior)
    assert halved.value == pytest.approx(phwis(*data.ope).value)


def test_a_group_without_any_weight_counts_its_patients_equally() -> None:
    mask, rewards = np.ones((3, 2), dtype=bool), np.array([[1.0, 0], [2, 0], [6, 0]])
    never = np.zeros((3, 2))
    half = np.full((3, 2), 0.5)
    result = phwis(rewards, mask, never, half, gamma=1.0, n_bootstrap=50)
    assert result.value == pytest.approx(3)
    assert (result.zero_weight, result.ess) == (1.0, pytest.approx(3))
    assert 1 <= result.low <= 3 <= result.high <= 6
    dr = phwdr(rewards, mask, never, half, np.zeros((3, 2)), np.zeros((3, 2)), gamma=1.0)
    assert dr.value == pytest.approx(3)


def test_one_zero_ratio_removes_exactly_that_stay() -> None:
    mask, rewards = np.ones((3, 2), dtype=bool), np.array([[1.0, 0], [2, 0], [600, 0]])
    evaluation = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.0]])
    result = phwis(rewards, mask, evaluation, np.full((3, 2), 0.5), gamma=1.0)
    assert result.value == pytest.approx(1.5)
    assert result.zero_weight == pytest.approx(1 / 3)


def test_extreme_ratios_neither_overflow_nor_vanish() -> None:
    mask = np.ones((2, 400), dtype=bool)
    rewards = np.zeros((2, 400))
    rewards[:, 0] = 1, 2
    behavior = np.full((2, 400), 1e-9)  # ratios up to 1e3600
    evaluation = np.ones((2, 400))
    evaluation[1, 0] = 1 / 3
    for evaluated in (evaluation, evaluation * 1e-18):  # and down to 1e-3600
        result = phwis(rewards, mask, evaluated, behavior, n_bootstrap=20)
        assert result.value == pytest.approx(0.75 * 1 + 0.25 * 2)
        assert np.isfinite([result.low, result.high]).all()


def test_many_equals_one_by_one_on_the_same_resamples(data) -> None:
    evaluations = np.stack([data.evaluation, data.behavior, data.evaluation**2])
    qs, vs = np.stack([data.q, data.q, 2 * data.q]), np.stack([data.v, data.v, data.v])
    recorded = Recorded(data.rewards, data.mask, data.behavior)
    many = weighted_many("phwis", recorded, evaluations, None, 40, np.random.default_rng(1))
    many_dr = weighted_many("phwdr", recorded, evaluations, Critic(qs, vs), 40, np.random.default_rng(1))
    for p in range(3):
        args = data.rewards, data.mask, evaluations[p], data.behavior
        one = phwis(*args, n_bootstrap=40, rng=np.random.default_rng(1))
        one_dr = phwdr(*args, qs[p], vs[p], n_bootstrap=40, rng=np.random.default_rng(1))
        for a, b in ((many[p], one), (many_dr[p], one_dr)):
            assert (a.value, a.low, a.high, a.ess) == pytest.approx((b.value, b.low, b.high, b.ess))


def test_paired_differences_are_narrower_than_the_intervals_they_compare(data) -> None:
    evaluations = np.stack([data.behavior, np.clip(data.behavior * 0.9 + 0.02, 0, 1)])
    asked = Recorded(data.rewards, data.mask, data.behavior), evaluations
    results, draws = weighted_many("phwis", *asked, None, 200), weighted_draws("phwis", *asked, None, 200)
    assert np.percentile(draws, 2.5, axis=0) == pytest.approx([result.low for result in results])
    own, other = differences([result.value for result in results], draws, len(data.mask))
    assert (own.value, own.low, own.high) == (0, 0, 0)
    assert other.value == pytest.approx(results[1].value - results[0].value)
    assert other.low <= other.value <= other.high
    assert other.high - other.low < 0.5 * (results[1].high - results[1].low)
    critic = Critic(data.q, data.v)
    robust = weighted_draws("phwdr", *asked, critic, 200)
    assert np.percentile(robust, 97.5, axis=0) == pytest.approx(
        [result.high for result in weighted_many("phwdr", *asked, critic, 200)]
    )
    with pytest.raises(ValueError, match="P = 1"):
        differences([0.0], draws, 60)


def test_a_shared_critic_is_used_for_every_policy(data) -> None:
    evaluations = np.stack([data.evaluation, data.behavior])
    recorded = Recorded(data.rewards, data.mask, data.behavior)
    shared = weighted_many("phwdr", recorded, evaluations, Critic(data.q, data.v))
    alone = phwdr(data.rewards, data.mask, data.behavior, data.behavior, data.q, data.v)
    assert shared[1].value == pytest.approx(alone.value)


def test_without_bootstrap_there_is_no_interval(data) -> None:
    result = phwis(*data.ope)
    assert np.isnan([result.low, result.high]).all()


def test_rows_without_a_step_are_left_out(data) -> None:
    mask = data.mask.copy()
    mask[:5] = False
    result = phwis(data.rewards, mask, data.evaluation, data.behavior)
    assert result.n == 55
    rest = phwis(*(a[5:] for a in data.ope))
    assert result.value == pytest.approx(rest.value)
    assert align_stays(mask).rows.tolist() == list(range(5, 60))


def test_errors_name_the_array(data) -> None:
    with pytest.raises(ValueError, match="no True step"):
        phwis(data.rewards, np.zeros_like(data.mask), data.evaluation, data.behavior)
    with pytest.raises(ValueError, match="rewards has shape"):
        phwis(data.rewards[:, 1:], data.mask, data.evaluation, data.behavior)
    with pytest.raises(ValueError, match="eval_propensities must lie in"):
        phwis(data.rewards, data.mask, data.evaluation + 1, data.behavior)
    with pytest.raises(ValueError, match="pseudo-count"):
        phwis(data.rewards, data.mask, data.evaluation, data.behavior * 0)
    with pytest.raises(ValueError, match="q_taken has shape"):
        phwdr(*data.ope, data.q[:3], data.v)
    with pytest.raises(ValueError, match="must be finite"):
        phwdr(*data.ope, data.q * np.nan, data.v)


def test_direct_is_the_mean_first_value_and_its_interval_covers_it(data) -> None:
    values = np.stack([data.v, data.v + 1])
    first, second = direct_many(values, data.mask, n_bootstrap=200)
    assert first.value == pytest.approx(data.v[:, 0].mean())
    assert second.value - first.value == pytest.approx(1)
    assert second.low - first.low == pytest.approx(1)
    assert first.low < first.value < first.high
