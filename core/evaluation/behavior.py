"""The clinicians' policy from nearest neighbors; the same search finds similar patients and how covered a state is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.neighbors import Neighbors
from core.base.rng import stream

N_NEIGHBORS = 300
N_KEPT = 50  # neighbors stored for each state
PSEUDO_COUNT = 1.0
REFERENCE_SAMPLE = 2_000  # training states whose own distances calibrate the support score
QUERY_BLOCK = 8_192


@dataclass(frozen=True, eq=False)
class BehaviorPolicy:
    """Estimated clinician policy at m states.

    action_probs (m, A) float32, rows sum to 1; counts (m, A) int32 neighbors given each action; neighbors (m, kept)
    int32 rows of the training states, nearest first; distances (m, kept) float32; mean_distance (m,) float32 over all
    neighbors; support (m,) float32 in 0..1, the share of training states that lie as far from their own neighbors or
    farther (0: farther than any); reference (r,) sorted mean distances of a sample of training states, which support is
    read from; n_neighbors actually used; pseudo_count as given.
    """

    action_probs: np.ndarray
    counts: np.ndarray
    neighbors: np.ndarray
    distances: np.ndarray
    mean_distance: np.ndarray
    support: np.ndarray
    reference: np.ndarray
    n_neighbors: int
    pseudo_count: float


def knn_behavior_policy(
    train_states: np.ndarray,
    train_actions: np.ndarray,
    states: np.ndarray,
    n_actions: int | None = None,
    n_neighbors: int = N_NEIGHBORS,
    weights: np.ndarray | None = None,
    pseudo_count: float = PSEUDO_COUNT,
    train_groups: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
    reference: np.ndarray | None = None,
) -> BehaviorPolicy:
    """Probability of each action at a state, from the actions given at similar training states.

        pi_b(a|s) = (n_a + c) / (k + c A)

    n_a of the k nearest neighbors (Euclidean, columns multiplied by `weights`) were given a; c = pseudo_count, so that
    no probability is 0 unless c = 0. One a dose, not shares of the training states: neighborhoods smooth rare doses
    away, and on simulated patients c = 1 comes closest to the true probabilities.

    train_states (n, D), train_actions (n,) int, states (m, D); n_actions A (None: largest training action + 1); weights
    (D,), `[column.behavior_weight for column in study.columns]`; k is at most the training states there are.
    train_groups (n,) and groups (m,): neighbors of a state's own group (its patient) are left out, so that training
    patients are not their own evidence. seed picks the training states that calibrate `support`;
    `reference` is the result of an earlier call on the same training states, so that it is not searched for again.
    ValueError where shapes disagree, values are not finite or nothing is left to compare with.
    Source: He et al. 2025 with k = 300, weights sqrt 2 on six columns and c = 0.
    """
    actions = np.asarray(train_actions)
    factor = 1.0 if weights is None else np.asarray(weights, dtype=np.float64)
    bank = _scaled(train_states, factor, "train_states")
    queries = _scaled(states, factor, "states")
    n_actions = int(actions.max()) + 1 if n_actions is None else n_actions
    _check(bank, actions, queries, n_actions, n_neighbors, pseudo_count)
    if (train_groups is None) != (groups is None):
        raise ValueError("give both train_groups and groups, or neither")
    own = np.arange(len(bank)) if train_groups is None else np.asarray(train_groups)
    k = min(n_neighbors, len(bank) - (_largest_group(own) if groups is not None else 0))
    if k < 1:
        raise ValueError("no training state is left once a state's own group is left out; give more patients")
    counts, rows, near, mean = _search(bank, actions, queries, n_actions, k, own, groups)
    probabilities = (counts + pseudo_count) / (k + pseudo_count * n_actions)
    if reference is None:
        reference = _reference_distances(bank, actions, n_actions, k, own, seed)
    support = 1 - np.searchsorted(reference, mean, side="left") / len(reference)
    return BehaviorPolicy(
        probabilities.astype(np.float32),
        counts,
        rows,
        near,
        mean,
        support.astype(np.float32),
        reference,
        k,
        float(pseudo_count),
    )


class NeighborPolicy:
    """`knn_behavior_policy(...).action_probs` at new states alone, asked for again and again: one index serves all.

    Arguments as there; `approximate`: see `core.base.neighbors.Neighbors`.
    """

    def __init__(
        self,
        train_states: np.ndarray,
        train_actions: np.ndarray,
        n_actions: int,
        n_neighbors: int = N_NEIGHBORS,
        weights: np.ndarray | None = None,
        pseudo_count: float = PSEUDO_COUNT,
        approximate: bool = False,
    ) -> None:
        self.actions, self.n_actions, self.pseudo_count = np.asarray(train_actions), n_actions, pseudo_count
        self._factor = 1.0 if weights is None else np.asarray(weights, dtype=np.float64)
        bank = _scaled(train_states, self._factor, "train_states")
        _check(bank, self.actions, bank[:1], n_actions, n_neighbors, pseudo_count)
        self.k, self._index = min(n_neighbors, len(bank)), Neighbors(bank, approximate)

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Action probabilities (m, A) float32 at states (m, D)."""
        _, rows = self._index.search(_scaled(states, self._factor, "states"), self.k)
        counts = _counts(self.actions[rows], self.n_actions)
        return ((counts + self.pseudo_count) / (self.k + self.pseudo_count * self.n_actions)).astype(np.float32)


