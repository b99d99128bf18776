"""The clinician policy of a run at any stays, and the training states most like a state, by which support is told.

Two searches: the clinicians' probabilities keep the published distance; what is shown as similar, and what is refused
for want of it, is matched in the hazards of the study and near in every column alike.
"""

from __future__ import annotations

import numpy as np

from core.evaluation import BehaviorPolicy, NeighborPolicy, SimilarStates, find_similar, knn_behavior_policy
from core.icu.view import RunView
from core.policies.hazards import hazard_bands
from core.trajectories import Trajectories, padded


def behavior_arrays(view: RunView) -> dict[str, np.ndarray]:
    """Arrays of the clinician policy and of similar states on the grid of the stays, 0 (neighbors: -1) on padding.

    behavior (N, T, A), support (N, T), neighbors (N, T, m) int32 rows of the run's training states, the states of a
    patient's own person left out. Besides, similar_reference (r,): distances of training states that support is read
    from.
    """
    mask, states = view.trajectories.mask, view.trajectories.states
    patients = np.nonzero(mask)[0]
    behavior = clinicians_at(view, states[mask], patients)
    similar = similar_at(view, view.cohort.states, patients)
    return {
        "behavior": padded(behavior.action_probs, mask, 0),
        "support": padded(similar.support, mask, 0),
        "similar_reference": similar.reference,
        "neighbors": padded(similar.rows, mask, -1),
    }


def similar_at(
    view: RunView, states: np.ndarray, patients: np.ndarray, reference: np.ndarray | None = None
) -> SimilarStates:
    """The training states most like states (m, D), in physical units, of these patients (m,), in the same hazards.

    reference: see `core.evaluation.find_similar`.
    """
    train = view.training_states
    recorded = view.cohort.states[view.cohort.starts[train[:, 0]] + train[:, 1]]
    return find_similar(
        recorded,
        hazard_bands(view.study, recorded),
        view.persons[train[:, 0]],
        states,
        hazard_bands(view.study, states),
        view.persons[patients],
        seed=view.config.run.seed,
        reference=reference,
    )


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
