"""Stays as a trained run sees them: the arrays from which policies and values are made, stored or computed.

`RunView` reads them from a run folder for the run's own cohort; `core.icu.foreign.ForeignStays` computes them for
another cohort. Everything that compares policies works on this one interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig
from core.base.errors import ArtifactError, RunError
from core.base.remembered import remembered
from core.fusion import fusion_weights
from core.icu.config import RunConfig
from core.policies.key import FOREST, NO_ENCODER, PolicyKey
from core.policies.policy import NamedPolicy
from core.trajectories import Trajectories


class Stays(ABC):
    """N stays under one run's encoder, phenotypes, agents, clinician policy and value estimates.

    The recorded steps (N, T) are a `core.policies.Situation`.
    """

    config: RunConfig
    trajectories: Trajectories
    baselines: tuple[str, ...] = ()  # names of the policies trained on all patients, where the run has some
    added: tuple[str, ...] = ()  # names of the policies from elsewhere that were added to the run

    @abstractmethod
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        """Distance of each step's representation to each centroid, (N, T, K); retrospective: the same at every step."""

    @abstractmethod
    def agent_q(self, n_clusters: int) -> np.ndarray:
        """Q of each phenotype's agent, (N, T, K, A)."""

    @property
    @abstractmethod
    def behavior(self) -> np.ndarray:
        """Clinician policy, (N, T, A)."""

    @property
    @abstractmethod
    def fqi_q(self) -> np.ndarray:
        """Q* by fitted Q iteration, (N, T, A)."""

    @property
    @abstractmethod
    def persons(self) -> np.ndarray:
        """(N,) key of each stay's person: intervals resample persons."""

    @property
    @abstractmethod
    def evaluated(self) -> Sequence[PolicyKey]:
        """Policies of `fqe_stack`, see `core.policies.families.evaluated_keys`."""

    @property
    @abstractmethod
    def fqe_stack(self) -> np.ndarray:
        """Q of each evaluated policy by fitted Q evaluation, (P, N, T, A)."""

    @abstractmethod
    def expert_spreads(self, n_clusters: int) -> np.ndarray:
        """Unit of temperature of each phenotype's agent, (K, 1), see `core.icu.spreads`."""

    @abstractmethod
    def baseline_spread(self, name: str) -> float | np.ndarray:
        """The same of a baseline; of the ablation without encoder (K, 1)."""

    def trained_q(self, name: str) -> np.ndarray:
        """Q of a baseline that was trained on its own, (N, T, A); of the ablation without encoder (N, T, K, A)."""
        raise ArtifactError(f"these stays have no policy '{name}'.")

    def mean_distances(self, mode: str) -> np.ndarray:
        """Distance of the mean state to each of the ablation's centroids, (N, T, K), as `distances`."""
        raise ArtifactError(f"these stays have no policy '{NO_ENCODER}'.")

    def added_probs(self, name: str) -> np.ndarray:
        """Action probabilities of an added policy, (N, T, A); `RunError` for stays other than the run's own."""
        raise unknown_there(name)

    def added_q(self, name: str) -> np.ndarray:
        """Q of an added policy by fitted Q evaluation, (N, T, A); `RunError` for stays other than the run's own."""
        raise unknown_there(name)

    def only(self, patients: np.ndarray) -> Stays:
        """The stays of these patients alone."""
        return _Some(self, patients)

    def probs(self, key: PolicyKey) -> np.ndarray:
        """Action probabilities (N, T, A) of a policy; `ArtifactError` for one that the run does not have."""
        return NamedPolicy(key).probs(self)

    def weights(self, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """Fusion weights (N, T, K); lambda_ = inf is the single expert."""
        return fusion_weights(self.distances(n_clusters, mode), lambda_)

    def agent_probs(self, n_clusters: int) -> np.ndarray:
        """Policy of each phenotype's agent, softmax of its Q at the run's temperature, (N, T, K, A)."""
        return self._agents_at(n_clusters, self.config.agents.temperature)

    def _agents_at(self, n_clusters: int, temperature: float) -> np.ndarray:
        unit = temperature * self.expert_spreads(n_clusters)
        return CATALOG[self.config.agents.algorithm].probs(self.agent_q(n_clusters), unit)

    # What a policy asks of a situation, besides the above

    @property
    def agent_settings(self) -> AgentConfig:
        return self.config.agents

    @property
    def shape(self) -> tuple[int, ...]:
        return self.behavior.shape[:-1]

    @property
    def n_actions(self) -> int:
        return int(self.behavior.shape[-1])

    def experts(self, n_clusters: int, temperature: float) -> np.ndarray:
        """`agent_probs`, or the same at another temperature, which is not remembered."""
        if temperature == self.config.agents.temperature:
            return self.agent_probs(n_clusters)
        return self._agents_at(n_clusters, temperature)

    def baseline_q(self, name: str) -> np.ndarray:
        """What a baseline's policy is the softmax of: its own Q, or the run's Q* for the forest's policy."""
        return self.fqi_q if name == FOREST else self.trained_q(name)


class _Some(Stays):
    """Some patients of other stays; what depends on K is cut out once and remembered."""

    def __init__(self, whole: Stays, patients: np.ndarray) -> None:
        self.whole, self.patients, self.config = whole, patients, whole.config
        self.trajectories = whole.trajectories.subset(patients)

    @remembered(2)
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        return np.asarray(self.whole.distances(n_clusters, mode)[self.patients])

    @remembered(1)
    def agent_q(self, n_clusters: int) -> np.ndarray:
        return np.asarray(self.whole.agent_q(n_clusters)[self.patients])

    @remembered(1)
    def agent_probs(self, n_clusters: int) -> np.ndarray:
        return super().agent_probs(n_clusters)

    @property
    def baselines(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.whole.baselines

    @property
    def added(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.whole.added

    @remembered(2)
    def added_probs(self, name: str) -> np.ndarray:
        return np.asarray(self.whole.added_probs(name)[self.patients])

    @remembered(1)
    def added_q(self, name: str) -> np.ndarray:
        return np.asarray(self.whole.added_q(name)[self.patients])

    def expert_spreads(self, n_clusters: int) -> np.ndarray:
        return self.whole.expert_spreads(n_clusters)

    def baseline_spread(self, name: str) -> float | np.ndarray:
        return self.whole.baseline_spread(name)

    @remembered(1)
    def trained_q(self, name: str) -> np.ndarray:
        return np.asarray(self.whole.trained_q(name)[self.patients])

    @remembered(2)
    def mean_distances(self, mode: str) -> np.ndarray:
        return np.asarray(self.whole.mean_distances(mode)[self.patients])

    @cached_property
    def behavior(self) -> np.ndarray:
        return np.asarray(self.whole.behavior[self.patients])

    @cached_property
    def fqi_q(self) -> np.ndarray:
        return np.asarray(self.whole.fqi_q[self.patients])

    @property
    def persons(self) -> np.ndarray:
        return np.asarray(self.whole.persons[self.patients])

    @property
    def evaluated(self) -> Sequence[PolicyKey]:
        return self.whole.evaluated

    @cached_property
    def fqe_stack(self) -> np.ndarray:
        return np.asarray(self.whole.fqe_stack[:, self.patients])


class Beside(_Some):
    """Some stays, and on them one more policy than their run holds: probs and q (n, T, A)."""

    def __init__(self, whole: Stays, patients: np.ndarray, name: str, probs: np.ndarray, q: np.ndarray) -> None:
        super().__init__(whole, patients)
        self.name, self._probs, self._q = name, probs, q

    @property
    def added(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    def added_probs(self, name: str) -> np.ndarray:
        return self._probs

    def added_q(self, name: str) -> np.ndarray:
        return self._q


def unknown_there(name: str) -> RunError:
    """Why a table of probabilities says nothing beyond its own steps."""
    return RunError(
        f"policy '{name}' was added as a table of the run's recorded steps; what it would do at any other step nobody "
        "can ask it. Judge it on another cohort with a table of that cohort (`judge`)."
    )


def decision_distances(distances: np.ndarray, sees_current_action: bool) -> np.ndarray:
    """Distances that may be used to decide at step t, (N, T, K) -> (N, T, K).

    An encoder that reads the action given at t cannot serve the choice at t: the representation of the steps before is
    taken, and at the first step, where there is none, all phenotypes are equally far.
    """
    if not sees_current_action:
        return distances
    usable = np.zeros_like(distances)
    usable[:, 1:] = distances[:, :-1]
    return usable
