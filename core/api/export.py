"""A run's data in the forms of other libraries, as plain arrays: none of those libraries is needed to make them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.icu.view import RunView

SPLITS = ("train", "valid", "test", "all")


def d3rlpy_arrays(view: RunView, split: str) -> dict[str, np.ndarray]:
    """Transitions of a split as d3rlpy's `MDPDataset` takes them, one stay after the other.

    observations (n, D) float32 in physical units, actions (n, 1) int64, rewards (n, 1) float32 of the run's study,
    terminals (n,) float32, 1 on the last transition of each stay. A stay of T steps has T - 1 transitions, or T
    where the study's last row is a decision.
    """
    data, rows = view.trajectories, _chosen(view, split)
    mask = data.transition_mask & rows[:, None]
    patient, step = np.nonzero(mask)
    return {
        "observations": view.cohort.states[view.cohort.starts[patient] + step],
        "actions": data.actions[mask][:, None],
        "rewards": data.rewards[mask][:, None],
        "terminals": (step + 1 == data.transition_mask.sum(axis=1)[patient]).astype(np.float32),
    }


def minari_episodes(view: RunView, split: str) -> list[dict[str, Any]]:
    """Each stay of a split with the fields of Minari's `EpisodeBuffer`.

    id; observations (T, D) float32 in physical units; actions, rewards, terminations, truncations (T - 1,). Where the
    study's last row is a decision they are T, and its state stands again at the end, since the form asks for one more.
    """
    cohort, data, episodes = view.cohort, view.trajectories, []
    for number, patient in enumerate(np.flatnonzero(_chosen(view, split))):
        steps, rows = int(data.transition_mask[patient].sum()), cohort.rows(int(patient))
        seen = np.minimum(np.arange(rows.start, rows.start + steps + 1), rows.stop - 1)
        ended = np.arange(steps) == steps - 1
        episodes.append(
            {
                "id": number,
                "observations": cohort.states[seen],
                "actions": data.actions[patient, :steps],
                "rewards": data.rewards[patient, :steps],
                "terminations": ended,
                "truncations": np.zeros(steps, dtype=bool),
            }
        )
    return episodes


def anndata_parts(view: RunView, patients: pd.DataFrame) -> dict[str, Any]:
    """X (N, H) representation of each stay, obs its table, obsm its maps in the plane, uns what it was made of."""
    maps = {f"X_{name}": view.projection(name) for name in ("umap", "pca")}
    manifest = view.manifest
    uns = {"run": manifest.name, "study": view.study.name, "data_hash": manifest.data_hash}
    return {"X": np.asarray(view.z), "obs": patients, "obsm": maps, "uns": uns}


def _chosen(view: RunView, split: str) -> np.ndarray:
    """(N,) bool stays of a split."""
    if split not in SPLITS:
        raise ConfigError(f"split = '{split}' is not known; choose one of {', '.join(SPLITS)}.")
    return np.ones(view.cohort.n_patients, dtype=bool) if split == "all" else view.split_name == split
