"""How far a clustering can be trusted: separation, stability under resampling, size, and length of stay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.base.rng import derive_seed, stream
from core.base.statistics import adjusted_rand, eta_squared
from core.phenotypes.config import PhenotypeConfig

BLOCK = 512  # rows of distances held at once
BOOTSTRAP_STARTS = 3


def kmeans(z: np.ndarray, k: int, seed: int, n_init: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and centroids (k, H) of the best of n_init KMeans starts (k-means++)."""
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=n_init, random_state=seed).fit(np.asarray(z, dtype=np.float32))
    return model.labels_.astype(np.int64), model.cluster_centers_.astype(np.float64)


def nearest(z: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Nearest centroid of each row. (n, H), (K, H) -> (n,)."""
    return np.asarray(
        (np.square(centroids).sum(axis=1) - 2 * (np.asarray(z, dtype=np.float64) @ centroids.T)).argmin(axis=1)
    )


def bootstrap_ari(z: np.ndarray, labels: np.ndarray, k: int, config: PhenotypeConfig) -> float:
    """Mean adjusted Rand index between the labels and those of KMeans refitted on bootstrap samples, on all patients.

    z (n, H), labels (n,). 1: every resample finds the same groups; 0: no better than chance. NaN without resamples.
    A sample draws min(n, bootstrap_sample) patients with replacement.
    """
    rng = stream(config.seed, "phenotypes", "bootstrap", k)
    size, starts = min(len(z), config.bootstrap_sample), min(config.n_init, BOOTSTRAP_STARTS)
    scores = []
    for b in range(config.n_bootstrap):
        sample = z[rng.integers(0, len(z), size)]
        if len(np.unique(sample, axis=0)) < k:  # a tiny cohort's resample may hold too few patients
            continue
        _, centroids = kmeans(sample, k, derive_seed(config.seed, "phenotypes", "bootstrap", k, b), starts)
        scores.append(adjusted_rand(labels, nearest(z, centroids)))
    return float(np.mean(scores)) if scores else float("nan")


def silhouettes(z: np.ndarray, labels: Mapping[int, np.ndarray], config: PhenotypeConfig) -> dict[int, float]:
    """Mean silhouette for every K from one pass over the distances of at most `silhouette_sample` patients.

        s_i = (b_i - a_i) / max(a_i, b_i), a_i mean distance to the own cluster, b_i to the nearest other one

    z (n, H), labels[K] (n,). 0 for a patient alone in its cluster; NaN where the sample holds a single cluster.
    """
    from sklearn.metrics import euclidean_distances

    rows = np.arange(len(z))
    if len(z) > config.silhouette_sample:
        rng = stream(config.seed, "phenotypes", "silhouette")
        rows = np.sort(rng.choice(rows, config.silhouette_sample, replace=False))
    points = np.asarray(z, dtype=np.float64)[rows]
    members = {k: labels[k][rows][:, None] == np.arange(k) for k in labels}
    stacked = np.concatenate(list(members.values()), axis=1).astype(np.float64)
    blocks = (euclidean_distances(points[i : i + BLOCK], points) for i in range(0, len(points), BLOCK))
    sums = np.concatenate([block @ stacked for block in blocks])
    ends = np.cumsum(list(labels))
    return {k: _silhouette(sums[:, end - k : end], members[k]) for k, end in zip(labels, ends, strict=True)}


def _silhouette(sums: np.ndarray, member: np.ndarray) -> float:
    """Mean silhouette from summed distances to each cluster. sums (n, K), member (n, K) bool."""
    size = member.sum(axis=0)
    if (size > 0).sum() < 2:
        return float("nan")
    own = size[member.argmax(axis=1)]
    within = sums[member] / np.maximum(own - 1, 1)
    other = np.where(member | (size == 0), np.inf, sums / np.maximum(size, 1)).min(axis=1)
    scale = np.maximum(np.maximum(within, other), 1e-300)
    return float(np.where(own > 1, (other - within) / scale, 0.0).mean())


def index_table(
    z: np.ndarray, labels: Mapping[int, np.ndarray], config: PhenotypeConfig, lengths: np.ndarray | None
) -> pd.DataFrame:
    """`Phenotypes.indices`, one row a K: n_clusters, silhouette, calinski_harabasz, davies_bouldin, bootstrap_ari,
    smallest (patients), eta2_length (NaN without lengths). z (n, H), labels[K] (n,), lengths (n,)."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    silhouette = silhouettes(z, labels, config)
    rows = []
    for k, groups in labels.items():
        several = 2 <= len(np.unique(groups)) < len(z)
        rows.append(
            {
                "n_clusters": k,
                "silhouette": silhouette[k],
                "calinski_harabasz": float(calinski_harabasz_score(z, groups)) if several else float("nan"),
                "davies_bouldin": float(davies_bouldin_score(z, groups)) if several else float("nan"),
                "bootstrap_ari": bootstrap_ari(z, groups, k, config),
                "smallest": int(np.bincount(groups, minlength=k).min()),
                "eta2_length": float("nan") if lengths is None else eta_squared(lengths, groups),
            }
        )
    return pd.DataFrame(rows)