def _scaled(states: np.ndarray, factor: np.ndarray | float, name: str) -> np.ndarray:
    values = np.asarray(states)
    if values.ndim != 2 or (np.ndim(factor) and np.shape(factor) != values.shape[1:]):
        raise ValueError(f"{name} must be (rows, D) and weights (D,); got {values.shape} and {np.shape(factor)}")
    values = np.ascontiguousarray(values * factor, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} hold values that are not finite; impute them first")
    return values


def _check(
    bank: np.ndarray, actions: np.ndarray, queries: np.ndarray, n_actions: int, n_neighbors: int, pseudo_count: float
) -> None:
    if len(bank) != len(actions) or bank.shape[1] != queries.shape[1] or len(bank) == 0:
        raise ValueError(
            f"train_states {bank.shape}, train_actions {actions.shape} and states {queries.shape} do not fit together"
        )
    if n_neighbors < 1 or pseudo_count < 0:
        raise ValueError(f"n_neighbors must be at least 1 and pseudo_count at least 0: {n_neighbors}, {pseudo_count}")
    if actions.min() < 0 or actions.max() >= n_actions:
        raise ValueError(f"train_actions must lie in 0..{n_actions - 1}")


def _search(
    bank: np.ndarray,
    actions: np.ndarray,
    queries: np.ndarray,
    n_actions: int,
    k: int,
    own: np.ndarray,
    groups: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts (m, A), kept rows and distances (m, kept), mean distance (m,); exact search, in blocks of queries."""
    spare = 0 if groups is None else _largest_group(own)
    index, wanted = Neighbors(bank), min(k + spare, len(bank))
    kept, m = min(k, N_KEPT), len(queries)
    counts = np.empty((m, n_actions), dtype=np.int32)
    rows, near = np.empty((m, kept), dtype=np.int32), np.empty((m, kept), dtype=np.float32)
    mean = np.empty(m, dtype=np.float32)
    for start in range(0, m, QUERY_BLOCK):
        part = slice(start, min(start + QUERY_BLOCK, m))
        distance, row = index.search(queries[part], wanted)
        if groups is not None:
            distance, row = _without_own(distance, row, own[row] == np.asarray(groups)[part, None], k)
        counts[part] = _counts(actions[row], n_actions)
        rows[part], near[part], mean[part] = row[:, :kept], distance[:, :kept], distance.mean(axis=1)
    return counts, rows, near, mean


def _counts(given: np.ndarray, n_actions: int) -> np.ndarray:
    """How often each action is among those given to the neighbors. (m, k) -> (m, A)."""
    offset = np.arange(len(given))[:, None] * n_actions
    return np.bincount((given + offset).ravel(), minlength=len(given) * n_actions).reshape(len(given), n_actions)


def _largest_group(own: np.ndarray) -> int:
    return int(np.unique(own, return_counts=True)[1].max())


def _without_own(distance: np.ndarray, row: np.ndarray, same: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of other groups, still in order of distance."""
    order = np.argsort(same, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distance, order, axis=1), np.take_along_axis(row, order, axis=1)


def _reference_distances(
    bank: np.ndarray, actions: np.ndarray, n_actions: int, k: int, own: np.ndarray, seed: int
) -> np.ndarray:
    """Sorted mean neighbor distances of a sample of training states, their own group left out."""
    others = len(bank) - _largest_group(own)
    if others < 1:  # a single patient has no neighbors to be compared with
        return np.zeros(1)
    size, k = min(len(bank), REFERENCE_SAMPLE), min(k, others)
    sample = stream(seed, "behavior", "support").choice(len(bank), size=size, replace=False)
    return np.sort(_search(bank, actions, bank[sample], n_actions, k, own, own[sample])[3])
