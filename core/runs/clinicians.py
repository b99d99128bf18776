"""The clinician policy of a run at any stays: one neighbor search gives probabilities, similar states and support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.evaluation import knn_behavior_policy
from core.trajectories import Trajectories

if TYPE_CHECKING:
    from core.runs.view import RunView

SHOWN_NEIGHBORS = 30  # similar states kept for the patient page


def behavior_arrays(view: RunView, stays: Trajectories, own: bool) -> dict[str, np.ndarray]:
    """Arrays of the clinician policy on the grid of the stays, 0 (neighbors: -1) on padding.

    Besides, support_reference (r,): distances of training states that support is read from.

    behavior (N, T, A), support (N, T), neighbors (N, T, m) int32 rows of the run's training states, their distances
    (N, T, m). `own`: the stays are the run's own, so a training patient's own states are left out of its neighbors.
    """
    settings, study = view.config.evaluation, view.study
    train = view.training_states
    result = knn_behavior_policy(
        view.trajectories.states[train[:, 0], train[:, 1]],
        view.trajectories.actions[train[:, 0], train[:, 1]],
        stays.states[stays.mask],
        study.n_actions,
        settings.n_neighbors,
        np.array([column.behavior_weight for column in study.columns]),
        settings.pseudo_count,
        train_groups=train[:, 0] if own else None,
        groups=np.nonzero(stays.mask)[0] if own else None,
        seed=view.config.run.seed,
    )
    shown = min(SHOWN_NEIGHBORS, result.neighbors.shape[1])
    return {
        "behavior": _grid(result.action_probs, stays.mask, 0),
        "support": _grid(result.support, stays.mask, 0),
        "support_reference": result.reference,
        "neighbors": _grid(result.neighbors[:, :shown], stays.mask, -1),
        "neighbor_distances": _grid(result.distances[:, :shown], stays.mask, 0),
    }


def _grid(rows: np.ndarray, mask: np.ndarray, padding: float) -> np.ndarray:
    """(n, ...) of the real steps -> (N, T, ...)."""
    grid = np.full((*mask.shape, *rows.shape[1:]), padding, dtype=rows.dtype)
    grid[mask] = rows
    return grid
