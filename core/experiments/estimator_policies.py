"""Policies of graded distance from the clinicians, for holding estimators against the truth.

Cheap to train and to roll out: phenotypes are K-means clusters of mean states (the published ablation without encoder),
told prospectively from the mean of the states so far; the agents are the run's own kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.agents import AgentStack, action_probs, train_agents
from core.agents.config import AgentConfig
from core.base.rng import derive_seed
from core.cohort import History
from core.evaluation import NeighborPolicy, epsilon_soft, random_policy, zero_drug_policy
from core.fusion import between, fuse, fusion_weights
from core.trajectories import Scaler, Trajectories, make_transitions

N_CLUSTERS = 3
LAMBDA = 4.0
DIAL = (0.25, 0.5)  # of the trust frontier: how far from the clinicians toward a policy
RIGHT, WRONG = (0, 2, 0), (3, 0, 3)  # doses by true phenotype: heparin where it helps, and where it harms
EPSILON = 0.1


@dataclass(frozen=True, eq=False)
class Seen:
    """What the lab's policies may look at, n steps: scaled states (n, D), their means so far (n, D), the clinicians'
    probabilities (n, A), and the hidden phenotype (n,), which only an oracle reads."""

    states: np.ndarray
    means: np.ndarray
    clinicians: np.ndarray
    phenotype: np.ndarray


Rule = Callable[[Seen], np.ndarray]


@dataclass(frozen=True)
class LabPolicy:
    """A policy under test; `rule` gives (n, A). `neighbors`: its clinicians are those estimated from the training stays
    (otherwise the true ones). `trained`: it depends on the cohort at hand, so that its true value does too."""

    name: str
    rule: Rule
    neighbors: bool = False
    trained: bool = False


def estimated_from(data: Trajectories, patients: np.ndarray) -> NeighborPolicy:
    """The clinicians' policy as estimated from these stays."""
    mask = data.mask[patients]
    weights = np.array([column.behavior_weight for column in data.study.columns])
    states, actions = data.states[patients][mask], data.actions[patients][mask]
    return NeighborPolicy(states, actions, data.study.n_actions, weights=weights)


def means_so_far(data: Trajectories) -> np.ndarray:
    """(N, T, D) mean of the states 0..t."""
    return np.cumsum(data.states, axis=1) / np.arange(1, data.states.shape[1] + 1)[:, None]


@dataclass(frozen=True, eq=False)
class FusedAgents:
    """One agent per cluster of mean states, fused by the distance of the mean so far to each center."""

    agents: AgentStack
    centers: np.ndarray  # (K, D)
    spread: float  # typical distance of a mean to its center: lambda is in its units

    def probs(self, states: np.ndarray) -> np.ndarray:
        """Each agent's policy, (n, K, A)."""
        return np.moveaxis(action_probs(self.agents.q_values(states)), 0, -2)

    def weights(self, means: np.ndarray, lambda_: float) -> np.ndarray:
        distances = np.linalg.norm(means[:, None] - self.centers, axis=-1) / self.spread
        return fusion_weights(distances, lambda_)

    def fused(self, states: np.ndarray, means: np.ndarray, lambda_: float = LAMBDA) -> np.ndarray:
        return fuse(self.weights(means, lambda_), self.probs(states))


def train_fused(data: Trajectories, patients: np.ndarray, seed: int, epochs: int) -> FusedAgents:
    """Clusters and agents of the training patients."""
    from sklearn.cluster import KMeans

    whole = means_so_far(data)[np.arange(data.n), data.lengths - 1]
    clusters = KMeans(N_CLUSTERS, n_init=3, random_state=derive_seed(seed, "lab", "clusters")).fit(whole[patients])
    label, transitions = clusters.predict(whole), make_transitions(data, patients)
    members = [np.flatnonzero(label[transitions.patient] == k) for k in range(N_CLUSTERS)]
    config = AgentConfig(epochs=epochs, batch_size=256, seed=seed)
    steps = train_agents(config, transitions, members, n_actions=data.study.n_actions, columns=data.study.names)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            spread = np.linalg.norm(whole[patients] - clusters.cluster_centers_[label[patients]], axis=1).mean()
            return FusedAgents(end.value, clusters.cluster_centers_, float(spread))


def lab_policies(fused: FusedAgents, n_actions: int) -> list[LabPolicy]:
    """All policies but the clinicians' own.

    Learned ones differ little in true value, so oracles that dose by the hidden phenotype, rightly or wrongly, are
    taken part of the way as well: they are near the clinicians and clearly better or worse.
    """

    def toward(target: Rule, a: float) -> Rule:
        return lambda seen: between(seen.clinicians, target(seen), a)

    def own(seen: Seen) -> np.ndarray:
        return fused.fused(seen.states, seen.means)

    def agent(k: int) -> Rule:
        return lambda seen: fused.probs(seen.states)[:, k]

    def greedy(seen: Seen) -> np.ndarray:
        return epsilon_soft(own(seen), EPSILON)

    def uniform(seen: Seen) -> np.ndarray:
        return random_policy((len(seen.states),), n_actions)

    def by_phenotype(doses: tuple[int, ...]) -> Rule:
        return lambda seen: epsilon_soft(np.eye(n_actions)[np.asarray(doses)[seen.phenotype]], EPSILON)

    policies = [LabPolicy(f"fused dial {a:g}", toward(own, a), neighbors=True, trained=True) for a in DIAL]
    for name, target in (("oracle", by_phenotype(RIGHT)), ("harm", by_phenotype(WRONG)), ("random", uniform)):
        policies += [LabPolicy(f"{name} dial {a:g}", toward(target, a)) for a in DIAL]
    policies += [LabPolicy("fused", own, trained=True), LabPolicy("fused greedy", greedy, trained=True)]
    policies += [LabPolicy(f"phenotype-{k}", agent(k), trained=True) for k in range(N_CLUSTERS)]
    zero = LabPolicy("zero-drug", lambda seen: zero_drug_policy((len(seen.states),), n_actions))
    return [*policies, zero, LabPolicy("random", uniform)]


def recorded_probs(policy: LabPolicy, data: Trajectories, clinicians: np.ndarray, phenotype: np.ndarray) -> np.ndarray:
    """The policy at every real step of recorded stays, (N, T, A), 0 on padding.

    clinicians (N, T, A), phenotype (N,).
    """
    probs, mask = np.zeros(clinicians.shape), data.mask
    seen = Seen(data.states[mask], means_so_far(data)[mask], clinicians[mask], phenotype[np.nonzero(mask)[0]])
    probs[mask] = policy.rule(seen)
    return probs


class Forward:
    """A policy as the simulator calls it: history so far -> action probabilities (n, A).

    `clinicians` gives their probabilities from the history and the scaled current states.
    """

    def __init__(
        self, policy: LabPolicy, scaler: Scaler, clinicians: Callable[[History, np.ndarray], np.ndarray]
    ) -> None:
        self.policy, self.scaler, self.clinicians = policy, scaler, clinicians

    def __call__(self, history: History) -> np.ndarray:
        states = self.scaler.scale(history.state)
        means = self.scaler.scale(history.states.mean(axis=1, dtype=np.float64))
        return self.policy.rule(Seen(states, means, self.clinicians(history, states), history.phenotype))
