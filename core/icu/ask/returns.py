"""State values for display: by action, by step, by group, and how far they tell actions apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.statistics import Z95


def mean_interval(values: np.ndarray, groups: np.ndarray, n_groups: int, minimum: int = 2) -> pd.DataFrame:
    """Mean of each group with mean +- 1.96 sd / sqrt(n): table group, n, mean, low, high; NaN below `minimum`."""
    n = np.bincount(groups, minlength=n_groups)
    x = values.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(groups, weights=x, minlength=n_groups) / n
        spread = np.bincount(groups, weights=(x - np.nan_to_num(mean)[groups]) ** 2, minlength=n_groups)
        half = Z95 * np.sqrt(spread / np.maximum(n - 1, 1) / n)
    mean[n < minimum], half[n < minimum] = np.nan, np.nan
    return pd.DataFrame({"group": np.arange(n_groups), "n": n, "mean": mean, "low": mean - half, "high": mean + half})


def spread_over_actions(q: np.ndarray) -> np.ndarray:
    """max_a Q - min_a Q: (..., A) -> (...). Near 0 the estimate does not tell doses apart."""
    return np.asarray(q.max(axis=-1) - q.min(axis=-1))


def tie_share(q: np.ndarray, tolerance: float = 1e-6) -> float:
    """Share of states in which all actions have the same value: (n, A) -> 0..1."""
    return float((spread_over_actions(q) <= tolerance).mean()) if len(q) else float("nan")


def quantiles(values: np.ndarray) -> np.ndarray:
    """5, 25, 50, 75 and 95 % quantiles, (5,); NaN where there are no values."""
    return np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(values) else np.full(5, np.nan)
