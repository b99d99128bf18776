"""Small statistics that several stages and pages share."""

from __future__ import annotations

import numpy as np

Z95 = 1.959963984540054  # 97.5 % point of the normal distribution


def wilson(successes: np.ndarray | float, n: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """95 % Wilson score interval of a proportion; (0, 1) where n is 0.

        (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

    successes, n: broadcastable arrays. Returns (low, high). Source: Wilson 1927.
    """
    count = np.asarray(n, dtype=np.float64)
    safe = np.maximum(count, 1)
    p = np.asarray(successes, dtype=np.float64) / safe
    scale = 1 + Z95**2 / safe
    middle = (p + Z95**2 / (2 * safe)) / scale
    half = Z95 * np.sqrt(p * (1 - p) / safe + Z95**2 / (4 * safe**2)) / scale
    empty = count <= 0
    low = np.where(empty, 0.0, np.clip(middle - half, 0, 1))
    return low, np.where(empty, 1.0, np.clip(middle + half, 0, 1))


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Adjusted Rand index of two groupings (n,) of the same things: 1 is full agreement, 0 is chance.

        2 (tp tn - fn fp) / ((tp + fn) (fn + tn) + (tp + fp) (fp + tn))

    over pairs of things that are together in both, in one or in neither. Source: Hubert and Arabie 1985.
    """
    _, rows = np.unique(np.asarray(first), return_inverse=True)
    _, columns = np.unique(np.asarray(second), return_inverse=True)
    table = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    n, together = len(rows), int(np.square(table).sum())
    in_first, in_second = (int(np.square(table.sum(axis=axis)).sum()) for axis in (1, 0))
    tp, fn, fp = together - n, in_first - together, in_second - together
    tn = n * n - n - tp - fn - fp
    apart = (tp + fn) * (fn + tn) + (tp + fp) * (fp + tn)
    return 2.0 * (tp * tn - fn * fp) / apart if fn or fp else 1.0


def eta_squared(values: np.ndarray, labels: np.ndarray) -> float:
    """Share of the variance of `values` that the groups explain, 0..1; 0 where the values do not vary.

        eta^2 = sum_k n_k (mean_k - mean)^2 / sum_i (x_i - mean)^2

    values, labels: (n,). Raises ValueError where their shapes differ or they are empty.
    """
    x, groups = np.asarray(values, dtype=np.float64), np.asarray(labels)
    if x.shape != groups.shape or x.ndim != 1 or len(x) == 0:
        raise ValueError(f"values and labels must be (n,), n > 0; got {x.shape} and {groups.shape}")
    _, codes = np.unique(groups, return_inverse=True)
    n = np.bincount(codes)
    centered = x - x.mean()
    total = float(centered @ centered)
    between = float((np.bincount(codes, weights=centered) ** 2 / n).sum())
    return min(between / total, 1.0) if total > 1e-12 * max(1.0, float(x @ x)) else 0.0
