"""The vectorized mix against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import Lstd, LstdSettings
from core.evaluation.judging.mix import clustered_error
from core.evaluation.judging.windows import corrected
from tests.slow_twins import mix_twins as twins

GAMMA, ACTIONS, HORIZON = 0.9, 3, 6
MEMORIES = [0, 1, 2, 4, 9]


def draw(seed: int, n: int = 25) -> tuple[Histories, Deferring, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = np.arange(HORIZON) < rng.integers(0, HORIZON + 1, n)[:, None]
    mask[0, 0] = True
    histories = Histories(
        rng.normal(size=(n, HORIZON, 3)),
        rng.integers(0, ACTIONS, (n, HORIZON)),
        rng.normal(size=(n, HORIZON)),
        mask,
        np.arange(ACTIONS, dtype=float),
        gamma=GAMMA,
    )
    own = rng.dirichlet(np.ones(ACTIONS), (n, HORIZON))
    return histories, Deferring("p", own, rng.uniform(0, 0.8, (n, HORIZON))), rng.uniform(0.1, 0.9, (n, HORIZON))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("trace", [0.0, 0.8])
def test_lstd_equals_the_loops(seed: int, trace: float) -> None:
    histories, policy, behavior = draw(seed)
    ratios = np.exp(policy.log_ratios(histories, histories.flat(behavior)))
    chosen = np.arange(25) % 4 != 1
    features = FeatureMap.fit(histories, chosen[histories.stay], FeatureSettings((0, 2)))
    critics = Lstd.prepare(histories, features, chosen, LstdSettings(trace=trace))
    expected = critics.expected(policy.weights(histories))
    fast = critics.fit(expected, ratios)
    whole, rewards = np.concatenate([critics.situations.base, expected], axis=1), histories.flat(histories.rewards)
    stays = [
        [(critics.phi[j], whole[j], rewards[j], ratios[j]) for j in np.flatnonzero(histories.stay == i)]
        for i in np.flatnonzero(chosen)
    ]
    width = critics.base_width
    ridge = np.where(np.arange(whole.shape[1]) < width, 10.0, 30.0)
    weights, matrix = twins.slow_lstd(stays, GAMMA, trace, ridge)
    assert fast.matrix == pytest.approx(matrix, rel=1e-10, abs=1e-10)
    assert fast.weights == pytest.approx(weights, rel=1e-8, abs=1e-10)
    assert critics.v(fast, expected) == pytest.approx(whole @ weights, rel=1e-8, abs=1e-9)


def grids(histories: Histories, policy: Deferring, behavior: np.ndarray, seed: int):
    """v of the first steps, residuals, log ratios, alive, and the same as the loops take them."""
    rng = np.random.default_rng(seed)
    n = len(histories.evaluated)
    first, delta = rng.normal(size=n), rng.normal(size=len(histories.stay))
    logs = policy.log_ratios(histories, histories.flat(behavior))
    alive = histories.mask[histories.evaluated]
    shaped = [np.zeros(alive.shape) for _ in range(2)]
    for grid, steps in zip(shaped, (delta, logs), strict=True):
        grid[alive] = steps
    stays = [
        (first[k], [(np.exp(logs[j]), delta[j]) for j in np.flatnonzero(histories.stay == i)])
        for k, i in enumerate(histories.evaluated)
    ]
    return (first, *shaped, alive), stays


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_memory_equals_the_loops(seed: int, memory: int) -> None:
    fast_inputs, stays = grids(*draw(seed), seed)
    assert corrected(*fast_inputs, memory, GAMMA).value == pytest.approx(twins.slow_value(stays, GAMMA, memory))


@pytest.mark.parametrize("memory", MEMORIES)
def test_stays_that_are_followed_stand_for_the_lost_under_every_memory(memory: int) -> None:
    """A third of the stays are lost after their last step, so that they have no say from there on."""
    histories, policy, behavior = draw(6)
    last = np.append(~histories.goes_on[:-1], True)
    ratios = np.where(last & (histories.stay % 3 == 0), 0.0, 1.25)
    follow_up = np.ones(histories.mask.shape)
    follow_up[histories.mask] = ratios
    lost = replace(histories, follow_up=follow_up)
    (first, delta, logs, alive), stays = grids(lost, policy, behavior, 6)
    followed = [list(ratios[histories.stay == i]) for i in histories.evaluated]
    found = corrected(first, delta, logs, alive, memory, GAMMA, lost.log_followed[lost.evaluated])
    assert found.value == pytest.approx(twins.slow_value(stays, GAMMA, memory, followed))
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("memory", MEMORIES)
def test_influences_are_the_derivative_by_a_stays_mass(memory: int) -> None:
    fast_inputs, stays = grids(*draw(5), 5)
    found = corrected(*fast_inputs, memory, GAMMA).influence
    assert found == pytest.approx(twins.slow_influence(stays, GAMMA, memory), rel=1e-4, abs=1e-5)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_errors_by_person_equal_the_loops() -> None:
    rng = np.random.default_rng(0)
    influence, person = rng.normal(size=40), rng.integers(0, 12, 40)
    assert clustered_error(influence, person) == pytest.approx(twins.slow_clustered_error(influence, person))
