"""Groups of patients beside each other: outcomes, courses by hour, and how severity spreads over its bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.statistics import Z95, wilson


@dataclass(frozen=True, eq=False)
class Courses:
    """Mean course of each group with its 95 % interval; arrays (G, B), NaN where fewer than `minimum` patients."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray  # (G, B) patients behind each point
    minimum: int


def outcome_table(labels: np.ndarray, outcomes: np.ndarray, n_groups: int) -> pd.DataFrame:
    """Survival and mortality of each group with Wilson intervals.

    labels (N,) 0..G-1; outcomes (N,) +1 survived, -1 died, all NaN where nobody knows, as the shares then are. Columns
    group, n, survived, survival, survival_low, survival_high, mortality, mortality_low, mortality_high.
    """
    n = np.bincount(labels, minlength=n_groups)
    alive = np.bincount(labels, weights=(np.asarray(outcomes) > 0), minlength=n_groups).astype(int)
    share = np.where(n > 0, alive / np.maximum(n, 1), np.nan)
    low, high = wilson(alive, n)
    if np.isnan(outcomes).any():
        share, low, high = (np.full(n_groups, np.nan) for _ in range(3))
    return pd.DataFrame(
        {
            "group": np.arange(n_groups),
            "n": n,
            "survived": alive,
            "survival": share,
            "survival_low": low,
            "survival_high": high,
            "mortality": 1 - share,
            "mortality_low": 1 - high,
            "mortality_high": 1 - low,
        }
    )


def mean_courses(
    values: np.ndarray, slots: np.ndarray, labels: np.ndarray, n_slots: int, n_groups: int, minimum: int = 5
) -> Courses:
    """Mean of a feature in each slot of hours in each group, mean +- 1.96 sd / sqrt(n) over the patients there then.

    values (N, T) physical units; slots (N, T) 0..B-1 where stays are aligned, -1 for none (see `RunView.slots`); labels
    (N,). A point with fewer than `minimum` patients is NaN: patients come late and leave, and the mean of three people
    is not a course.
    """
    patient, step = np.nonzero(slots >= 0)
    cell = labels[patient] * n_slots + slots[patient, step]
    x = values[patient, step].astype(float)
    size = n_groups * n_slots
    n = np.bincount(cell, minlength=size)
    total = np.bincount(cell, weights=x, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        spread = np.bincount(cell, weights=(x - np.nan_to_num(mean)[cell]) ** 2, minlength=size)
        half = Z95 * np.sqrt(spread / np.maximum(n - 1, 1) / n)
    few = n < max(minimum, 2)
    mean[few], half[few] = np.nan, np.nan
    shape = (n_groups, n_slots)
    return Courses(
        mean.reshape(shape), (mean - half).reshape(shape), (mean + half).reshape(shape), n.reshape(shape), minimum
    )


def histogram_shares(
    values: np.ndarray, groups: np.ndarray, n_groups: int, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of each group's values in each bin, and the counts: both (G, len(edges) - 1).

    Values outside the edges count in the outermost bins, so the shares of a group sum to 1.
    """
    bins = len(edges) - 1
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    counts = np.bincount(groups * bins + index, minlength=n_groups * bins).reshape(n_groups, bins)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), counts


def band_shares(
    values: np.ndarray, groups: np.ndarray, n_groups: int, low: float = 5.0, high: float = 15.0
) -> np.ndarray:
    """(G, 3) share of each group's values below `low`, from `low` to `high`, and above `high`."""
    band = (values >= low).astype(int) + (values > high)
    counts = np.bincount(groups * 3 + band, minlength=n_groups * 3).reshape(n_groups, 3)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def stratified_sample(labels: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of at most `limit` points, every group in proportion and none lost; sorted, all where they fit."""
    n = len(labels)
    if n <= limit:
        return np.arange(n)
    keep = []
    for group in np.unique(labels):
        members = np.flatnonzero(labels == group)
        size = max(1, int(np.floor(limit * len(members) / n)))
        keep.append(rng.choice(members, size=min(size, len(members)), replace=False))
    return np.sort(np.concatenate(keep))[:limit]
