"""The unit in which a run's policies take their temperature, so that no policy vanishes where Q is flat.

    pi(a|s) = softmax_a Q(s, a) / (temperature * spread),   spread: of an agent's advantages over its training states

One rule for all that learn values (agents of phenotypes, networks for all patients, forests); a rule that learns its
policy itself has no temperature. With `agents.softmax = "fixed"`, the published recipe, every spread is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.agents.policy import advantage_spread
from core.policies.key import NO_ENCODER, RETROSPECTIVE

if TYPE_CHECKING:
    from core.icu.view import RunView


def expert_spreads(view: RunView, n_clusters: int) -> np.ndarray:
    """(K, 1) of the agent of each phenotype, over the stays that trained it."""
    if view.config.agents.softmax == "fixed":
        return np.ones((n_clusters, 1))
    return _spreads(view, view.agent_q(n_clusters), view.labels(n_clusters))


def baseline_spread(view: RunView, name: str) -> float | np.ndarray:
    """Of a baseline; of each agent (K, 1) of the ablation without encoder."""
    if view.config.agents.softmax == "fixed":
        return 1.0
    if name == NO_ENCODER:
        labels = view.mean_distances(RETROSPECTIVE)[:, 0].argmin(axis=-1)
        return _spreads(view, view.trained_q(name), labels)
    q = view.baseline_q(name)[view.split.train]
    return advantage_spread(q[view.trajectories.mask[view.split.train]])


def _spreads(view: RunView, q: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """q (N, T, K, A), labels (N,) phenotype of each stay -> (K, 1)."""
    train = view.split.train
    own = [train[labels[train] == index] for index in range(q.shape[2])]
    return np.array([[advantage_spread(q[rows, :, k][view.trajectories.mask[rows]])] for k, rows in enumerate(own)])
