"""The mix and its cross-fitting: closed forms, invariances, persons, errors that hold the truth, and refusals."""

from __future__ import annotations

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
from core.evaluation.judging.mix import Judged, MixEstimate, MixSettings, Remembering, clustered_error, mix
from core.evaluation.judging.windows import corrected
from core.evaluation.policies import propensities
from core.evaluation.recorded import Recorded as RecordedStays
from core.evaluation.wis import per_decision_wis, wdr
from tests.evaluation.worlds import BEHAVIOR, GAMMA, NEXT, POLICY, REWARD, Recorded, record, true_value

SETTINGS = JudgeSettings(FeatureSettings((0, 1)), LstdSettings())


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
    for memory in (0, 0.5, 1, 2, 5):
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
    all_heard = MixSettings(heard=0)  # how many stays are enough is asked of stays, not of persons
    once = judged(world, [world.policy()], replace(SETTINGS, mix=all_heard))[0]
    rows = np.tile(np.arange(80), 2)
    doubled = replace(
        world.histories,
        **{name: getattr(world.histories, name)[rows] for name in ("states", "actions", "rewards", "mask")},
        persons=rows,
    )
    number = np.tile(assign_folds(np.arange(80), 5, seed=1), 2)
    folds = [Fold(number == k, [Deferring("p", world.policy().own[rows])], world.propensities[rows]) for k in range(5)]
    halved = JudgeSettings(SETTINGS.features, LstdSettings(base_ridge=20.0, action_ridge=60.0), all_heard)
    twice = judge(doubled, folds, halved)[0]
    assert twice.difference.value == pytest.approx(once.difference.value, rel=1e-6)
    assert twice.difference.se == pytest.approx(once.difference.se, rel=1e-6)
    assert (once.value.n, twice.value.n) == (80, 160)
    singly = judge(replace(doubled, persons=None), folds, halved)[0]
    assert singly.difference.parts[1].se < 0.75 * once.difference.parts[1].se


def test_intervals_hold_the_truth_and_errors_are_as_large_as_they_say() -> None:
    truth = true_value(POLICY) - true_value(BEHAVIOR)
    # the ridge is a prior on small effects, and this world's are large: it would be the whole error
    plain = JudgeSettings(FeatureSettings((0, 1)), LstdSettings(1.0, 1.0), MixSettings(spread=0.0, unseen=1.0))
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


def test_spread_and_memories_enter_the_error_as_said() -> None:
    rng = np.random.default_rng(0)
    influences, returns = rng.normal(size=(2, 50)), rng.normal(size=50)
    found = [Remembering(k, value, row, 50.0) for k, value, row in zip((0, 1), (1.0, 3.0), influences, strict=True)]
    usual = [Remembering(k, 0.0, np.zeros(50), 50.0) for k in (0, 1)]
    settings = MixSettings((0, 1), (0, 1), spread=2.0, unseen=1.0)
    one = mix("p", found, usual, returns, np.arange(50), settings)
    sampling = influences.mean(axis=0).std(ddof=1) / np.sqrt(50)
    assert one.difference.value == 2.0
    assert one.difference.spread == pytest.approx(2.0 * np.sqrt(2.0))
    assert one.difference.se == pytest.approx(np.hypot(sampling, one.difference.spread))
    assert one.difference.high - one.difference.value == pytest.approx(1.959964 * one.difference.se)
    assert one.value.value == pytest.approx(2.0 + returns.mean())
    assert str(one.difference).startswith("2.00 (-3.55 to 7.55), n 50, ESS 50 [memory 0: 1.00 ± ")


def test_witnesses_widen_the_interval_and_leave_the_value() -> None:
    """A memory that is not averaged enters the error by its distance from the mix alone."""
    rng = np.random.default_rng(1)
    returns, rows = rng.normal(size=40), rng.normal(size=(3, 40))
    found = [Remembering(k, value, row, 40.0) for k, value, row in zip((0, 1, 4), (1.0, 2.0, 6.0), rows, strict=True)]
    usual = [Remembering(k, 0.0, np.zeros(40), 40.0) for k in (0, 1, 4)]

    def difference(witnesses: tuple[float, ...], unseen: float = 1.0) -> MixEstimate:
        settings = MixSettings((0, 1), witnesses, spread=0.5, unseen=unseen)
        return mix("p", found, usual, returns, np.arange(40), settings).difference

    noise = rows[:2].mean(axis=0).std(ddof=1) / np.sqrt(40)
    assert difference((0, 1, 4)).value == difference((0, 1)).value == 1.5
    assert difference((0, 1, 4)).spread == pytest.approx(0.5 * np.sqrt((0.5**2 + 0.5**2 + 4.5**2) / 2))
    assert difference((0, 1, 4)).se == pytest.approx(np.hypot(noise, difference((0, 1, 4)).spread))
    assert difference((0, 1), unseen=4.0).se == pytest.approx(np.hypot(2 * noise, 0.5 * np.sqrt(0.5)))


