"""A sweep as a grid: mean of one metric over seeds for every K and lambda."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class SweepGrid:
    """K down, lambda across: mean (R, C), NaN where no cell is; runs (R, C) behind it; unsupported (R, C) bool, True
    where no run's value is supported by the records."""

    n_clusters: list[int]
    lambdas: list[float]
    mean: np.ndarray
    runs: np.ndarray
    unsupported: np.ndarray


def sweep_grid(rows: pd.DataFrame, metric: str) -> SweepGrid:
    """rows: n_clusters, lambda_, support and the metric, one row a cell; unknown values are left out of the mean."""
    ks, lambdas = sorted({int(k) for k in rows["n_clusters"]}), sorted({float(v) for v in rows["lambda_"]})
    shape = len(ks), len(lambdas)
    mean, runs, unsupported = np.full(shape, np.nan), np.zeros(shape, dtype=int), np.zeros(shape, dtype=bool)
    for place in np.ndindex(shape):
        part = rows[(rows["n_clusters"] == ks[place[0]]) & (rows["lambda_"] == lambdas[place[1]])]
        values = part[metric].to_numpy(dtype=float)
        known = np.isfinite(values)
        runs[place] = known.sum()
        mean[place] = values[known].mean() if known.any() else np.nan
        unsupported[place] = len(part) > 0 and bool((part["support"] == "not supported").all())
    return SweepGrid(ks, lambdas, mean, runs, unsupported)
