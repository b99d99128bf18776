"""Normal scores of columns: no unit, no long tail, and columns of one spread for penalties and distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

N_KNOTS = 201


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Phi^-1 of a value's rank among the values it was fitted on; ties share the middle of their ranks.

    knots (D, Q): quantiles of each column, between which ranks are interpolated.
    """

    knots: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> NormalScores:
        """Take the ranks of values (n, D)."""
        middle = (np.arange(N_KNOTS) + 0.5) / N_KNOTS
        return cls(np.quantile(np.asarray(values, dtype=np.float64), middle, axis=0).T)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(m, D) -> (m, D) scores; beyond the outer knots they stay at those of the knots."""
        return np.stack([_scores(knots, column) for knots, column in zip(self.knots, values.T, strict=True)], axis=1)


def _scores(knots: np.ndarray, column: np.ndarray) -> np.ndarray:
    position, left = np.interp(column, knots, np.arange(N_KNOTS)), np.searchsorted(knots, column)
    tied = knots[np.minimum(left, N_KNOTS - 1)] == column
    position[tied] = (left[tied] + np.searchsorted(knots, column[tied], side="right") - 1) / 2
    return np.asarray(ndtri((position + 0.5) / N_KNOTS))
