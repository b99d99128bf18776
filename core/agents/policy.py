"""From action values to action probabilities."""

from __future__ import annotations

import numpy as np

from core.base.errors import ConfigError


def action_probs(q: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax policy pi(a|s) = exp(Q(s, a) / temperature) / sum_b exp(Q(s, b) / temperature).

    q (..., A), finite -> (..., A), rows sum to 1; the row's maximum is subtracted first, so no Q overflows. The lower
    the temperature, the greedier; the source uses 1. Raises `ConfigError` for a temperature that is not positive.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature = {temperature} is not usable: give a number above 0 (1 is the published one).")
    values = np.asarray(q)
    with np.errstate(over="ignore"):  # a tiny temperature drives all but the best action to exactly 0
        weights = np.exp((values - values.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
