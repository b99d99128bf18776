"""Critics of brought policies: fitted Q evaluation of one policy after another on the same stays.

What is the same for every policy, the stays' transitions and the forests that evaluation starts from, is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.agents.config import FQIConfig
from core.agents.fqi import FittedQEvaluation
from core.agents.q_forest import Structure
from core.trajectories import Trajectories, Transitions, make_transitions

SHRINKAGE = 500.0  # pseudo-transitions that pull an action's leaf toward the value of the state


@dataclass(frozen=True, eq=False)
class StayCritic:
    """Evaluates policies on some stays of the trajectories, their positions."""

    trajectories: Trajectories
    stays: np.ndarray
    gamma: float
    n_trees: int
    seed: int

    def fitted(self, probs: np.ndarray) -> FittedQEvaluation:
        """Of a policy's probabilities at all stays of the trajectories (N, T, A)."""
        fit, here = self._unfitted(), self._transitions
        for _ in fit.fit(here, probs[here.patient, here.next_step], first=self._first):
            pass
        return fit

    @cached_property
    def _transitions(self) -> Transitions:
        return make_transitions(self.trajectories, self.stays)

    @cached_property
    def _first(self) -> Structure:
        return self._unfitted().first_structure(self._transitions)

    def _unfitted(self) -> FittedQEvaluation:
        settings = FQIConfig(
            estimator="extra_trees", n_trees=self.n_trees, shrinkage=SHRINKAGE, gamma=self.gamma, seed=self.seed
        )
        study = self.trajectories.study
        return FittedQEvaluation(settings, study.n_actions, study.names)
