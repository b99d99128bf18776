"""Fit phenotypes: KMeans for every K on the training patients' representations."""

from __future__ import annotations

import numpy as np

from core.base.errors import RunError
from core.base.rng import derive_seed
from core.phenotypes.align import align
from core.phenotypes.config import PhenotypeConfig
from core.phenotypes.phenotypes import Phenotypes
from core.phenotypes.stability import index_table, kmeans


def fit_phenotypes(
    z: np.ndarray,
    config: PhenotypeConfig | None = None,
    lengths: np.ndarray | None = None,
    severity: np.ndarray | None = None,
) -> Phenotypes:
    """KMeans of z for K = k_min..k_max, labels aligned from K to K + 1 (see `core.phenotypes.align`).

    z (n, H) representations of the training patients; lengths (n,) steps of their stays, for eta^2; severity (n,) any
    severity score, whose cluster means order the labels at k_min, lowest first. K stays below the number of patients
    with different z. RunError where z is not finite or has too few different rows for k_min clusters.
    The result depends on the order of patients only through ties: rows are sorted before fitting.
    """
    config = config or PhenotypeConfig()
    values = np.asarray(z, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise RunError(
            f"representations must be finite (n, H) numbers, got shape {values.shape}; train the encoder again."
        )
    order = np.lexsort(values.T[::-1])
    values = values[order]
    distinct = 1 + int((np.diff(values, axis=0) != 0).any(axis=1).sum()) if len(values) else 0
    k_max = min(config.k_max, distinct - 1)
    if k_max < config.k_min:
        raise RunError(
            f"{config.k_min} phenotypes need at least {config.k_min + 1} patients with different representations; "
            f"there are {distinct} among {len(values)}. Use more patients, or train the encoder again."
        )
    seed = derive_seed(config.seed, "phenotypes", "kmeans")
    fits = {k: kmeans(values, k, seed, config.n_init) for k in range(config.k_min, k_max + 1)}
    orders = align({k: labels for k, (labels, _) in fits.items()}, None if severity is None else severity[order])
    known = None if lengths is None else np.asarray(lengths)[order]
    centroids = {k: fits[k][1][np.argsort(orders[k])] for k in fits}
    labels = {k: orders[k][fits[k][0]] for k in fits}
    return Phenotypes(centroids, index_table(values, labels, config, known), min(config.n_clusters, k_max))
