"""The mix and its cross-fitting: closed forms, invariances, persons, errors that hold the truth, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.judging.crossfit import Fold, JudgeSettings, _judge_fold, _Pooled, assign_folds, judge
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import LstdSettings
from core.evaluation.judging.mix import (
    Judged,
    MixEstimate,
    MixSettings,
    Remembering,
    clustered_covariance,
    clustered_error,
    enlargement,
    least_variance,
    mix,
)
from core.evaluation.judging.windows import corrected
from core.evaluation.policies import propensities
from core.evaluation.recorded import Recorded as RecordedStays
from core.evaluation.wis import per_decision_wis, wdr
from tests.evaluation.worlds import BEHAVIOR, GAMMA, NEXT, POLICY, REWARD, Recorded, record, true_value

SETTINGS = JudgeSettings(FeatureSettings((0, 1)), LstdSettings())
PLAIN = MixSettings(bias=0.0, unseen=1.0, few=0.0, followers=0.0, spread=0.0)  # noise as influences see it


def judged(world: Recorded, policies: list[Deferring], judge_settings: JudgeSettings = SETTINGS) -> list[Judged]:
    histories = world.histories
    number = assign_folds(histories.person, 5, seed=1)
    folds = [Fold(number == k, policies, world.propensities) for k in range(5)]
    return judge(histories, folds, judge_settings)


def test_the_clinicians_themselves_have_difference_0_and_the_recorded_mean_without_noise() -> None:
    world = record(100, seed=0)
    (result,) = judged(world, [always_deferring(world.histories)])
    returns = world.histories.returns
    assert (result.difference.value, result.difference.se, result.difference.spread) == (0, 0, 0)
    assert result.value.value == pytest.approx(returns.mean())
    assert result.value.se == pytest.approx(returns.std(ddof=1) / 10)
    assert [part.value for part in result.value.parts] == pytest.approx([returns.mean()] * 5)
    (asleep,) = judged(world, [world.policy().toward(0.0)])
    assert asleep.difference == result.difference


def test_the_clinicians_by_their_own_probabilities_have_a_difference_near_0() -> None:
    world = record(2_000, seed=1)
    (result,) = judged(world, [world.policy("as told", BEHAVIOR)])
    assert abs(result.difference.value) < 3 * result.difference.se
    assert 0 < result.difference.se < result.value.se


def test_a_memory_of_the_whole_stay_is_weighted_doubly_robust_estimation(data) -> None:
    """And with a critic of 0 it is per-decision weighted importance sampling."""
    mask, evaluated = data.mask, np.flatnonzero(data.mask.any(axis=1))
    recorded = RecordedStays(data.rewards, mask, data.behavior)
    ratios = np.where(mask, np.log(data.evaluation) - np.log(data.behavior), 0)[evaluated]
    v, q, r = (np.where(mask, grid, 0) for grid in (data.v, data.q, data.rewards))
    after = np.concatenate([v[:, 1:], np.zeros((len(v), 1))], axis=1)
    delta = np.where(mask, r + 0.99 * after - q, 0)[evaluated]
    long = corrected(v[evaluated, 0], delta, ratios, mask[evaluated], mask.shape[1], 0.99)
    assert long.value == pytest.approx(wdr(recorded, data.evaluation, data.q, data.v).value)
    plain = corrected(np.zeros(len(evaluated)), r[evaluated], ratios, mask[evaluated], mask.shape[1], 0.99)
    assert plain.value == pytest.approx(per_decision_wis(recorded, data.evaluation).value)


def test_a_right_critic_needs_no_right_weights() -> None:
    """With q and v of the policy itself, residuals have mean 0 whatever the memory."""
    world = record(20_000, seed=2, noise=0.0)
    v = np.zeros((6, 3))
    q = np.zeros((5, 3, 2))
    for t in range(4, -1, -1):
        q[t] = REWARD + GAMMA * NEXT @ v[t + 1]
        v[t] = (POLICY * q[t]).sum(axis=1)
    s, a, step = world.states, world.histories.actions, np.arange(5)
    after = np.concatenate([v[step[1:], s[:, 1:]], np.zeros((len(s), 1))], axis=1)
    delta = world.histories.rewards + GAMMA * after - q[step, s, a]
    wrong = np.log(propensities(POLICY[s], a) / 0.5)
    for memory in (0, 1, 2, 5):
        found = corrected(v[0, s[:, 0]], delta, wrong, world.histories.mask, memory, GAMMA)
        assert abs(found.value - true_value(POLICY)) < 4 * clustered_error(found.influence, np.arange(20_000)) + 0.01


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_patients_and_content_of_padding_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = record(60, seed)
    mask = np.arange(5) < rng.integers(0, 6, 60)[:, None]
    mask[0, 0] = True
    number = assign_folds(np.arange(60), 5, seed=1)
    order = rng.permutation(60)
    results = []
    for rows, junk in ((np.arange(60), np.nan), (order, 7.0)):
        histories = replace(
            world.histories,
            states=np.where(mask[..., None], world.histories.states, junk)[rows],
            actions=np.where(mask, world.histories.actions, 0)[rows],
            rewards=np.where(mask, world.histories.rewards, junk)[rows],
            mask=mask[rows],
        )
        policy = Deferring("p", np.where(mask[..., None], world.policy().own, junk)[rows])
        behavior = np.where(mask, world.propensities, 0.5)[rows]
        folds = [Fold(number[rows] == k, [policy], behavior) for k in range(5)]
        results.append(judge(histories, folds, SETTINGS)[0])
    assert results[0].difference.value == pytest.approx(results[1].difference.value, rel=1e-8)
    assert results[0].difference.se == pytest.approx(results[1].difference.se, rel=1e-8)
    assert results[0].value.n == int(mask.any(axis=1).sum())


def test_a_record_kept_twice_is_no_more_evidence() -> None:
    world = record(80, seed=3)
    once = judged(world, [world.policy()])[0]
    rows = np.tile(np.arange(80), 2)
    doubled = replace(
        world.histories,
        **{name: getattr(world.histories, name)[rows] for name in ("states", "actions", "rewards", "mask")},
        persons=rows,
    )
    number = np.tile(assign_folds(np.arange(80), 5, seed=1), 2)
    folds = [Fold(number == k, [Deferring("p", world.policy().own[rows])], world.propensities[rows]) for k in range(5)]
    halved = JudgeSettings(SETTINGS.features, LstdSettings(base_ridge=20.0, action_ridge=60.0))
    twice = judge(doubled, folds, halved)[0]
    assert twice.difference.value == pytest.approx(once.difference.value, rel=1e-6)
    assert twice.difference.se == pytest.approx(once.difference.se, rel=1e-6)
    assert (once.value.n, twice.value.n) == (80, 160)
    singly = judge(replace(doubled, persons=None), folds, halved)[0]
    assert singly.difference.parts[1].se < 0.75 * once.difference.parts[1].se


def test_intervals_hold_the_truth_and_errors_are_as_large_as_they_say() -> None:
    truth = true_value(POLICY) - true_value(BEHAVIOR)
    # the ridge is a prior on small effects, and this world's are large: it would be the whole error
    plain = JudgeSettings(FeatureSettings((0, 1)), LstdSettings(1.0, 1.0), PLAIN)
    results = []
    for seed in range(60):
        world = record(250, seed=100 + seed)
        results.append(judged(world, [world.policy()], plain)[0].difference)
    values, errors = np.array([r.value for r in results]), np.array([r.se for r in results])
    held = np.mean([r.low <= truth <= r.high for r in results])
    assert held >= 0.88, "three standard errors below 0.95 of 60"
    assert 0.8 < errors.mean() / values.std(ddof=1) < 1.3
    assert abs(values.mean() - truth) < 0.5 * values.std(ddof=1)


def test_a_policy_that_nobody_follows_has_no_evidence() -> None:
    world = record(50, seed=4)
    never = np.zeros((*world.states.shape, 2))
    never[..., 0] = world.histories.actions == 1  # always what was not done
    never[..., 1] = world.histories.actions == 0
    result = judged(world, [Deferring("never", never)])[0]
    assert result.difference.ess == 0
    assert np.isfinite(result.difference.value)


def test_poisoned_stays_reach_no_critic_that_judges_them() -> None:
    """Rewards of one fold enter the value by its own residuals alone: the critic alone moves by the other folds'."""
    world = record(60, seed=5)
    number = assign_folds(np.arange(60), 2, seed=1)
    poisoned = replace(world.histories, rewards=np.where(number[:, None] == 0, 1e3, world.histories.rewards))
    folds = [Fold(number == k, [world.policy()], world.propensities) for k in range(2)]
    pooled = []
    for histories in (world.histories, poisoned):
        one = _Pooled(*(np.zeros((1, len(histories.stay))) for _ in range(4)))
        for fold in folds:
            _judge_fold(histories, fold, SETTINGS, one)
        pooled.append(one)
    first = number[world.histories.stay] == 0
    assert np.array_equal(pooled[0].v[0, first], pooled[1].v[0, first])
    assert (pooled[0].v[0, ~first] != pooled[1].v[0, ~first]).all()


