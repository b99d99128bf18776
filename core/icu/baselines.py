"""What a run folder holds of the policies that its own are held against: where it lies, and how it is read.

baselines/: baselines.json (what there is), NAME/ or NAME.npz (the agents), NAME.npy (their Q at every state),
means.npz (phenotypes of the ablation without encoder). `core.icu.fit.baselines` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.base.errors import ArtifactError
from core.base.files import read_json

FOLDER = "baselines"
NAMES = f"{FOLDER}/baselines.json"
MEANS = f"{FOLDER}/means.npz"
SCHEMA_VERSION = 1
WITHOUT_XGBOOST = "gb-fqi"  # what xgb-fqi is called where scikit-learn boosts


@dataclass(frozen=True, eq=False)
class MeanPhenotypes:
    """Phenotypes without an encoder: KMeans on patients' mean states, each column in units of its spread over training
    patients (or the few that vary most would decide alone). center, spread (D,); centroids (K, D) in those units."""

    center: np.ndarray
    spread: np.ndarray
    centroids: np.ndarray

    def distances(self, states: np.ndarray, mask: np.ndarray, mode: str) -> np.ndarray:
        """Euclidean distance to each centroid (N, T, K), of the mean over the stay, or over the steps so far.

        states (N, T, D) scaled, mask (N, T) real steps. Prospectively the current state counts: it is known when the
        choice at it is made, and the action is not part of it.
        """
        real = mask[..., None].astype(np.float64)
        summed, steps = np.cumsum(states * real, axis=1), np.cumsum(real, axis=1)
        if mode == "retrospective":
            summed, steps = (np.broadcast_to(a[:, -1:], a.shape) for a in (summed, steps))
        means = (summed / np.maximum(steps, 1) - self.center) / self.spread
        return np.stack([np.sqrt(np.square(means - own).sum(axis=-1)) for own in self.centroids], axis=-1)


def stored_baselines(folder: Path) -> tuple[str, ...]:
    """Baselines that a run folder holds; none where the run has not got that far, or was made before there were any."""
    if not (folder / NAMES).is_file():
        return ()
    stored = read_json(folder / NAMES)
    version = stored.get("schema_version") if isinstance(stored, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{folder / NAMES} has schema version {version}, this program reads {SCHEMA_VERSION}; train again."
        )
    return tuple(str(name) for name in stored["names"])


def stored_q(folder: Path, name: str) -> Path:
    """File of a baseline's Q at every state of the run."""
    return folder / FOLDER / f"{name}.npy"
