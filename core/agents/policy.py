"""From action values to action probabilities."""

from __future__ import annotations

import numpy as np

from core.base.errors import ConfigError

SMALLEST_SPREAD = 1e-9  # of values that differ by more than rounding


def action_probs(q: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """Softmax policy pi(a|s) = exp(Q(s, a) / temperature) / sum_b exp(Q(s, b) / temperature).

    q (..., A), finite -> (..., A), rows sum to 1; the row's maximum is subtracted first, so no Q overflows. The lower
    the temperature, the greedier; the source uses 1, and an array is one for each of many agents, (..., 1). Raises
    `ConfigError` for a temperature that is not positive.
    """
    if not np.all(np.asarray(temperature) > 0):
        raise ConfigError(f"temperature = {temperature} is not usable: give a number above 0 (1 is the published one).")
    values = np.asarray(q)
    with np.errstate(over="ignore"):  # a tiny temperature drives all but the best action to exactly 0
        weights = np.exp((values - values.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def advantage_spread(q: np.ndarray) -> float:
    """How far actions differ in value: root mean square of the advantages Q(s, a) - mean_b Q(s, b).

    Over all states and actions of q (..., A); an action that is excluded (-inf) has no advantage and counts in no mean.
    1 where there is no state, or all actions are worth the same everywhere, so that a temperature in units of the
    spread stays usable.
    """
    values = np.asarray(q, dtype=np.float64).reshape(-1, np.shape(q)[-1])
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    squares = np.where(known, values - mean[:, None], 0) ** 2
    spread = float(np.sqrt(squares.sum() / max(known.sum(), 1)))
    return spread if spread > SMALLEST_SPREAD else 1.0