def difference_of(
    values: Sequence[float],
    rows: np.ndarray,
    settings: MixSettings,
    ess: Sequence[float] = (),
    returns: float = 1.0,
    teachers: float = 40.0,
) -> MixEstimate:
    """Of memories 0, 1, 2, ... with these values and influences (K, n); returns have mean 0 and this SD."""
    n = rows.shape[1]
    found = [
        Remembering(k, value, row, follow)
        for k, (value, row, follow) in enumerate(zip(values, rows, ess or [n / 2] * len(values), strict=True))
    ]
    usual = [Remembering(k, 0.0, np.zeros(n), float(n)) for k in range(len(values))]
    earned = returns * np.where(np.arange(n) % 2, 1.0, -1.0)
    return mix("p", found, usual, earned, np.arange(n), teachers, settings).difference


def test_memories_are_weighed_by_their_variances_and_errors_are_as_said() -> None:
    """Of uncorrelated memories each counts by its precision; what they are apart widens the interval by f."""
    rows = np.stack([np.repeat([1.0, -1.0], 20), np.tile([3.0, -3.0], 20)])  # uncorrelated, variances 1 and 9
    rows -= rows.mean(axis=1, keepdims=True)
    variance = np.array([1.0, 9.0]) / 39
    found = difference_of([1.0, 2.0], rows, replace(PLAIN, spread=2.0))
    assert found.value == pytest.approx(1.1)
    assert [part.weight for part in found.parts] == pytest.approx([0.9, 0.1])
    spread = 2.0 * np.sqrt(0.9 * 0.1**2 + 0.1 * 0.9**2)
    assert found.spread == pytest.approx(spread)
    assert found.se == pytest.approx(np.hypot(np.sqrt(1 / (1 / variance).sum()), spread))
    assert found.high - found.value == pytest.approx(1.959964 * found.se)
    assert str(found).startswith("1.10 (-0.11 to 2.31), n 40, ESS 20 [memory 0: 1.00 ± 0.16, weight 0.90, memory 1: ")
    for teachers, factor in ((40, 4), (80, 3)):
        wider = difference_of([1.0, 2.0], rows, replace(PLAIN, unseen=2.0, few=80.0), teachers=teachers)
        assert wider.value == found.value, "all memories alike"
        assert wider.se == pytest.approx(np.sqrt(factor / (1 / variance).sum())), "2 + 80 / teachers"


