"""Bounds under hidden causes against linear programs."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.judging.hidden import GAMMAS, Tilted, bounds, highest_gain
from tests.slow_twins.hidden_twins import slow_bounds, slow_highest

PLACES = (0, 12, 30, 47, 60)  # of the Gammas that are solved


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_solves_the_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, fixed, moved = rng.normal(size=30).round(1), rng.uniform(0, 1, 30), rng.exponential(size=30)
    fixed[:5], moved[3:8] = 0, 0  # with ties, weights of 0 and weights that nothing moves
    usual = np.average(values, weights=fixed + moved)
    found = highest_gain(values, fixed, moved, GAMMAS)
    for place in PLACES:
        assert found[place] == pytest.approx(slow_highest(values, fixed, moved, GAMMAS[place]) - usual, abs=1e-7)


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_bounds_equal_the_loops_over_linear_programs(memory: int) -> None:
    rng = np.random.default_rng(7)
    stays = [
        [(rng.uniform(0.1, 1), rng.exponential(), rng.normal()) for _ in range(rng.integers(1, 5))] for _ in range(12)
    ]
    grids = np.ones((12, 4)), np.zeros((12, 4)), np.zeros((12, 4))
    for i, steps in enumerate(stays):
        for t, parts in enumerate(steps):
            for grid, part in zip(grids, parts, strict=True):
                grid[i, t] = part
    fixed, moved, errors = grids
    fast = bounds(Tilted(fixed, moved, np.log(fixed + moved)), errors, {memory: 1.0}, 0.9)
    for place in PLACES:
        slow = slow_bounds(stays, 4, 0.9, memory, GAMMAS[place])
        assert (fast.low[place], fast.high[place]) == pytest.approx(slow, abs=1e-7)
