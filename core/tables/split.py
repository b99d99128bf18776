"""Three parts of the patients of a table, and whole numbers by share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Sorted patient positions (int64) of the three parts; disjoint, and together all patients."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @property
    def learners(self) -> np.ndarray:
        """All but the test patients: those who train, then those who validate."""
        return np.concatenate([self.train, self.valid])

    def names(self, n: int) -> np.ndarray:
        """(N,) "train", "valid" or "test" of each patient."""
        names = np.full(n, "train", dtype="<U5")
        names[self.valid], names[self.test] = "valid", "test"
        return names


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers near shares * total that sum to total (largest remainder; ties to the earlier part)."""
    exact = shares / shares.sum() * total
    floor = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - floor), kind="stable")
    floor[order[: total - floor.sum()]] += 1
    return np.asarray(floor)
