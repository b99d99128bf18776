"""One contract for all off-policy estimators: the exact value of a small MDP, support, intervals, repeatability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from core.base.types import OPEResult
from core.evaluation import Recorded as Records
from core.evaluation import direct, per_decision_wis, phwdr, phwis, propensities, state_values, wdr, wis

GAMMA, HORIZON = 0.9, 4
TRANSITION = np.array([[[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]], [[0.3, 0.5, 0.2], [0.1, 0.2, 0.7]], [[0.5, 0.3, 0.2]] * 2])
REWARD = np.array([[0.0, 1.0], [2.0, -1.0], [-0.5, 3.0]])  # (S, A)
BEHAVIOR = np.array([[0.7, 0.3], [0.5, 0.5], [0.6, 0.4]])
TARGET = np.array([[0.3, 0.7], [0.8, 0.2], [0.4, 0.6]])


def exact_q(policy: np.ndarray, horizon: int) -> np.ndarray:
    """Q_t(s, a) with `horizon` steps left at t = 0, (horizon, S, A)."""
    q = np.zeros((horizon + 1, 3, 2))
    for t in reversed(range(horizon)):
        q[t] = REWARD + GAMMA * TRANSITION @ state_values(policy, q[t + 1])
    return q[:-1]


@dataclass(frozen=True)
class Recorded:
    """Stays recorded under BEHAVIOR, arrays (N, T), and critics of TARGET."""

    rewards: np.ndarray
    mask: np.ndarray
    evaluation: np.ndarray
    behavior: np.ndarray
    q: np.ndarray
    v: np.ndarray


def record(n: int, seed: int, error: float = 0.0) -> Recorded:
    """Lengths 2..4 by chance alone; the critic is exact, or off by `error` times noise of the state and action."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, HORIZON + 1, n)
    state = rng.integers(0, 3, n)
    noise = np.random.default_rng(9).normal(size=(HORIZON, 3, 2)) * error
    by_length = {length: exact_q(TARGET, length) for length in range(2, HORIZON + 1)}
    columns: list[tuple[np.ndarray, ...]] = []
    for t in range(HORIZON):
        action = (rng.random(n) > BEHAVIOR[state, 0]).astype(int)
        q = np.stack([(by_length[length][t] if t < length else REWARD) + noise[t] for length in lengths])
        q = q[np.arange(n), state]
        columns.append(
            (
                REWARD[state, action],
                t < lengths,
                TARGET[state, action],
                BEHAVIOR[state, action],
                propensities(q, action),
                state_values(TARGET[state], q),
            )
        )
        state = (rng.random(n)[:, None] > TRANSITION[state, action].cumsum(axis=1)).sum(axis=1)
    return Recorded(*(np.stack(column, axis=1) for column in zip(*columns, strict=True)))


def run_phwis(d: Recorded, **options) -> OPEResult:
    return phwis(d.rewards, d.mask, d.evaluation, d.behavior, GAMMA, **options)


def run_phwdr(d: Recorded, **options) -> OPEResult:
    return phwdr(d.rewards, d.mask, d.evaluation, d.behavior, d.q, d.v, GAMMA, **options)


def run_direct(d: Recorded, **options) -> OPEResult:
    return direct(d.v, d.mask, **options)


def records(d: Recorded) -> Records:
    return Records(d.rewards, d.mask, d.behavior, GAMMA)


def run_wis(d: Recorded, **options) -> OPEResult:
    return wis(records(d), d.evaluation, **options)


def run_per_decision_wis(d: Recorded, **options) -> OPEResult:
    return per_decision_wis(records(d), d.evaluation, **options)


def run_wdr(d: Recorded, **options) -> OPEResult:
    return wdr(records(d), d.evaluation, d.q, d.v, **options)


