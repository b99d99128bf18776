"""Expected survival: survival as a monotone function of a policy's estimated value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.resampling import bootstrap_seed, percentile_interval, resample_counts

FEWEST_BINS, MOST_BINS = 5, 60  # outside this range bins of width 1 are too few or too many
EQUAL_BINS = 28  # as many as bins of width 1 between -15 and 13


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Survival by value, one entry a non-empty bin, in order of value.

    value: mean value of the bin; observed: share that survived; n: how many; fitted: isotonic survival; low, high: 95 %
    band of fitted (NaN without bootstrap).
    """

    value: np.ndarray
    observed: np.ndarray
    n: np.ndarray
    fitted: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, x: np.ndarray | float) -> np.ndarray:
        """Survival at values x, same shape: linear between bins, constant beyond the first and the last; NaN where the
        curve has no bin."""
        return self._read(x, self.fitted)

    def band(self, x: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """95 % band (low, high) at values x."""
        return self._read(x, self.low), self._read(x, self.high)

    def _read(self, x: np.ndarray | float, told: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(x, self.value, told) if len(self.value) else np.full(np.shape(x), np.nan))


def no_curve() -> SurvivalCurve:
    """The curve of stays that nobody knows the survival of: without a bin."""
    none = np.zeros(0)
    return SurvivalCurve(none, none, none.astype(np.int64), none, none, none)


def survival_curve(
    values: np.ndarray,
    survived: np.ndarray,
    patients: np.ndarray | None = None,
    edges: np.ndarray | None = None,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> SurvivalCurve:
    """Fit survival as a non-decreasing function of value.

    Values are put in bins; survival of the bins is made monotone by isotonic regression, weighted by bin counts. The
    band comes from resamples of patients.

    values (n,) estimated returns, of patients or of steps; survived (n,) bool, 0/1 or -1/+1; patients (n,) key of the
    patient of each entry (None: one entry a patient); edges of the bins (None: width 1 over the data where that makes 5
    to 60 bins, else 28 equal ones; values outside go to the end bins). ValueError where shapes differ, n is 0 or values
    are not finite. The source fits a polynomial of degree 5, which need not be monotone.
    """
    x, alive = np.asarray(values, dtype=np.float64).ravel(), np.asarray(survived).ravel() > 0
    if x.shape != alive.shape or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError(f"values and survived must be (n,), n > 0 and finite; got {x.shape} and {alive.shape}")
    cuts = default_edges(x) if edges is None else np.asarray(edges, dtype=np.float64)
    raw = np.clip(np.searchsorted(cuts, x, side="right") - 1, 0, len(cuts) - 2)
    _, bins = np.unique(raw, return_inverse=True)
    n = np.bincount(bins).astype(np.float64)
    hits = np.bincount(bins, weights=alive)
    owner = np.arange(len(x)) if patients is None else np.unique(patients, return_inverse=True)[1]
    draws = _resampled_curves(bins, alive, owner, n_bootstrap, bootstrap_seed(rng))
    low, high = percentile_interval(draws)
    center = np.bincount(bins, weights=x) / n
    return SurvivalCurve(center, hits / n, n.astype(np.int64), isotonic(hits[None], n[None])[0], low, high)


def expected_survival(
    values: np.ndarray, survived: np.ndarray, at: np.ndarray | float, edges: np.ndarray | None = None
) -> np.ndarray | float:
    """Survival expected at value `at`: a monotone curve fitted to (values, survived), read off there.

    values, survived, edges as in `survival_curve`; `at` a number or an array. Returns a float or an array like `at`,
    within 0..1. Published as ESR, read off at the policy's PHWDR.
    """
    result = survival_curve(values, survived, edges=edges).at(at)
    return float(result) if np.ndim(at) == 0 else result


def default_edges(values: np.ndarray) -> np.ndarray:
    """Bin edges at whole numbers, or equal bins where whole numbers give too few or too many bins."""
    low, high = float(np.floor(values.min())), float(np.floor(values.max()) + 1)
    if FEWEST_BINS <= high - low <= MOST_BINS:
        return np.arange(low, high + 0.5)
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high, EQUAL_BINS + 1) if high > low else np.array([low, low + 1])


def isotonic(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Weighted isotonic regression of hits / n, row by row, by the max-min formula

        f(k) = max_{i <= k} min_{j >= k} sum_{i..j} hits / sum_{i..j} n,

    which needs no loop over rows. hits, n (B, M) -> (B, M) non-decreasing. Bins with n = 0 are
    allowed (not a whole row of them): runs without data do not count. Robertson et al. 1988.
    """
    zero = np.zeros((len(n), 1))
    mass = np.concatenate([zero, np.cumsum(n, axis=1)], axis=1)
    hit = np.concatenate([zero, np.cumsum(hits, axis=1)], axis=1)
    size = n.shape[1]
    result = np.full(n.shape, -np.inf)
    for i in range(size):  # runs that start at bin i: their lowest mean from each end k on
        span = mass[:, i + 1 :] - mass[:, i : i + 1]
        mean = np.where(span > 0, (hit[:, i + 1 :] - hit[:, i : i + 1]) / np.where(span > 0, span, 1), np.inf)
        lowest = np.minimum.accumulate(mean[:, ::-1], axis=1)[:, ::-1]
        lowest = np.where(np.isinf(lowest), -np.inf, lowest)
        result[:, i:] = np.maximum(result[:, i:], lowest)
    return result


def _resampled_curves(
    bins: np.ndarray, alive: np.ndarray, owner: np.ndarray, n_bootstrap: int, seed: int
) -> np.ndarray:
    """Isotonic survival of each resample of patients, (B, M)."""
    from scipy.sparse import csr_matrix

    shape = (int(owner.max()) + 1, int(bins.max()) + 1)
    counts = csr_matrix((np.ones(len(bins)), (owner, bins)), shape=shape)
    hits = csr_matrix((alive.astype(np.float64), (owner, bins)), shape=shape)
    blocks = [np.empty((0, shape[1]))]
    for drawn in resample_counts(shape[0], n_bootstrap, seed):
        blocks.append(isotonic(drawn @ hits, drawn @ counts))
    return np.concatenate(blocks)
