"""Stays as a trained run sees them: the arrays from which policies and values are made, stored or computed.

`RunView` reads them from a run folder for the run's own cohort; `core.icu.foreign.ForeignStays` computes them for
another cohort. Everything that compares policies works on this one interface.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig
from core.agents.policy import action_probs
from core.base.errors import ArtifactError, ConfigError
from core.base.remembered import remembered
from core.evaluation import epsilon_soft, random_policy, zero_drug_policy
from core.fusion import fuse, fusion_weights
from core.icu.config import FOREST, NO_ENCODER, RunConfig
from core.trajectories import Trajectories

BASELINES = ("clinician", "random", "zero-drug")
MODES = ("prospective", "retrospective")
VERSIONS = {"greedy": 0.0, "soft": 0.1}  # "fused:soft": this share spread over all actions, the rest on the top one
TEMPERATURE = re.compile(r"t(\d+(\.\d+)?)")  # "fused:t0.2": at this temperature instead of the run's


@dataclass(frozen=True)
class PolicyKey:
    """Which policy: its name and what it depends on (K = 0 for baselines; lambda_ = inf is the single expert)."""

    policy: str
    n_clusters: int = 0
    mode: str = ""
    lambda_: float = np.nan

    @property
    def text(self) -> str:
        """One string per policy (a NaN does not equal itself, so keys are compared by this)."""
        return f"{self.policy} {self.n_clusters} {self.mode} {self.lambda_:g}"


def policy_key(policy: str, n_clusters: int, lambda_: float, mode: str) -> PolicyKey:
    """The key of a policy as the sliders name it: what it does not depend on is left out."""
    base, version = split_version(policy)
    if base == "fused" and not version and np.isinf(lambda_):  # the same policy, which has a critic and a truth
        base = policy = "single-expert"
    if base in ("fused", NO_ENCODER):
        return PolicyKey(policy, n_clusters, mode, float(lambda_))
    if base == "single-expert":
        return PolicyKey(policy, n_clusters, mode, np.inf)
    return PolicyKey(policy, n_clusters if base.startswith("phenotype-") else 0)


def split_version(policy: str) -> tuple[str, str]:
    """ "fused:greedy" -> ("fused", "greedy"); without a version ("fused", ""). `ConfigError` for an unknown one."""
    base, _, version = policy.partition(":")
    if version and version not in VERSIONS and not TEMPERATURE.fullmatch(version):
        raise ConfigError(
            f"policy '{policy}' is not known: versions are {', '.join(VERSIONS)}, or t and a temperature."
        )
    return base, version


def in_version(probs: np.ndarray, version: str) -> np.ndarray:
    """A policy (..., A), or its greedy or epsilon-soft version."""
    return epsilon_soft(probs, VERSIONS[version]) if version in VERSIONS else probs


def at_temperature(agents: AgentConfig, version: str) -> AgentConfig:
    """The agents' settings, with the temperature of a version that names one ("t0.2")."""
    named = TEMPERATURE.fullmatch(version)
    return agents.model_copy(update={"temperature": float(named[1])}) if named else agents


def baseline_policy(name: str, q: np.ndarray, agents: AgentConfig) -> np.ndarray:
    """Policy of a baseline from its Q, (..., A) -> (..., A), at the run's temperature; of the ablation without encoder
    that of each of its agents."""
    rule = CATALOG.get(agents.algorithm if name == NO_ENCODER else name.replace("-", "_"))
    return rule.probs(q, agents.temperature) if rule else action_probs(q, agents.temperature)


def baseline_keys(names: Sequence[str], n_clusters: int, lambda_: float, modes: Sequence[str]) -> list[PolicyKey]:
    """Keys of a run's baselines; the ablation without encoder is fused at K and lambda, in each mode."""
    keys = [PolicyKey(name) for name in names if name != NO_ENCODER]
    return keys + [PolicyKey(NO_ENCODER, n_clusters, mode, lambda_) for mode in modes if NO_ENCODER in names]


