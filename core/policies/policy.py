"""A policy as one object: asked about a situation, it gives action probabilities, in whatever kind of stay.

`NamedPolicy(PolicyKey("fused", 3, 15.0, "prospective")).probs(situation)` is (N, T, A) where the situation is that of
recorded stays, and (n, A) where it is that of simulated stays at their current step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.agents.catalog import CATALOG
from core.agents.policy import action_probs
from core.base.errors import ArtifactError
from core.evaluation.policies import epsilon_soft, random_policy, zero_drug_policy
from core.fusion import fuse, fusion_weights
from core.fusion.dials import Dial
from core.policies.key import CLINICIAN, FUSED, NO_ENCODER, RANDOM, SINGLE_EXPERT, ZERO_DRUG, PolicyKey, Version
from core.policies.situation import Situation


class Policy(Protocol):
    """Anything that decides."""

    def probs(self, situation: Situation) -> np.ndarray:
        """Action probabilities (..., A)."""


@dataclass(frozen=True)
class NamedPolicy:
    """The policy of a key. version: in place of the one in its name, for settings that no name has.

    `ArtifactError` where the situation's run has no such policy.
    """

    key: PolicyKey
    version: Version | None = None

    def probs(self, situation: Situation) -> np.ndarray:
        """Action probabilities (..., A) of the base policy in this version of it."""
        version = self.version or self.key.version
        temperature = situation.agent_settings.temperature if version.temperature is None else version.temperature
        probs = self._base(situation, temperature)
        return probs if version.epsilon is None else epsilon_soft(probs, version.epsilon)

    def _base(self, situation: Situation, temperature: float) -> np.ndarray:
        key = self.key
        if key.base == CLINICIAN:
            return situation.behavior
        if key.base == RANDOM:
            return random_policy(situation.shape, situation.n_actions)
        if key.base == ZERO_DRUG:
            return zero_drug_policy(situation.shape, situation.n_actions)
        if key.expert is not None:
            return situation.experts(key.n_clusters, temperature)[..., key.expert, :]
        if key.base in situation.added:
            return situation.added_probs(key.base)
        if key.base in (FUSED, SINGLE_EXPERT):
            sharpness = np.inf if key.base == SINGLE_EXPERT else key.lambda_
            weights = fusion_weights(situation.distances(key.n_clusters, key.mode), sharpness)
            return fuse(weights, situation.experts(key.n_clusters, temperature))
        return self._baseline(situation, temperature)

    def _baseline(self, situation: Situation, temperature: float) -> np.ndarray:
        """Softmax of a baseline's Q; the ablation without encoder fuses those of its own agents."""
        key, name = self.key, self.key.base
        if name not in situation.baselines:
            raise ArtifactError(
                f"the run has no policy '{name}': it was made without that baseline, or before there were baselines; "
                "train it again."
            )
        q = situation.baseline_q(name)
        rule = CATALOG.get(situation.agent_settings.algorithm if name == NO_ENCODER else name.replace("-", "_"))
        unit = temperature * situation.baseline_spread(name)
        probs = rule.probs(q, unit) if rule else action_probs(q, unit)
        if name != NO_ENCODER:
            return probs
        if q.shape[-2] != key.n_clusters:
            raise ArtifactError(f"the run holds '{name}' at K = {q.shape[-2]} alone, not at K = {key.n_clusters}.")
        return fuse(fusion_weights(situation.mean_distances(key.mode), key.lambda_), probs)


@dataclass(frozen=True)
class DialedPolicy:
    """A policy part of the way from the clinicians' to itself: at one setting of a dial (see `core.fusion.dials`)."""

    policy: Policy
    dial: Dial
    setting: float

    def probs(self, situation: Situation) -> np.ndarray:
        """Action probabilities (..., A) float64."""
        return self.dial.mix(situation.behavior, self.policy.probs(situation), self.setting)
