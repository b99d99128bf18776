"""Are the phenotypes phenotypes? Held against length of stay, resampling, early steps, plain rivals and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.base.statistics import adjusted_rand, eta_squared
from core.phenotypes.config import PhenotypeConfig
from core.phenotypes.phenotypes import Phenotypes
from core.phenotypes.profiles import patient_means
from core.phenotypes.stability import bootstrap_ari, kmeans, nearest, silhouettes
from core.trajectories import Trajectories

PADDED_COMPONENTS = 16
ENCODER, MEANS, PADDED = "encoder", "patient means", "PCA of padded trajectory"
CHANGES, SLOPE = "mean squared change", "slope"


@dataclass(frozen=True, eq=False)
class Representation:
    """One way to see patients: whole (N, H) from the whole stay, early (E, N, H) from its first steps alone, once for
    each of E numbers of steps."""

    name: str
    whole: np.ndarray
    early: np.ndarray


def prefix_agreement(
    prefix_labels: np.ndarray, labels: np.ndarray, slots: np.ndarray, hours: np.ndarray
) -> pd.DataFrame:
    """How soon the steps so far give the label of the whole stay.

    prefix_labels (N, T), labels (N,), slots (N, T) the slot of `hours` (B,) in which each step began, -1 for none. One
    row a slot with patients: hours, n (patients there then), agreement (share with the same label), ari (adjusted Rand
    index between the two).
    """
    rows = []
    for slot in np.unique(slots[slots >= 0]):
        patient, step = np.nonzero(slots == slot)
        early, whole = prefix_labels[patient, step], labels[patient]
        same, ari = float((early == whole).mean()), adjusted_rand(whole, early)
        rows.append({"hours": float(hours[slot]), "n": len(patient), "agreement": same, "ari": ari})
    return pd.DataFrame(rows, columns=["hours", "n", "agreement", "ari"])


def mean_squared_changes(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How restless each column of a patient is: mean over t of (x_{t+1} - x_t)^2, both steps real.

    values (N, T, D), mask (N, T) real steps -> (N, D) float64. NaN for a patient without two neighboring steps.
    """
    valid = np.asarray(mask, dtype=bool)
    both = valid[:, 1:] & valid[:, :-1]
    squares = np.square(np.diff(np.asarray(values, dtype=np.float64), axis=1))
    squares = patient_means(np.where(both[..., None], squares, 0.0), both)
    return np.where(both.any(axis=1)[:, None], squares, np.nan)


