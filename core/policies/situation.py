"""What a policy is asked about: recorded steps and simulated stays answer the same questions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from core.agents.config import AgentConfig


class Situation(Protocol):
    """Any number of decisions (...): the steps (N, T) of recorded stays, or n simulated stays at their current step.

    A actions, K phenotypes. A policy is a function of these arrays alone, so it is the same policy in both.
    """

    @property
    def agent_settings(self) -> AgentConfig:
        """Settings of the run's agents: their learning rule and temperature."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of the policies trained on all patients, where the run has some."""

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the policies from elsewhere that were added to the run, which are tables of its recorded steps."""

    def added_probs(self, name: str) -> np.ndarray:
        """Action probabilities of an added policy, (..., A); `RunError` where these are not the steps of its table."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(...)"""

    @property
    def n_actions(self) -> int: ...

    @property
    def behavior(self) -> np.ndarray:
        """Clinician policy, (..., A)."""

    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        """Distance of the representation that may decide to each centroid, (..., K)."""

    def experts(self, n_clusters: int, temperature: float) -> np.ndarray:
        """Policy of each phenotype's agent at a temperature, (..., K, A)."""

    def baseline_q(self, name: str) -> np.ndarray:
        """What a baseline's policy is the softmax of, (..., A); of the ablation without encoder (..., K, A)."""

    def baseline_spread(self, name: str) -> float | np.ndarray:
        """The unit of temperature of a baseline's policy: 1, or the spread of its advantages over training states; of
        the ablation without encoder (K, 1)."""

    def mean_distances(self, mode: str) -> np.ndarray:
        """Distance of the mean state to each of the ablation's centroids, (..., K)."""