def evaluated_policies(
    config: RunConfig, k_values: Sequence[int], n_clusters: int, baselines: Sequence[str] = ()
) -> list[PolicyKey]:
    """Policies whose Q a run evaluates, in the order it stores them: the simple ones, the phenotype policies of every
    K, at the run's own K the single expert and the fused policy at its own lambda in both modes, and the baselines."""
    keys = [PolicyKey(name) for name in BASELINES]
    keys += [PolicyKey(f"phenotype-{index}", k) for k in k_values for index in range(k)]
    for mode in MODES:
        keys.append(PolicyKey("fused", n_clusters, mode, config.fusion.lambda_))
        keys.append(PolicyKey("single-expert", n_clusters, mode, np.inf))
    return keys + baseline_keys(baselines, n_clusters, config.fusion.lambda_, MODES)


class Stays(ABC):
    """N stays under one run's encoder, phenotypes, agents, clinician policy and value estimates."""

    config: RunConfig
    trajectories: Trajectories
    baselines: tuple[str, ...] = ()  # names of the policies trained on all patients, where the run has some

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
        """Policies of `fqe_stack`, see `evaluated_policies`."""

    @property
    @abstractmethod
    def fqe_stack(self) -> np.ndarray:
        """Q of each evaluated policy by fitted Q evaluation, (P, N, T, A)."""

    def baseline_q(self, name: str) -> np.ndarray:
        """What a baseline's policy is the softmax of, (N, T, A); of the ablation without encoder (N, T, K, A)."""
        raise ArtifactError(f"these stays have no policy '{name}'.")

    def mean_distances(self, mode: str) -> np.ndarray:
        """Distance of the mean state to each of the ablation's centroids, (N, T, K), as `distances`."""
        raise ArtifactError(f"these stays have no policy '{NO_ENCODER}'.")

    def only(self, patients: np.ndarray) -> Stays:
        """The stays of these patients alone."""
        return _Some(self, patients)

    def weights(self, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """Fusion weights (N, T, K); lambda_ = inf is the single expert."""
        return fusion_weights(self.distances(n_clusters, mode), lambda_)

    def agent_probs(self, n_clusters: int) -> np.ndarray:
        """Policy of each phenotype's agent, softmax of its Q at the run's temperature, (N, T, K, A)."""
        agents = self.config.agents
        return CATALOG[agents.algorithm].probs(self.agent_q(n_clusters), agents.temperature)

    def _experts(self, n_clusters: int, agents: AgentConfig) -> np.ndarray:
        """`agent_probs`, or the same at another temperature, which is not remembered."""
        if agents is self.config.agents:
            return self.agent_probs(n_clusters)
        return CATALOG[agents.algorithm].probs(self.agent_q(n_clusters), agents.temperature)

    def fused_probs(self, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """pi = sum_k w_k pi_k, (N, T, A)."""
        return fuse(self.weights(n_clusters, lambda_, mode), self.agent_probs(n_clusters))

    def policy_probs(self, policy: str, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """Action probabilities (N, T, A) of a policy by its name, or of a version of it ("fused:greedy", see
        `VERSIONS`); `ArtifactError` for one that the run does not have."""
        base, version = split_version(policy)
        agents = at_temperature(self.config.agents, version)
        return in_version(self._probs(base, n_clusters, lambda_, mode, agents), version)

    def _probs(self, policy: str, n_clusters: int, lambda_: float, mode: str, agents: AgentConfig) -> np.ndarray:
        shape = self.behavior.shape
        if policy == "clinician":
            return self.behavior
        if policy == "random":
            return random_policy(shape[:-1], shape[-1])
        if policy == "zero-drug":
            return zero_drug_policy(shape[:-1], shape[-1])
        if policy in ("fused", "single-expert"):
            sharpness = np.inf if policy == "single-expert" else lambda_
            return fuse(self.weights(n_clusters, sharpness, mode), self._experts(n_clusters, agents))
        if policy.startswith("phenotype-"):
            return self._experts(n_clusters, agents)[:, :, phenotype_of(policy)]
        return self._baseline_probs(policy, n_clusters, lambda_, mode, agents)

    def _baseline_probs(self, name: str, n_clusters: int, lambda_: float, mode: str, agents: AgentConfig) -> np.ndarray:
        if name not in self.baselines:
            raise ArtifactError(
                f"the run has no policy '{name}': it was made without that baseline, or before there were baselines; "
                "train it again."
            )
        q = self.fqi_q if name == FOREST else self.baseline_q(name)
        probs = baseline_policy(name, q, agents)
        if name != NO_ENCODER:
            return probs
        if q.shape[-2] != n_clusters:
            raise ArtifactError(f"the run holds '{name}' at K = {q.shape[-2]} alone, not at K = {n_clusters}.")
        return fuse(fusion_weights(self.mean_distances(mode), lambda_), probs)

    def has_fqe(self, key: PolicyKey) -> bool:
        """True where the Q of this very policy was evaluated."""
        return key.text in self._places

    def fqe_q(self, policy: str, n_clusters: int = 0, lambda_: float = np.nan, mode: str = "") -> np.ndarray:
        """Q of a policy by fitted Q evaluation, (N, T, A); `ArtifactError` for one that was not evaluated."""
        key = policy_key(policy, n_clusters, lambda_, mode)
        if not self.has_fqe(key):
            raise ArtifactError(f"the run holds no fitted Q evaluation of '{policy}' at K = {n_clusters}.")
        return self.fqe_stack[self._places[key.text]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key.text: place for place, key in enumerate(self.evaluated)}

    def critic(self, policy: str, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """Q (N, T, A) for a policy: its own fitted Q evaluation; for other fused policies sum_k w_k Q^{pi_k}; for a
        version of a policy that of the policy."""
        policy, _ = split_version(policy)
        if policy == NO_ENCODER:
            lambda_ = self.config.fusion.lambda_
        if self.has_fqe(policy_key(policy, n_clusters, lambda_, mode)):
            return self.fqe_q(policy, n_clusters, lambda_, mode)
        weights = self.weights(n_clusters, np.inf if policy == "single-expert" else lambda_, mode)
        experts = [self.fqe_q(f"phenotype-{k}", n_clusters) for k in range(n_clusters)]
        return sum(weights[..., k, None] * q for k, q in enumerate(experts))

    def control_variate(self, policy: str, n_clusters: int, lambda_: float, mode: str) -> np.ndarray:
        """Q (N, T, A) in PHWDR. Doubly robust estimates stay consistent under any Q while the propensities hold, so the
        mixed critic, which costs nothing per lambda, serves as well as an own one; the source takes Q*."""
        if self.config.evaluation.control_variate == "fqi":
            return self.fqi_q
        return self.critic(policy, n_clusters, lambda_, mode)


class _Some(Stays):
    """Some patients of other stays; what depends on K is cut out once and remembered."""

    def __init__(self, whole: Stays, patients: np.ndarray) -> None:
        self.whole, self.patients, self.config = whole, patients, whole.config
        self.trajectories = whole.trajectories.subset(patients)

    @remembered(2)
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        return self.whole.distances(n_clusters, mode)[self.patients]

    @remembered(1)
    def agent_q(self, n_clusters: int) -> np.ndarray:
        return np.asarray(self.whole.agent_q(n_clusters)[self.patients])

    @remembered(1)
    def agent_probs(self, n_clusters: int) -> np.ndarray:
        return super().agent_probs(n_clusters)

    @property
    def baselines(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.whole.baselines

    @remembered(1)
    def baseline_q(self, name: str) -> np.ndarray:
        return np.asarray(self.whole.baseline_q(name)[self.patients])

    @remembered(2)
    def mean_distances(self, mode: str) -> np.ndarray:
        return self.whole.mean_distances(mode)[self.patients]

    @cached_property
    def behavior(self) -> np.ndarray:
        return np.asarray(self.whole.behavior[self.patients])

    @cached_property
    def fqi_q(self) -> np.ndarray:
        return np.asarray(self.whole.fqi_q[self.patients])

    @property
    def persons(self) -> np.ndarray:
        return self.whole.persons[self.patients]

    @property
    def evaluated(self) -> Sequence[PolicyKey]:
        return self.whole.evaluated

    @cached_property
    def fqe_stack(self) -> np.ndarray:
        return np.asarray(self.whole.fqe_stack[:, self.patients])


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


def phenotype_of(policy: str) -> int:
    """3 for "phenotype-3"."""
    return int(policy.removeprefix("phenotype-"))
