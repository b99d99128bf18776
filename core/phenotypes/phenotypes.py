"""Fitted phenotypes: centroids for every K, the indices to choose K by, labels and distances of any patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

ROWS = 65_536  # rows handled at once


@dataclass(frozen=True, eq=False)
class Phenotypes:
    """centroids[K] (K, H) float64, labels aligned across K; indices: one row a K, see `core.phenotypes.fit`;
    n_clusters: the K shown first, within k_values."""

    centroids: Mapping[int, np.ndarray]
    indices: pd.DataFrame
    n_clusters: int

    @property
    def k_values(self) -> tuple[int, ...]:
        """Every K that was fitted, ascending."""
        return tuple(sorted(self.centroids))

    @property
    def width(self) -> int:
        """H, the numbers of a representation."""
        return int(next(iter(self.centroids.values())).shape[1])

    def distances(self, z: np.ndarray, n_clusters: int | None = None) -> np.ndarray:
        """Euclidean distance to each centroid. z (..., H), n_clusters K (None: the K shown first) -> (..., K) float64.

        ValueError where z has another width or K was not fitted.
        """
        k = self.n_clusters if n_clusters is None else n_clusters
        if k not in self.centroids:
            raise ValueError(f"K = {k} was not fitted; fitted are {', '.join(map(str, self.k_values))}")
        values = np.asarray(z)
        if values.shape[-1] != self.width:
            raise ValueError(f"z has {values.shape[-1]} numbers a row, these phenotypes were fitted on {self.width}")
        flat = values.reshape(-1, self.width)
        result = np.empty((len(flat), k))
        for start in range(0, len(flat), ROWS):
            result[start : start + ROWS] = _euclidean(flat[start : start + ROWS].astype(np.float64), self.centroids[k])
        return result.reshape(*values.shape[:-1], k)

    def labels(self, z: np.ndarray, n_clusters: int | None = None) -> np.ndarray:
        """Phenotype 0..K-1 of the nearest centroid. z (..., H) -> (...) int64. Errors as in `distances`."""
        return np.asarray(self.distances(z, n_clusters).argmin(axis=-1))


def _euclidean(z: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n, H), (K, H) -> (n, K), one centroid at a time: exact where points lie on a centroid."""
    return np.stack([np.sqrt(np.square(z - centroid).sum(axis=1)) for centroid in centroids], axis=1)