ESTIMATORS: dict[str, Callable[..., OPEResult]] = {
    "phwis": run_phwis,
    "phwdr": run_phwdr,
    "wis": run_wis,
    "pdwis": run_per_decision_wis,
    "wdr": run_wdr,
    "fqe": run_direct,
}
robust = pytest.mark.parametrize("name", ["phwdr", "wdr"])
TRUE_VALUE = float(
    np.mean([state_values(TARGET, exact_q(TARGET, length)[0]).mean() for length in range(2, HORIZON + 1)])
)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_exact_value_lies_in_the_interval(name: str) -> None:
    result = ESTIMATORS[name](record(8000, seed=1), n_bootstrap=200, rng=np.random.default_rng(0))
    assert result.low <= TRUE_VALUE <= result.high
    assert result.high - result.low < 0.4


@pytest.mark.parametrize("name", ESTIMATORS)
def test_results_name_their_basis(name: str) -> None:
    result = ESTIMATORS[name](record(300, seed=2), n_bootstrap=50, rng=np.random.default_rng(0))
    assert (result.estimator, result.n) == (name, 300)
    assert 1 <= result.ess <= 300 + 1e-6
    assert 1 / 300 - 1e-9 <= result.max_weight <= 1
    assert result.low < result.value < result.high


@pytest.mark.parametrize("name", ESTIMATORS)
def test_equal_generators_give_equal_intervals(name: str) -> None:
    data = record(200, seed=3)
    one, two, three = (ESTIMATORS[name](data, n_bootstrap=50, rng=np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one.low, one.high) == (two.low, two.high)
    assert (one.low, one.high) != (three.low, three.high)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_single_patient_can_be_valued(name: str) -> None:
    result = ESTIMATORS[name](record(1, seed=4), n_bootstrap=20)
    assert result.low == pytest.approx(result.value)
    assert (result.ess, result.max_weight) == (pytest.approx(1), pytest.approx(1))


@robust
def test_doubly_robust_survives_a_wrong_critic_when_propensities_are_true(name: str) -> None:
    wrong = record(8000, seed=5, error=2.0)
    result = ESTIMATORS[name](wrong, n_bootstrap=200)
    assert abs(run_direct(wrong).value - TRUE_VALUE) > 0.3
    assert result.low <= TRUE_VALUE <= result.high


@robust
def test_doubly_robust_survives_wrong_propensities_when_the_critic_is_true(name: str) -> None:
    data = record(8000, seed=6)
    blurred = Recorded(data.rewards, data.mask, data.evaluation, np.full_like(data.behavior, 0.5), data.q, data.v)
    off = run_phwis(blurred, n_bootstrap=200)
    result = ESTIMATORS[name](blurred, n_bootstrap=200)
    assert not off.low <= TRUE_VALUE <= off.high
    assert result.low <= TRUE_VALUE <= result.high


@pytest.mark.parametrize(("with_critic", "without"), [("phwdr", "phwis"), ("wdr", "wis"), ("wdr", "pdwis")])
def test_a_true_critic_narrows_the_interval(with_critic: str, without: str) -> None:
    data = record(2000, seed=7)
    narrow, wide = (ESTIMATORS[name](data, n_bootstrap=200) for name in (with_critic, without))
    assert narrow.high - narrow.low < 0.8 * (wide.high - wide.low)


def test_doubly_robust_is_exact_where_everything_is_deterministic() -> None:
    # s -> s + 1 with reward a * (s + 1); the policy always takes 1, the record mixes 0 and 1; Q and V are exact
    rng = np.random.default_rng(8)
    actions = rng.integers(0, 2, (50, 3))
    actions[0] = 1
    mask = np.ones((50, 3), dtype=bool)
    step = np.arange(1, 4)
    v = np.array([sum(GAMMA ** (u - t) * (u + 1) for u in range(t, 3)) for t in range(3)])
    q = actions * step + GAMMA * np.append(v[1:], 0)
    result = phwdr(actions * step, mask, (actions == 1) * 1.0, np.full((50, 3), 0.5), q, np.tile(v, (50, 1)), GAMMA)
    assert result.value == pytest.approx(v[0], rel=1e-12)
