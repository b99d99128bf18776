"""Split patients into training, validation and test sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.base.errors import CohortError, ConfigError
from core.base.rng import stream
from core.cohort.cohort import Cohort
from core.tables.split import Split, apportion


def split_cohort(cohort: Cohort, seed: int = 0, fractions: Sequence[float] = (0.7, 0.15, 0.15)) -> Split:
    """Random split by patient, stratified by who died, where that is told; the same seed gives the same split.

    Where the file names persons (column `subject`), all stays of a person fall into one part. Part sizes are the
    fractions of the persons by largest remainder, each at least 1; each part gets its share of persons with a death,
    also by largest remainder. Raises `CohortError` below 3 persons, `ConfigError` for fractions that are not three
    positive numbers summing to 1.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares > 0).all() or not np.isclose(shares.sum(), 1):
        raise ConfigError(f"split fractions {tuple(fractions)}: give three positive numbers that sum to 1.")
    person = persons(cohort)
    n = int(person.max()) + 1 if len(person) else 0
    if n < 3:
        raise CohortError(f"{n} patients cannot be split into training, validation and test; at least 3 are needed.")
    sizes = _at_least_one(apportion(shares, n))
    died = np.bincount(person, weights=cohort.died, minlength=n) > 0
    rng = stream(seed, "split")
    dead, alive = rng.permutation(np.flatnonzero(died)), rng.permutation(np.flatnonzero(~died))
    deaths = apportion(sizes / n, len(dead))
    parts = zip(_cut(dead, deaths), _cut(alive, sizes - deaths), strict=True)
    return Split(*(np.flatnonzero(np.isin(person, np.concatenate(part))) for part in parts))


def persons(cohort: Cohort) -> np.ndarray:
    """(N,) number of each stay's person; see `Cohort.persons`."""
    return cohort.persons


def _at_least_one(sizes: np.ndarray) -> np.ndarray:
    """Move patients from the largest part to empty ones."""
    sizes = sizes.copy()
    while (sizes == 0).any():
        sizes[np.argmax(sizes)] -= 1
        sizes[np.argmin(sizes)] += 1
    return sizes


def _cut(positions: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    return np.split(positions, np.cumsum(sizes)[:-1])
