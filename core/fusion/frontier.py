"""Policies between the clinicians' and a learned one: the dial of the trust frontier.

A policy far from what clinicians do cannot be judged from their records. Both dials start at the clinicians' policy and
end at the learned one, so that the furthest point the records still support can be found in between.
"""

from __future__ import annotations

import numpy as np

from core.base.errors import ConfigError


def between(behavior: np.ndarray, policy: np.ndarray, deviation: float) -> np.ndarray:
    """Geometric mixture of two policies.

        pi_a(action|s) = pi_b(action|s)^(1 - a) pi(action|s)^a / sum over actions

    behavior, policy (..., A) action probabilities -> (..., A) float64, rows sum to 1; a = deviation in 0..1: 0 is the
    clinicians' policy, 1 the learned one. The mixture minimizes (1 - a) KL(. || pi_b) + a KL(. || pi), and scales the
    logarithm of every importance ratio by a. An action that either excludes is excluded in between; where they share
    none, the learned policy cannot be followed part of the way and the clinicians' is kept.
    Raises `ConfigError` for a deviation outside 0..1.
    """
    if not 0 <= deviation <= 1:
        raise ConfigError(f"deviation = {deviation:g} is not usable: give 0 (clinicians) to 1 (the policy itself).")
    start, end = _pair(behavior, policy)
    if deviation == 0:
        return start
    if deviation == 1:
        return end
    with np.errstate(divide="ignore"):
        log = (1 - deviation) * np.log(start) + deviation * np.log(end)
    best = log.max(axis=-1, keepdims=True)
    apart = np.isneginf(best)
    mixed = np.exp(log - np.where(apart, 0.0, best))
    return np.where(apart, start, mixed / np.where(apart, 1.0, mixed.sum(axis=-1, keepdims=True)))


def within_support(behavior: np.ndarray, policy: np.ndarray, floor: float) -> np.ndarray:
    """The policy among the actions that clinicians give with probability `floor` or more, renormalized.

    behavior, policy (..., A) -> (..., A) float64, rows sum to 1. Where no such action is left, or the policy excludes
    all that are, the clinicians' own policy is kept: floor = 1 leaves it everywhere but at states where one action is
    certain, floor = 0 is the policy itself. Raises `ConfigError` for a floor outside 0..1.
    """
    if not 0 <= floor <= 1:
        raise ConfigError(f"floor = {floor:g} is not usable: give a probability, 0 to 1.")
    start, end = _pair(behavior, policy)
    kept = np.where(start >= floor, end, 0.0)
    total = kept.sum(axis=-1, keepdims=True)
    return np.where(total > 0, kept / np.where(total > 0, total, 1.0), start)


def _pair(behavior: np.ndarray, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    start, end = np.asarray(behavior, dtype=np.float64), np.asarray(policy, dtype=np.float64)
    if start.shape != end.shape or start.ndim < 1:
        raise ValueError(f"both policies must be (..., A) of one shape, got {start.shape} and {end.shape}.")
    return start, end
