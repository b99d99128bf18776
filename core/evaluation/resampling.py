"""Bootstrap by person: resamples as counts, so that a whole bootstrap is a few matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.base.rng import stream

CHUNK = 4_000_000  # most numbers of a block of counts (32 MB)


def bootstrap_seed(rng: np.random.Generator | None) -> int:
    """One number drawn from `rng` that fixes all resamples of a call (None: seed 0, so results repeat)."""
    return 0 if rng is None else int(rng.integers(2**63))


def person_numbers(persons: np.ndarray | None, rows: np.ndarray, n_rows: int) -> np.ndarray | None:
    """Number 0..P-1 of the person of each kept row, (n,); None where every row is a person of its own.

    persons (N,) key of each row's person, N = n_rows; rows (n,) the rows kept. ValueError for another shape or a
    missing key: who lacks one must be told apart by the caller.
    """
    if persons is None:
        return None
    keys = np.asarray(persons)
    if keys.shape != (n_rows,):
        raise ValueError(f"persons has shape {keys.shape}, expected ({n_rows},): one key a row")
    if pd.isna(keys).any():
        raise ValueError("persons must not be missing: give rows without a person a key of their own")
    return np.unique(keys[rows], return_inverse=True)[1]


def resample_counts(n: int, n_bootstrap: int, seed: int, owner: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """How often each of n stays is drawn in each of n_bootstrap resamples of persons, in blocks.

    As many persons as there are are drawn with replacement (multinomial with equal shares), and all their stays come
    along; owner (n,) numbers the person of each stay 0..P-1 (None: every stay its own). Stays of one person are alike,
    so drawing them singly would make intervals too narrow. Yields (b, n) float64 blocks; rows sum to n where every stay
    is its own person, else to n on average; blocks of all b together hold n_bootstrap rows. Equal arguments give equal
    counts, so that policies are compared on the same resamples.
    """
    if owner is not None:
        persons = int(owner.max()) + 1
        yield from (counts.take(owner, axis=1) for counts in resample_counts(persons, n_bootstrap, seed))
        return
    rng = stream(seed, "bootstrap")
    block = max(1, CHUNK // max(n, 1))
    for start in range(0, n_bootstrap, block):
        rows = min(block, n_bootstrap - start)
        drawn = rng.integers(0, n, size=(rows, n), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def percentile_interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval over the first axis; NaN where there are no draws. draws: (B, ...)."""
    if len(draws) == 0:
        empty = np.full(draws.shape[1:], np.nan)
        return empty, empty.copy()
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return low, high
