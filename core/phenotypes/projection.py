"""The map of patients: UMAP and PCA of their representations, for the eye alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from core.base.neighbors import Neighbors
from core.base.rng import stream
from core.phenotypes.config import PhenotypeConfig

FEWEST = 15  # patients below which UMAP has no neighborhoods to show
PLACING_NEIGHBORS = 5


@dataclass(frozen=True, eq=False)
class Projection:
    """umap, pca (N, 2) float32; fitted (N,) True for patients that UMAP was fitted on, the others were placed by their
    nearest fitted patients; explained (2,) share of variance of the PCA axes; note says all this in words."""

    umap: np.ndarray
    pca: np.ndarray
    fitted: np.ndarray
    explained: np.ndarray
    note: str


def project(z: np.ndarray, config: PhenotypeConfig | None = None) -> Projection:
    """Project representations z (N, H) to two dimensions.

    UMAP is fitted on all patients up to `map_sample` of them, beyond that on a random sample; the others lie at the
    mean, weighted by inverse distance, of their 5 nearest fitted patients. Below 15 patients the PCA stands in. Rows
    are sorted first, so that the order of patients does not change the map. Distances on it are not to be measured.
    """
    config = config or PhenotypeConfig()
    values = np.asarray(z, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"z must be (N, H), N > 0 and finite; got shape {values.shape}")
    order = np.lexsort(values.T[::-1])
    back = np.argsort(order)
    values = values[order]
    pca, explained = principal_axes(values)
    if len(values) < FEWEST:
        note = f"{len(values)} patients are too few for UMAP (at least {FEWEST}); this is PCA."
        return Projection(pca[back], pca[back], np.zeros(len(values), dtype=bool), explained, note)
    fitted = np.ones(len(values), dtype=bool)
    if len(values) > config.map_sample:
        fitted[:] = False
        chosen = stream(config.seed, "phenotypes", "map").choice(len(values), config.map_sample, replace=False)
        fitted[chosen] = True
    points = np.empty((len(values), 2), dtype=np.float32)
    points[fitted] = _umap(values[fitted], config)
    if not fitted.all():
        points[~fitted] = _place(values[~fitted], values[fitted], points[fitted])
    return Projection(points[back], pca[back], fitted[back], explained, _note(fitted))


def principal_axes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First two principal components (N, 2) float32 and their shares of variance (2,).

    The sign of an axis is free: its largest loading is made positive, so that equal data give equal pictures.
    """
    centered = values - values.mean(axis=0)
    variance, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    points = np.zeros((len(values), 2), dtype=np.float32)
    points[:, : axes.shape[1]] = centered @ axes
    total = max(float(variance.sum()), 1e-12)
    share = np.zeros(2)
    share[: axes.shape[1]] = np.maximum(variance[::-1][:2], 0) / total
    return points, share


def _umap(values: np.ndarray, config: PhenotypeConfig) -> np.ndarray:
    """UMAP on exact neighbors: umap's own search for them takes longer, to compile alone, than all else here."""
    import warnings

    from umap import UMAP

    _keep_compiled()
    neighbors = min(config.umap_neighbors, len(values) - 1)
    points = values.astype(np.float32)
    distance, row = Neighbors(points).search(points, neighbors)
    distance[row == np.arange(len(points))[:, None]] = 0  # of a point to itself, but for rounding
    model = UMAP(
        n_neighbors=neighbors,
        min_dist=config.umap_min_dist,
        n_epochs=config.umap_epochs,
        init="pca" if values.shape[1] > 1 else "random",
        precomputed_knn=(row.astype(np.int32), distance, None),
        random_state=config.seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        # umap warns that a seed costs parallelism and that these neighbors cannot place further points: both wanted
        warnings.simplefilter("ignore", category=UserWarning)
        return np.asarray(model.fit_transform(points))


def _keep_compiled() -> None:
    """Let numba keep on disk what it compiles of UMAP, so that only the first map on a machine waits for it."""
    from umap import layouts, umap_

    for function in (
        umap_.smooth_knn_dist,
        umap_.compute_membership_strengths,
        layouts._nb_optimize_layout_euclidean_single_epoch,
    ):
        with suppress(RuntimeError):  # no folder to write to
            function.enable_caching()


def _place(values: np.ndarray, anchors: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map positions of further patients by their nearest fitted ones. (m, H), (n, H), (n, 2) -> (m, 2)."""
    distance, row = Neighbors(anchors).search(values, PLACING_NEIGHBORS)
    weight = 1 / np.maximum(distance, 1e-12)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("mk,mkd->md", weight, points[row].astype(np.float64)).astype(np.float32))


def _note(fitted: np.ndarray) -> str:
    n, total = int(fitted.sum()), len(fitted)
    if n == total:
        return f"UMAP fitted on all {total:,} patients. Distances on the map are not to be measured."
    return (
        f"UMAP fitted on {n:,} of {total:,} patients drawn at random; the others lie between their {PLACING_NEIGHBORS} "
        "nearest fitted patients. Distances on the map are not to be measured."
    )
