"""Intervals over patients: the decisions of one patient are drawn together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.resampling import percentile_interval, resample_counts


@dataclass(frozen=True, eq=False)
class Shares:
    """Ratios of sums with their 95 % percentile intervals: value, low, high (P,), NaN where nothing was counted."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def ratio_of_sums(
    patient: np.ndarray, numerator: np.ndarray, denominator: np.ndarray, n_bootstrap: int, seed: int
) -> Shares:
    """sum(numerator) / sum(denominator) of P columns over the same resamples of patients.

    patient (n,) key of each row's patient; numerator (n, P); denominator (n, P) or (n, 1). A mean over some rows has
    numerator x * used and denominator used. Resamples in which a column counted nothing are left out of its interval.
    """
    _, owner = np.unique(patient, return_inverse=True)
    n = int(owner.max()) + 1 if len(owner) else 0
    columns = numerator.shape[1]
    top = _by_patient(owner, n, numerator)
    bottom = np.broadcast_to(_by_patient(owner, n, denominator), (n, columns))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = top.sum(axis=0) / bottom.sum(axis=0)
        draws = [np.empty((0, columns))]
        if n:
            draws += [(counts @ top) / (counts @ bottom) for counts in resample_counts(n, n_bootstrap, seed)]
    low, high = _interval(np.concatenate(draws))
    return Shares(value, low, high)


def _by_patient(owner: np.ndarray, n: int, values: np.ndarray) -> np.ndarray:
    """(n_patients, P) sums of the rows of each patient."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.stack([np.bincount(owner, weights=column, minlength=n) for column in numbers.T], axis=1)


def _interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if np.isfinite(draws).all():
        return percentile_interval(draws)
    pairs = [percentile_interval(column[np.isfinite(column)]) for column in draws.T]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])
