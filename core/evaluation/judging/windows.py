"""Estimates with a short memory: a critic's value, corrected by importance ratios of the last steps alone.

    V = mean_i v(s_i0) + sum_t gamma^t sum_i omega_it delta_it,   delta = r + gamma v(s') - q(s, a)

omega is normalized over all stays at each t and, of a memory of k actions, proportional to

    prod_{u = t-k+1..t} rho_u    rho = pi/b of the action taken;   k = 0: nothing, the critic alone

A short memory leaves out what a policy would have changed longer ago, and is paid with less noise for it: at k = T this
is the weighted doubly robust estimate. A stay that has ended has delta 0 and keeps being counted, with ratio 1 for the
steps that it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Corrected:
    """Estimate under one memory. value; influence (n,) of each stay through starts, weights and residuals, mean 0, the
    critic held fixed; omega (n, T), columns sum to 1 (0 where nobody follows); ess effective stays."""

    value: float
    influence: np.ndarray
    omega: np.ndarray
    ess: float


def check_memory(memory: int) -> None:
    """ValueError unless a whole number of actions, 0 or more."""
    if memory < 0 or memory != int(memory):
        raise ValueError(f"a memory is a whole number of actions, 0 or more, got {memory}")


def remembered(log_ratios: np.ndarray, memory: int) -> np.ndarray:
    """Log of the unnormalized weight at each step, for a memory above 0. log_ratios (n, T), 0 after the last step."""
    total = log_ratios.copy()
    for back in range(1, min(memory, total.shape[1])):
        total[:, back:] += log_ratios[:, :-back]
    return total


def carried(log_ratios: np.ndarray, memory: int) -> np.ndarray:
    """Log of the part of each step's weight that the steps before it make. As `remembered`."""
    before = np.zeros_like(log_ratios)
    if memory == 1:
        return before
    before[:, 1:] = log_ratios[:, :-1]
    return remembered(before, memory - 1)


def corrected(
    first: np.ndarray,
    residuals: np.ndarray,
    log_ratios: np.ndarray,
    alive: np.ndarray,
    memory: int,
    gamma: float,
    followed: np.ndarray | None = None,
) -> Corrected:
    """One policy's value under one memory.

    first (n,) v of each stay's first step; residuals (n, T) delta, 0 after the last step; log_ratios (n, T) log pi/b
    of the actions taken, 0 after the last step; alive (n, T) evaluated steps, left-aligned; followed (n, T) log weights
    that no memory forgets, by which stays that are still followed stand for those that were lost (-inf from a loss on).
    """
    check_memory(memory)
    n = len(first)
    if memory == 0:
        return Corrected(float(first.mean()), first - first.mean(), np.zeros_like(residuals), float(n))
    logs = remembered(log_ratios, memory) + (0.0 if followed is None else followed)
    top = logs.max(axis=0)
    weights = np.exp(logs - np.where(np.isneginf(top), 0.0, top))
    mass = weights.sum(axis=0)
    omega = weights / np.where(mass > 0, mass, 1.0)
    discount = gamma ** np.arange(residuals.shape[1])
    mean = (omega * residuals).sum(axis=0)
    influence = first - first.mean() + n * (omega * (residuals - mean)) @ discount
    return Corrected(float(first.mean() + mean @ discount), influence, omega, effective_stays(logs, alive))


def effective_stays(log_weights: np.ndarray, alive: np.ndarray) -> float:
    """n (sum w)^2 / (m sum w^2) over the m alive steps of n stays: how many stays' worth of steps have a say.

    0 where all weights are 0: then no recorded stay follows the policy.
    """
    logs = log_weights[alive]
    top = logs.max()
    if np.isneginf(top):
        return 0.0
    weights = np.exp(logs - top)
    return float(len(alive) * weights.sum() ** 2 / (len(logs) * (weights**2).sum()))
