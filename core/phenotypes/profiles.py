"""What sets a group of patients apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.base.statistics import Z95


def patient_means(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean over each patient's real steps, so that one patient is one observation.

    values (N, T, ...), mask (N, T) -> (N, ...) float64; 0 for a patient without a real step.
    """
    valid, x = np.asarray(mask, dtype=bool), np.asarray(values, dtype=np.float64)
    n = np.maximum(valid.sum(axis=1), 1)
    return np.asarray(np.einsum("nt...,nt->n...", x, valid.astype(np.float64)) / n.reshape(-1, *(1,) * (x.ndim - 2)))


def effect_sizes(
    values: np.ndarray, selected: np.ndarray, names: Sequence[str], rest: np.ndarray | None = None
) -> pd.DataFrame:
    """Standardized mean difference of each feature between selected patients and the rest.

        d = (mean_1 - mean_2) / sqrt((s_1^2 + s_2^2) / 2)
        95 % interval: d -+ 1.96 sqrt((n_1 + n_2) / (n_1 n_2) + d^2 / 2(n_1 + n_2))

    values (N, D) one row a patient, selected (N,) bool, rest (N,) bool (None: all others). Columns feature, effect,
    low, high, mean_selected, mean_rest, n_selected, n_rest, largest |effect| first; effect is 0 where a feature does
    not vary and NaN where a side has fewer than 2 patients.
    """
    x, inside = np.asarray(values, dtype=np.float64), np.asarray(selected, dtype=bool)
    sides = (x[inside], x[~inside if rest is None else np.asarray(rest, dtype=bool)])
    n1, n2 = (len(side) for side in sides)
    if min(n1, n2) < 2:
        effect = low = high = np.full(x.shape[1], np.nan)
    else:
        spread = np.sqrt((sides[0].var(axis=0, ddof=1) + sides[1].var(axis=0, ddof=1)) / 2)
        difference = sides[0].mean(axis=0) - sides[1].mean(axis=0)
        effect = np.where(spread > 1e-12, difference / np.maximum(spread, 1e-12), 0.0)
        half = Z95 * np.sqrt((n1 + n2) / (n1 * n2) + effect**2 / (2 * (n1 + n2)))
        low, high = effect - half, effect + half
    means = [side.mean(axis=0) if len(side) else np.full(x.shape[1], np.nan) for side in sides]
    table = pd.DataFrame(
        {
            "feature": list(names),
            "effect": effect,
            "low": low,
            "high": high,
            "mean_selected": means[0],
            "mean_rest": means[1],
            "n_selected": n1,
            "n_rest": n2,
        }
    )
    order = np.argsort(-np.nan_to_num(np.abs(effect)), kind="stable")
    return table.iloc[order].reset_index(drop=True)