def test_a_memory_that_few_stays_follow_counts_little_and_one_that_none_follow_nothing() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3, 30))
    rows = np.linalg.qr((rows - rows.mean(axis=1, keepdims=True)).T)[0].T  # uncorrelated, of one variance
    settings = replace(PLAIN, followers=30.0)
    one = difference_of([1.0, 1.0, 4.0], rows, settings, ess=(30.0, 30.0, 10.0))
    assert [part.weight for part in one.parts] == pytest.approx([0.4, 0.4, 0.2]), "variances 2, 2, 4"
    assert one.ess == 10
    none = difference_of([1.0, 1.0, 4.0], rows, settings, ess=(30.0, 30.0, 0.0))
    assert (none.value, none.ess, none.parts[2].weight) == (pytest.approx(1.0), 0.0, 0.0)
    assert np.isfinite(none.se)


def test_the_bias_that_is_expected_favors_long_memories_the_more_the_fewer_follow() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2, 100))
    rows = 10 * np.linalg.qr((rows - rows.mean(axis=1, keepdims=True)).T)[0].T
    noise = 100 / 99 / 100
    far, near = (
        difference_of([0.0, 0.1], rows, replace(PLAIN, bias=0.2), ess=(100.0, follow), returns=2.0)
        for follow in (1.0, 99.0)
    )
    for found, away in ((far, 0.99), (near, 0.01)):
        variance = noise + away * 0.4**2 / np.array([1.0, 16.0])  # memory 1 is a quarter as biased as the critic alone
        expected = 1 / variance
        assert [part.weight for part in found.parts] == pytest.approx(expected / expected.sum())
        assert found.se == pytest.approx(np.sqrt(1 / expected.sum()))
    assert far.parts[0].weight < 0.3 < near.parts[0].weight


