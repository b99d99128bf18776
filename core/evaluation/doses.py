"""Dose recommended beyond dose given, and mortality against it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.statistics import wilson

FEWEST_IN_BIN = 10  # patients; one who died alone would read as a mortality of 100 %


def dose_excess(
    action_probs: np.ndarray, actions: np.ndarray, mask: np.ndarray, representative: np.ndarray, expected: bool = False
) -> np.ndarray:
    """Mean over a patient's steps of dose recommended - dose given, in the drug's unit.

    action_probs (N, T, A), actions (N, T) int, mask (N, T), representative (A,) dose of each action; the recommended
    dose is that of the top action, or the mean under the policy with expected=True. (N,), NaN for rows without a step.
    """
    valid = np.asarray(mask, dtype=bool)
    n = valid.sum(axis=1)
    total = np.nansum(step_excess(action_probs, actions, valid, representative, expected), axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def step_excess(
    action_probs: np.ndarray, actions: np.ndarray, mask: np.ndarray, representative: np.ndarray, expected: bool = False
) -> np.ndarray:
    """Dose recommended - dose given at each step, (N, T); NaN on padding. Arguments as in `dose_excess`."""
    dose = np.asarray(representative, dtype=np.float64)
    probabilities = np.asarray(action_probs)
    advised = probabilities @ dose if expected else dose[probabilities.argmax(axis=-1)]
    return np.where(mask, advised - dose[np.where(mask, actions, 0)], np.nan)


def mortality_by_excess(excess: np.ndarray, died: np.ndarray, n_bins: int = 10) -> pd.DataFrame:
    """Mortality of patients by dose excess.

    excess (N,) as from `dose_excess` (NaN are left out), died (N,) bool. Patients at exactly 0 form a bin of their own;
    those below and those above 0 each form up to n_bins / 2 bins of equal counts, of `FEWEST_IN_BIN` patients or more
    where there are as many. Columns: excess (mean), mortality, low, high (95 % Wilson interval), n.
    """
    known = ~np.isnan(excess)
    x, dead = np.asarray(excess, dtype=np.float64)[known], np.asarray(died, dtype=bool)[known]
    codes = np.zeros(len(x), dtype=np.int64)
    for sign in (-1, 1):
        side = np.flatnonzero(np.sign(x) == sign)
        if len(side):
            parts = max(1, min(n_bins // 2, len(side) // FEWEST_IN_BIN))
            cuts = np.unique(np.quantile(np.abs(x[side]), np.linspace(0, 1, parts + 1)))
            codes[side] = sign * (1 + np.searchsorted(cuts[1:-1], np.abs(x[side]), side="right"))
    _, bins = np.unique(codes, return_inverse=True)
    n = np.bincount(bins)
    deaths = np.bincount(bins, weights=dead)
    low, high = wilson(deaths, n)
    mean = np.bincount(bins, weights=x) / np.maximum(n, 1)
    return pd.DataFrame({"excess": mean, "mortality": deaths / np.maximum(n, 1), "low": low, "high": high, "n": n})
