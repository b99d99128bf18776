"""Keep a phenotype's identity, and so its color, from one K to the next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def first_order(labels: np.ndarray, n_clusters: int, severity: np.ndarray | None) -> np.ndarray:
    """New label of each cluster at the smallest K: by mean severity, lowest first (None: by size, largest first).

    labels (n,), severity (n,) -> (K,). Ties keep KMeans's order.
    """
    n = np.bincount(labels, minlength=n_clusters)
    if severity is None:
        rank = -n.astype(np.float64)
    else:
        rank = np.bincount(labels, weights=severity, minlength=n_clusters) / np.maximum(n, 1)
    order = np.empty(n_clusters, dtype=np.int64)
    order[np.argsort(rank, kind="stable")] = np.arange(n_clusters)
    return order


def match_labels(previous: np.ndarray, labels: np.ndarray, k_previous: int, k: int) -> np.ndarray:
    """New label of each cluster so that most patients keep the label they had.

    The one-to-one assignment of clusters to labels 0..k-1 with the largest total overlap (Hungarian algorithm); the
    k - k_previous clusters that are new get the labels k_previous.. in order of size, largest first. previous, labels
    (n,) -> (k,).
    """
    from scipy.optimize import linear_sum_assignment

    overlap = np.zeros((k_previous, k))
    np.add.at(overlap, (previous, labels), 1)
    old, new = linear_sum_assignment(overlap, maximize=True)
    order = np.full(k, -1, dtype=np.int64)
    order[new] = old
    fresh = np.flatnonzero(order < 0)
    sizes = np.bincount(labels, minlength=k)[fresh]
    order[fresh[np.argsort(-sizes, kind="stable")]] = np.arange(k_previous, k)
    return order


def align(labels: Mapping[int, np.ndarray], severity: np.ndarray | None = None) -> dict[int, np.ndarray]:
    """Order of the clusters at every K, in increasing K: order[K][cluster] = label. labels[K] (n,)."""
    orders: dict[int, np.ndarray] = {}
    previous: tuple[int, np.ndarray] | None = None
    for k in sorted(labels):
        if previous is None:
            orders[k] = first_order(labels[k], k, severity)
        else:
            orders[k] = match_labels(previous[1], labels[k], previous[0], k)
        previous = k, orders[k][labels[k]]
    return orders