def test_memories_that_disagree_are_believed_to_be_biased_until_they_agree() -> None:
    """However narrow chance leaves the critic alone, what longer memories contradict widens the interval and loses
    weight; what chance and bias explain changes nothing."""
    noise, bias = np.diag([1e-6, 1.0, 1.0]), np.array([0.09, 0.04, 0.01])
    assert enlargement(noise, bias, np.array([0.0, 1.0, 1.5])) == 1
    values = np.array([0.0, 8.0, 9.0])
    factor = enlargement(noise, bias, values)
    covariance = noise + factor * np.diag(bias)
    precision = np.linalg.inv(covariance)
    residual = values - precision.sum(axis=0) @ values / precision.sum()
    assert factor > 50
    assert residual @ precision @ residual == pytest.approx(5.9914645), "95 % of chi-squared with 2 degrees of freedom"
    assert least_variance(covariance)[0] < 0.2 < 0.8 < least_variance(noise + np.diag(bias))[0]
    assert enlargement(noise, np.zeros(3), values) == 1, "of a policy that is the clinicians' own"
    assert enlargement(np.diag([1.0, np.nan, np.inf]), bias, values) == 1, "one alone contradicts nobody"
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(3, 200)) * [[0.1], [1.0], [1.0]]
    torn = difference_of([0.0, 3.0, 4.0], rows, MixSettings(memories=(0, 1, 2)))
    calm = difference_of([0.0, 0.1, 0.0], rows, MixSettings(memories=(0, 1, 2)))
    assert (torn.disagree, calm.disagree) == (True, False)
    assert torn.se > 5 * calm.se


def test_memories_that_rounding_alone_parts_agree() -> None:
    """As of a policy that is the clinicians' by their own probabilities, but for the last digits."""
    rows = np.tile(np.random.default_rng(5).normal(size=40), (5, 1))
    for away in (1e-16, 1e-15, 1e-13):
        found = difference_of([0.3, 0.3, 0.3, 0.3, 0.3 + 1e-9], rows, MixSettings(), ess=[40 * (1 - away)] * 5)
        assert not found.disagree
        assert found.value == pytest.approx(0.3)


def test_where_everybody_is_lost_at_once_nobody_follows() -> None:
    """As in a group of a registry whose courses all end unseen: not even the clinicians are followed."""
    rows = np.stack([np.tile([1.0, -1.0], 20), np.zeros(40)])
    found = [Remembering(memory, 0.5, row, ess) for memory, row, ess in zip((0, 2), rows, (40.0, 0.0), strict=True)]
    usual = [Remembering(memory, 0.0, np.zeros(40), ess) for memory, ess in ((0, 40.0), (2, 0.0))]
    result = mix("p", found, usual, rows[0], np.arange(40), 40).difference
    assert (result.value, result.ess, result.parts[0].weight) == (0.5, 0.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 6))
def test_no_other_weights_have_a_smaller_variance(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size)) * 10.0 ** rng.uniform(-3, 2)
    covariance = root @ root.T
    weights = least_variance(covariance)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    others = rng.dirichlet(np.full(size, 0.5), 200)
    assert (np.einsum("ij,jk,ik->i", others, covariance, others) >= weights @ covariance @ weights * (1 - 1e-6)).all()


def test_estimates_without_a_variance_have_no_weight_and_all_of_them_equal_ones() -> None:
    assert least_variance(np.diag([1.0, np.inf, 3.0])).tolist() == pytest.approx([0.75, 0, 0.25])
    assert least_variance(np.full((2, 2), np.nan)).tolist() == [0.5, 0.5]
    assert least_variance(np.ones((2, 2))).tolist() == pytest.approx([0.5, 0.5])
    assert least_variance(np.zeros((4, 4))).tolist() == [0.25] * 4