def slopes(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Where each column of a patient drifts: the slope of its least-squares line over the real steps,

        sum_t (t - mean t) x_t / sum_t (t - mean t)^2.

    values (N, T, D), mask (N, T) real steps -> (N, D) float64, per step. NaN for a patient with fewer than two steps.
    """
    valid = np.asarray(mask, dtype=bool)
    x, step = np.asarray(values, dtype=np.float64), np.arange(valid.shape[1])
    middle = (valid * step).sum(axis=1) / np.maximum(valid.sum(axis=1), 1)
    centered = np.where(valid, step - middle[:, None], 0.0)
    spread = np.square(centered).sum(axis=1)[:, None]
    rise = np.einsum("ntd,nt->nd", np.where(valid[..., None], x, 0.0), centered)
    return np.where(spread > 0, rise / np.where(spread > 0, spread, 1.0), np.nan)


def rivals(trajectories: Trajectories, early_steps: Sequence[int], train: np.ndarray) -> list[Representation]:
    """The four plain rivals, each fitted on the training patients, positions `train`; early ones for each number of
    steps in `early_steps`.

    Means of a patient's states (the published ablation) see levels. PCA (at most 16 components) of the padded
    trajectory of the temporal columns sees levels, courses and the length of stay. Mean squared change of the temporal
    columns sees restlessness and nothing else. The slope of the temporal columns over time alone sees slow drift.
    Patients of one step count as average in both. Means, mean squared changes and slopes are standardized, or the few
    columns that vary most would decide alone.
    """
    mask = trajectories.mask
    seen = [mask, *(mask & (np.arange(mask.shape[1]) < steps) for steps in early_steps)]
    states, temporal = trajectories.states, trajectories.temporal
    views = {
        MEANS: _standardized([patient_means(states, steps) for steps in seen], train),
        PADDED: _components(temporal, seen, train),
        CHANGES: np.nan_to_num(_standardized([mean_squared_changes(temporal, steps) for steps in seen], train)),
        SLOPE: np.nan_to_num(_standardized([slopes(temporal, steps) for steps in seen], train)),
    }
    return [Representation(name, view[0], view[1:]) for name, view in views.items()]


def _standardized(views: Sequence[np.ndarray], train: np.ndarray) -> np.ndarray:
    """Views (N, D), the first one of whole stays, in units of the training patients' whole stays: (views, N, D).

    NaN stays NaN and counts for nothing.
    """
    stacked = np.stack(views)
    known = stacked[0, train][~np.isnan(stacked[0, train]).any(axis=1)]
    if not len(known):
        return stacked
    spread = known.std(axis=0)
    return np.asarray((stacked - known.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))


def _components(temporal: np.ndarray, seen: Sequence[np.ndarray], train: np.ndarray) -> np.ndarray:
    """Principal components (views, N, C) of the padded trajectory; fitted on the first view, the whole stays."""
    from sklearn.decomposition import PCA

    flat = [(temporal * steps[..., None]).reshape(len(steps), -1) for steps in seen]
    model = PCA(min(PADDED_COMPONENTS, len(train), flat[0].shape[1]), svd_solver="covariance_eigh").fit(flat[0][train])
    return np.stack([model.transform(rows) for rows in flat])


def honesty_table(
    z: np.ndarray,
    z_prefix: np.ndarray,
    trajectories: Trajectories,
    phenotypes: Phenotypes,
    train: np.ndarray,
    truth: np.ndarray | None = None,
    config: PhenotypeConfig | None = None,
) -> pd.DataFrame:
    """Every representation on every measure, for each K.

    z (N, H), z_prefix (N, T, H), train positions that phenotypes were fitted on; truth (N,) true phenotype of simulated
    patients. One row a (n_clusters, representation): silhouette, eta2_length (0 is right), bootstrap_ari (1 is stable),
    early_ari and later_ari (labels by the first `early_steps` and `later_steps` steps against the whole stay; of a
    shorter stay, all its steps), truth_ari, early_truth_ari and later_truth_ari (NaN without truth), smallest. Measures
    are taken on all patients, bootstrap_ari on the training patients.
    """
    config = config or PhenotypeConfig()
    last = np.minimum([config.early_steps, config.later_steps], z_prefix.shape[1]) - 1
    encoder = Representation(ENCODER, np.asarray(z), np.stack([z_prefix[:, step] for step in last]))
    stable = dict(zip(phenotypes.indices["n_clusters"], phenotypes.indices["bootstrap_ari"], strict=True))
    own = _measures(encoder, phenotypes.centroids, stable, trajectories.lengths, truth, config)
    others = rivals_table(trajectories, train, phenotypes.k_values, truth, config)
    return pd.concat([own, others]).sort_values("n_clusters", kind="stable").reset_index(drop=True)


def rivals_table(
    trajectories: Trajectories,
    train: np.ndarray,
    k_values: Sequence[int],
    truth: np.ndarray | None = None,
    config: PhenotypeConfig | None = None,
) -> pd.DataFrame:
    """The rows of `honesty_table` that need no encoder: each rival by KMeans on training patients, same settings."""
    config = config or PhenotypeConfig()
    tables = []
    for rival in rivals(trajectories, (config.early_steps, config.later_steps), train):
        own = rival.whole[train]
        seed = derive_seed(config.seed, "phenotypes", "kmeans")
        fits = {k: kmeans(own, k, seed, config.n_init) for k in k_values}
        stable = {k: bootstrap_ari(own, labels, k, config) for k, (labels, _) in fits.items()}
        centroids = {k: centers for k, (_, centers) in fits.items()}
        tables.append(_measures(rival, centroids, stable, trajectories.lengths, truth, config))
    return pd.concat(tables, ignore_index=True)


def _measures(
    patients: Representation,
    centroids: Mapping[int, np.ndarray],
    stable: Mapping[int, float],
    lengths: np.ndarray,
    truth: np.ndarray | None,
    config: PhenotypeConfig,
) -> pd.DataFrame:
    """One row a K of one representation."""
    labels = {k: nearest(patients.whole, centers) for k, centers in sorted(centroids.items())}
    silhouette = silhouettes(patients.whole, labels, config)
    rows = []
    for k, whole in labels.items():
        found = dict(
            zip(("", "early_", "later_"), (whole, *(nearest(z, centroids[k]) for z in patients.early)), strict=True)
        )
        rows.append(
            {
                "n_clusters": k,
                "representation": patients.name,
                "silhouette": silhouette[k],
                "eta2_length": eta_squared(lengths, whole),
                "bootstrap_ari": stable[k],
                **{f"{when}ari": adjusted_rand(whole, own) for when, own in found.items() if when},
                **{
                    f"{when}truth_ari": float("nan") if truth is None else adjusted_rand(truth, own)
                    for when, own in found.items()
                },
                "smallest": int(np.bincount(whole, minlength=k).min()),
            }
        )
    return pd.DataFrame(rows)
