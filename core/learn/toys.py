"""The toys of the Learn page. Wherever an idea is the engine's, the engine's own function computes it.

Attention alone is computed anew, on plain arrays: the engine's is written for tensors, whose library takes longer to
read than the whole lesson. A test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.agents.policy import action_probs
from core.base.rng import stream
from core.base.statistics import adjusted_rand, eta_squared
from core.base.types import OPEResult
from core.evaluation import phwis, policy_entropy, propensities
from core.fusion import between, fuse, fusion_weights
from core.phenotypes.stability import nearest

STEPS = 8
EXPERTS = np.array([[0.90, 0.08, 0.02], [0.25, 0.50, 0.25], [0.05, 0.25, 0.70]])  # no, low, high dose
CENTERS = np.array([[-1.0, -0.6], [1.0, -0.6], [0.0, 1.1]])


@dataclass(frozen=True, eq=False)
class AttentionToy:
    """One stay of T steps: value (T,) of a measurement, weight (T,) of each step in the whole stay, running (T,) the
    attention average of the steps so far, plain (T,) their plain average."""

    value: np.ndarray
    weight: np.ndarray
    running: np.ndarray
    plain: np.ndarray


def attention_toy(step: int, strength: float) -> AttentionToy:
    """Attention with a score of `strength` at one step (0-based) and 0 at the others."""
    value = np.array([4.0, 5.0, 9.0, 12.0, 11.0, 8.0, 6.0, 5.0])
    weight = action_probs(np.where(np.arange(STEPS) == step, strength, 0.0), 1.0)
    running = np.cumsum(weight * value) / np.cumsum(weight)
    plain = np.cumsum(value) / np.arange(1, STEPS + 1)
    return AttentionToy(value, weight, running, plain)


@dataclass(frozen=True, eq=False)
class ClusterToy:
    """KMeans after some iterations: points (n, 2), labels (n,), centers (K, 2), inertia (sum of squared distances to
    the own center), agreement with the hidden groups (adjusted Rand index) and eta^2 of the length of stay."""

    points: np.ndarray
    labels: np.ndarray
    centers: np.ndarray
    inertia: float
    agreement: float
    clock: float


def cluster_toy(n_clusters: int, iterations: int, clock: float, seed: int = 0) -> ClusterToy:
    """Lloyd's algorithm on 180 patients of three hidden groups.

    clock 0..1: how much of the horizontal axis is the length of stay instead of the group; at 1 the representation is
    a clock, and its clusters are stay lengths.
    """
    rng = stream(seed, "learn", "clusters")
    group = np.repeat(np.arange(3), 60)
    points = CENTERS[group] + rng.normal(0, 0.33, (len(group), 2))
    length = rng.integers(2, 17, len(group))
    stretched = (length - length.mean()) / length.std() * 1.6
    points = (1 - clock) * points + clock * np.column_stack([stretched, 0.25 * rng.normal(size=len(group))])
    centers = points[rng.choice(len(points), n_clusters, replace=False)]
    for _ in range(iterations):
        labels = nearest(points, centers)
        members = [points[labels == k] for k in range(n_clusters)]
        centers = np.stack([m.mean(axis=0) if len(m) else centers[k] for k, m in enumerate(members)])
    labels = nearest(points, centers)
    inertia = float(np.square(points - centers[labels]).sum())
    return ClusterToy(points, labels, centers, inertia, adjusted_rand(group, labels), eta_squared(length, labels))


@dataclass(frozen=True, eq=False)
class DuelingToy:
    """q (A,), policy (A,) = softmax(q / temperature), entropy relative to uniform dosing (0..1)."""

    q: np.ndarray
    policy: np.ndarray
    entropy: float


def dueling_toy(value: float, advantages: tuple[float, ...], temperature: float) -> DuelingToy:
    """Q = V + A - mean(A), and the softmax policy of it."""
    advantage = np.asarray(advantages, dtype=float)
    q = value + advantage - advantage.mean()
    policy = action_probs(q, temperature)
    return DuelingToy(q, policy, policy_entropy(policy[None]))


@dataclass(frozen=True, eq=False)
class FusionToy:
    """distances (3,), weights (3,) and the fused policy (A,) of a patient at a place on the map."""

    place: np.ndarray
    distances: np.ndarray
    weights: np.ndarray
    policy: np.ndarray


def fusion_toy(x: float, y: float, lambda_: float) -> FusionToy:
    """Three experts at fixed centers; the patient's place decides what each has to say."""
    place = np.array([x, y])
    distances = np.linalg.norm(CENTERS - place, axis=1)
    weights = fusion_weights(distances, lambda_)
    return FusionToy(place, distances, weights, fuse(weights, EXPERTS))


@dataclass(frozen=True, eq=False)
class WeightsToy:
    """What importance sampling does to n recorded stays of T steps.

    weights (n,) normalized, largest first; estimate by PHWIS with its interval and ESS; truth, the policy's exact
    value; expected_ess (T,) the share of stays that is left after 1..T steps, 1 / E[rho^2]^T; policy, the probability
    of the drug after the dial.
    """

    weights: np.ndarray
    estimate: OPEResult
    truth: float
    expected_ess: np.ndarray
    policy: float

    @property
    def used(self) -> np.ndarray:
        """(n,) share of the estimate that rests on the 1..n heaviest stays."""
        return np.cumsum(self.weights)


EFFECT, NOISE = 1.0, 1.0  # reward of a step with the drug, and the spread of every reward


def weights_toy(clinicians: float, wanted: float, deviation: float, steps: int, n: int, seed: int = 0) -> WeightsToy:
    """Clinicians give a drug with one probability, a policy would give it with another; every dose earns 1.

    deviation 0..1 mixes the two (see `core.fusion.between`). The exact value of the policy is steps times its
    probability of the drug, discount 1.
    """
    rng = stream(seed, "learn", "weights", steps, n)
    behavior = np.array([1 - clinicians, clinicians])
    policy = between(behavior, np.array([1 - wanted, wanted]), deviation)
    actions = (rng.random((n, steps)) < clinicians).astype(np.int64)
    rewards = EFFECT * actions + NOISE * rng.normal(size=(n, steps))
    mask = np.ones((n, steps), dtype=bool)
    chosen = propensities(np.broadcast_to(policy, (n, steps, 2)), actions)
    given = propensities(np.broadcast_to(behavior, (n, steps, 2)), actions)
    estimate = phwis(rewards, mask, chosen, given, 1.0, 300, stream(seed, "learn", "bootstrap"))
    log_ratio = np.log(chosen / given).sum(axis=1)
    weights = np.exp(log_ratio - log_ratio.max())
    growth = float((policy**2 / behavior).sum())  # E[rho^2] of one step under the clinicians
    left = growth ** -np.arange(1.0, steps + 1)
    return WeightsToy(-np.sort(-weights / weights.sum()), estimate, steps * EFFECT * float(policy[1]), left, policy[1])