def test_persons_make_the_covariance() -> None:
    """Three persons of two stays each: sums by person, as a loop has them."""
    rng, person = np.random.default_rng(5), np.array([0, 1, 2, 2, 0, 1])
    rows = rng.normal(size=(2, 6))
    slow = np.zeros((2, 2))
    for p in range(3):
        total = (rows - rows.mean(axis=1, keepdims=True))[:, person == p].sum(axis=1)
        slow += np.outer(total, total) * 3 / 2 / 36
    assert clustered_covariance(rows, person) == pytest.approx(slow)
    assert clustered_error(rows[1], person) == pytest.approx(np.sqrt(slow[1, 1]))
    assert np.isnan(clustered_error(rows[0], np.zeros(6)))


def test_of_memories_over_the_whole_course_the_shortest_speaks_for_all() -> None:
    """Whole products are one estimate: told twice they would count twice."""
    settings = MixSettings()
    assert [settings.all_memories(horizon) for horizon in (1, 2, 3, 4, 5, 20)] == [
        (0, 1), (0, 1, 2), (0, 1, 2, 4), (0, 1, 2, 4), (0, 1, 2, 4, 8), (0, 1, 2, 4, 8),
    ]  # fmt: skip
    world = record(100, seed=0)
    horizon = int(world.histories.time.max()) + 1
    cut = replace(SETTINGS, mix=MixSettings((0, 1, horizon)))
    more = replace(SETTINGS, mix=MixSettings((0, 1, horizon, horizon + 3)))
    one, other = (judged(world, [world.policy()], given)[0].difference for given in (cut, more))
    assert (one.value, one.se, one.ess) == (other.value, other.se, other.ess)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: MixSettings((1, 1)), "memories must be distinct"),
        (lambda: MixSettings(()), r"memories must be distinct and at least one, got \(\)"),
        (
            lambda: MixSettings(unseen=0.9),
            "unseen must be at least 1 .* got unseen 0.9, bias 0.09",
        ),
        (lambda: MixSettings(spread=-1), r"at least 0, .* followers 30\.0, spread -1"),
        (lambda: MixSettings((0, 1.5)), "a memory is a whole number of actions, 0 or more, got 1.5"),
        (lambda: assign_folds(np.arange(3), 5), "n_folds must lie between 2 and the 3 persons"),
        (lambda: record(5, 0).policy().toward(1.2), r"share must lie in \[0, 1\], got 1.2"),
    ],
)
def test_settings_out_of_range_are_refused(build, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build()


def test_folds_that_do_not_part_the_stays_are_refused() -> None:
    world = record(10, seed=6)
    half, policy = np.arange(10) < 5, [world.policy()]
    with pytest.raises(ValueError, match="held out by at most one fold"):
        judge(world.histories, [Fold(half, policy, world.propensities)] * 2, SETTINGS)
    folds = [Fold(half, policy, world.propensities), Fold(~half, [world.policy("q")], world.propensities)]
    with pytest.raises(ValueError, match="the same policies by name"):
        judge(world.histories, folds, SETTINGS)
    shared = replace(world.histories, persons=np.arange(10) // 2)
    with pytest.raises(ValueError, match="stays of one person are in different folds"):
        judge(shared, [Fold(half, policy, world.propensities), Fold(~half, policy, world.propensities)], SETTINGS)


def test_folds_keep_persons_together_and_are_about_equal() -> None:
    persons = np.repeat(np.arange(40), 3)
    folds = assign_folds(persons, 5, seed=2)
    assert all(len(set(folds[persons == p])) == 1 for p in range(40))
    assert np.bincount(folds).tolist() == [24] * 5


def test_a_dial_halves_what_a_policy_does_on_its_own() -> None:
    world = record(20, seed=7)
    histories: Histories = world.histories
    whole, half = world.policy(), world.policy().toward(0.5).toward(0.5)
    behavior = histories.flat(world.propensities)
    ratio = np.exp(whole.log_ratios(histories, behavior))
    assert half.name == "policy at 0.5 at 0.5"
    assert np.exp(half.log_ratios(histories, behavior)) == pytest.approx(0.75 + 0.25 * ratio)
