"""The clinician policy of a run at any stays: one neighbor search gives probabilities, similar states and support."""

from __future__ import annotations

import numpy as np

from core.evaluation import BehaviorPolicy, NeighborPolicy, knn_behavior_policy
from core.icu.view import RunView
from core.trajectories import Trajectories, padded

SHOWN_NEIGHBORS = 30  # similar states kept for the patient page


def behavior_arrays(view: RunView, stays: Trajectories, own: bool) -> dict[str, np.ndarray]:
    """Arrays of the clinician policy on the grid of the stays, 0 (neighbors: -1) on padding.

    behavior (N, T, A), support (N, T), neighbors (N, T, m) int32 rows of the run's training states. `own`: the stays
    are the run's own, so the states of a training patient's own person are left out of its neighbors. Besides,
    support_reference (r,): distances of training states that support is read from.
    """
    result = clinicians_at(view, stays.states[stays.mask], np.nonzero(stays.mask)[0] if own else None)
    shown = min(SHOWN_NEIGHBORS, result.neighbors.shape[1])
    return {
        "behavior": padded(result.action_probs, stays.mask, 0),
        "support": padded(result.support, stays.mask, 0),
        "support_reference": result.reference,
        "neighbors": padded(result.neighbors[:, :shown], stays.mask, -1),
    }


def own_behavior(view: RunView, stays: Trajectories, persons: np.ndarray) -> np.ndarray:
    """(N, T, A) probabilities of the clinicians who treated these very stays, from the other persons among them.

    persons (N,): whose stay it is; one's own states are left out, or every choice would be its own evidence. For stays
    of another cohort, scaled as the run's own; the number of neighbors and the pseudo-count are the run's.
    """
    settings, study = view.config.evaluation, view.study
    states, owner = stays.states[stays.mask], persons[np.nonzero(stays.mask)[0]]
    found = knn_behavior_policy(
        states,
        stays.actions[stays.mask],
        states,
        study.n_actions,
        settings.n_neighbors,
        np.array([column.behavior_weight for column in study.columns]),
        settings.pseudo_count,
        train_groups=owner,
        groups=owner,
        seed=view.config.run.seed,
    )
    return padded(found.action_probs, stays.mask, 0)


def clinicians_at(
    view: RunView, states: np.ndarray, patients: np.ndarray | None = None, reference: np.ndarray | None = None
) -> BehaviorPolicy:
    """The clinician policy at scaled states (m, D), from the run's training states.

    patients (m,): whose states they are, where they are the run's own; no state of the same person is their evidence.
    reference: see `knn_behavior_policy`.
    """
    settings, study, train = view.config.evaluation, view.study, view.training_states
    return knn_behavior_policy(
        view.trajectories.states[train[:, 0], train[:, 1]],
        view.trajectories.actions[train[:, 0], train[:, 1]],
        states,
        study.n_actions,
        settings.n_neighbors,
        np.array([column.behavior_weight for column in study.columns]),
        settings.pseudo_count,
        train_groups=None if patients is None else view.persons[train[:, 0]],
        groups=None if patients is None else view.persons[patients],
        seed=view.config.run.seed,
        reference=reference,
    )


def estimated_clinicians(view: RunView) -> NeighborPolicy:
    """The run's estimate of the clinicians' policy, for many new states: neighbors are searched for approximately."""
    study, settings, train = view.study, view.config.evaluation, view.training_states
    return NeighborPolicy(
        view.trajectories.states[train[:, 0], train[:, 1]],
        view.trajectories.actions[train[:, 0], train[:, 1]],
        study.n_actions,
        settings.n_neighbors,
        np.array([column.behavior_weight for column in study.columns]),
        settings.pseudo_count,
        approximate=True,
    )
