"""Bounds under hidden causes as linear programs and plain loops."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from tests.slow_twins.mix_twins import slow_weight


def slow_highest(values, fixed, moved, gamma: float) -> float:
    """Largest weighted mean over weights in [fixed + moved / gamma, fixed + moved gamma], by Charnes and Cooper: the
    weights divided by their sum, and the sum's inverse s, solve a linear program."""
    values, fixed, moved = (np.asarray(one, dtype=float) for one in (values, fixed, moved))
    n, eye = len(values), np.eye(len(values))
    above = np.concatenate([eye, -(fixed + moved * gamma)[:, None]], axis=1)
    below = np.concatenate([-eye, (fixed + moved / gamma)[:, None]], axis=1)
    solved = linprog(
        -np.append(values, 0.0),
        A_ub=np.concatenate([above, below]),
        b_ub=np.zeros(2 * n),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
    )
    assert solved.success, solved.message
    return float(-solved.fun)


def slow_bounds(stays, horizon: int, discount: float, memory: int, gamma: float) -> tuple[float, float]:
    """Low and high from stays of [(fixed, moved, error), ...]; the ratios before a step are those without tilt."""
    low = high = 0.0
    for t in range(horizon):
        fixed, moved, errors = [], [], []
        for steps in stays:
            ratios = [f + m for f, m, _ in steps]
            here = steps[t] if t < len(steps) else (1.0, 0.0, 0.0)
            whole = slow_weight(ratios, t, memory)
            before = whole / (here[0] + here[1])
            fixed.append(before * here[0])
            moved.append(before * here[1])
            errors.append(here[2])
        usual = np.average(errors, weights=np.add(fixed, moved))
        high += discount**t * (slow_highest(errors, fixed, moved, gamma) - usual)
        low -= discount**t * (slow_highest(-np.array(errors), fixed, moved, gamma) + usual)
    return low, high