def test_a_long_memory_is_heard_only_where_enough_stays_follow_it() -> None:
    """What few stays say of a long memory moves neither the value nor its interval; it is told all the same."""
    rng = np.random.default_rng(2)
    returns, rows, memories = rng.normal(size=30), rng.normal(size=(4, 30)), (0, 1, 2, 4)
    values, followers = (1.0, 2.0, 6.0, 90.0), (30.0, 25.0, 20.0, 3.0)
    found = [Remembering(*each) for each in zip(memories, values, rows, followers, strict=True)]
    usual = [Remembering(k, 0.0, np.zeros(30), 30.0) for k in memories]

    def difference(heard: float, share: float = 1.0) -> MixEstimate:
        settings = MixSettings((0, 1, 2), memories, spread=1.0, unseen=1.0, heard=heard, heard_share=share)
        return mix("p", found, usual, returns, np.arange(30), settings).difference

    assert difference(20).value == 3.0
    assert difference(20.1).value == 1.5, "of a memory of two actions 20 stays are too few"
    assert difference(300).value == 1.5
    assert difference(20).spread == pytest.approx(np.sqrt((2**2 + 1 + 3**2) / 2)), "four actions have no follower"
    assert difference(0).spread > 40
    assert difference(30).se == pytest.approx(np.hypot(rows[:2].mean(axis=0).std(ddof=1) / np.sqrt(30), np.sqrt(0.5)))
    assert [difference(30).ess, difference(20).ess] == [20, 20], "two actions in a row, heard or not"
    assert [part.heard for part in difference(20).parts] == [True, True, True, False]
    assert "memory 4" not in str(difference(20))
    assert "memory 4" in str(difference(0))


@pytest.mark.parametrize(("n", "ess", "heard"), [(100, 40, True), (100, 39, False), (50, 25, False), (2000, 300, True)])
def test_of_few_stays_a_share_is_enough_but_never_fewer_than_30(n: int, ess: float, heard: bool) -> None:
    zeros = np.zeros(n)
    found = [Remembering(k, float(k), zeros, e) for k, e in ((0, n), (1, n), (2, ess))]
    usual = [Remembering(k, 0.0, zeros, float(n)) for k in (0, 1, 2)]
    one = mix("p", found, usual, zeros, np.arange(n), MixSettings((0, 1, 2), (0, 1, 2), heard_share=0.4)).difference
    assert [one.parts[2].heard, one.value] == [heard, 1.0 if heard else 0.5]


def test_of_memories_over_the_whole_course_the_shortest_speaks_for_all() -> None:
    """Whole products are one estimate: told twice they would count twice, and bear witness to themselves."""
    settings = MixSettings()
    assert [settings.all_memories(horizon) for horizon in (1, 2, 3, 4, 5, 20)] == [
        (0, 1), (0, 1, 2), (0, 1, 2, 4), (0, 1, 2, 4), (0, 1, 2, 4, 8), (0, 1, 2, 4, 8),
    ]  # fmt: skip
    world = record(100, seed=0)
    horizon = int(world.histories.time.max()) + 1
    cut = replace(SETTINGS, mix=MixSettings((0, 1, horizon), (0, 1, horizon), heard=0))
    more = replace(SETTINGS, mix=MixSettings((0, 1, horizon, horizon + 3), (0, 1, horizon, horizon + 3), heard=0))
    one, other = (judged(world, [world.policy()], given)[0].difference for given in (cut, more))
    assert (one.value, one.se, one.ess) == (other.value, other.se, other.ess)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: MixSettings((1, 1)), "memories must be distinct"),
        (lambda: MixSettings(witnesses=()), "witnesses must be distinct and at least one"),
        (lambda: MixSettings(unseen=0.9), "unseen at least 1, got 0.9, 0.9, 300.0 and 0.15"),
        (lambda: MixSettings(heard=-1), "heard and heard_share must be at least 0"),
        (lambda: MixSettings((2, 4)), r"memories must hold 0 or 1, which are always heard, got \(2, 4\)"),
        (lambda: MixSettings(witnesses=(1, 2)), r"witnesses must hold 0 and 1, which are always heard, got \(1, 2\)"),
        (lambda: MixSettings((0, 1.5)), "a memory is 0, a fraction below 1 or a whole number of steps, got 1.5"),
        (lambda: MixSettings(spread=-1), "spread, heard and heard_share must be at least 0"),
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
