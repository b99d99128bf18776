"""What was recorded of N stays: the same for every policy and every estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Recorded:
    """Rewards and clinicians' propensities of N stays.

    All (N, T): rewards; mask, True at the steps that have a reward (`Trajectories.transition_mask`; other entries are
    never read, rows without a True step are left out and not counted in n); behavior_propensities of the action taken.
    gamma is the discount. persons (N,) is the key of each row's person, whose stays are drawn together in the bootstrap
    (None: every stay is a person of its own).
    """

    rewards: np.ndarray
    mask: np.ndarray
    behavior_propensities: np.ndarray
    gamma: float = 0.99
    persons: np.ndarray | None = None
