"""Paired tests over repeats, and their correction for many comparisons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr  # scipy.stats takes a second to read


@dataclass(frozen=True)
class PairedTest:
    """Two-sided p values of a mean paired difference; NaN where a test cannot be made (n < 2, or no spread)."""

    difference: float
    sd: float
    n: int
    p_t: float  # Student's t on the differences, as if repeats were independent
    p_corrected: float  # t with the variance widened for training parts that overlap; NaN without their sizes
    p_flip: float  # exact sign-flip permutation


def paired_test(differences: Sequence[float] | np.ndarray, test_to_train: float = math.nan) -> PairedTest:
    """Test whether paired differences (n,) of repeats average 0; NaN entries are left out.

    test_to_train: patients tested over patients trained on, in one repeat. Repeats of random splits share training
    patients, so their differences vary less than those of independent samples would; the corrected t takes
    sd^2 (1/n + test_to_train) as the variance of the mean. Source: Nadeau and Bengio 2003.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        mean = float(values.mean()) if n else math.nan
        return PairedTest(mean, math.nan, n, math.nan, math.nan, math.nan)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return PairedTest(
        mean,
        sd,
        n,
        _t(mean, sd / math.sqrt(n), n),
        _t(mean, sd * math.sqrt(1 / n + test_to_train), n),
        sign_flip(values),
    )


def _t(mean: float, error: float, n: int) -> float:
    if not error > 1e-12 * max(1.0, abs(mean)):
        return math.nan
    return float(2 * stdtr(n - 1, -abs(mean) / error))


def sign_flip(differences: np.ndarray) -> float:
    """Share of the 2^n sign patterns of the differences (n <= 20) whose mean is at least as far from 0 as theirs."""
    values = np.asarray(differences, dtype=np.float64)
    if not 0 < len(values) <= 20:
        return math.nan
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    means = np.abs(signs @ values)
    return float((means >= abs(values.sum()) * (1 - 1e-9)).mean())


def smallest_sign_flip(n: int) -> float:
    """Smallest two-sided p that the sign-flip test of n repeats can reach: 2 of its 2^n patterns."""
    return 2.0 / 2**n if n else math.nan


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Step-down adjusted p values in the given order; NaN stays NaN and counts as no comparison. Source: Holm 1979."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
