"""The policies that are compared, as choices among the combinations of one decision.

dqn            the combination of highest Q
dqn-screened   the same among the combinations that the screening network finds likely
random-forest  the combination of highest reward predicted by the forest
most-frequent  one size fits all: what was given most often to training patients with the disease that the decision
               treats, and to those without (which is no drug)
observed       what the experts do: the screening network's calibrated probabilities

A -mixed policy follows its recommendation in a small share of the decisions (`follow_share`) and the experts, as the
screening network predicts them, in the others. It exists for off-policy estimates: a policy that is certain of one
combination in 283 agrees with hardly any recorded course to the end, one that mostly follows the experts overlaps with
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import nn

from core.registry.decisions import StateEncoder
from core.registry.drugs import Combinations
from core.registry.forest import RewardForest
from core.registry.inputs import Inputs
from core.registry.networks import predict
from core.registry.recommend import recommended
from core.registry.screening import Screening
from core.registry.simulate import DecisionState, draw_combinations

OBSERVED = "observed"
GREEDY = ("dqn", "dqn-screened", "random-forest", "most-frequent")
POLICIES = (*GREEDY, OBSERVED)
MIXED = "-mixed"
MIXED_POLICIES = tuple(f"{name}{MIXED}" for name in GREEDY)
DISEASE = {"acute": "acute_gvhd", "chronic": "chronic_gvhd"}  # decisions with Q-networks, and what they treat
TITLES = {
    "dqn": "DQN",
    "dqn-screened": "DQN, screened",
    "random-forest": "Random forest",
    "most-frequent": "One size fits all",
    "observed": "Observed",
    "dqn-mixed": "Experts with some DQN",
    "dqn-screened-mixed": "Experts with some screened DQN",
    "random-forest-mixed": "Experts with some random forest",
    "most-frequent-mixed": "Experts with some one size fits all",
    "baseline": "All other combinations",
}


@dataclass(frozen=True)
class Screen:
    """Which combinations may be recommended: among the n likeliest, with at least this probability."""

    n: int
    threshold: float


@dataclass(frozen=True, eq=False)
class TreatmentModels:
    """Everything learned about one treatment decision. usual: the most frequent action without and with its disease."""

    catalog: Combinations
    inputs: Inputs
    screening: Screening
    q_network: nn.Sequential
    forest: RewardForest
    usual: tuple[int, int]
    disease: str

    def q(self, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """Q of every combination: states (n, D), stage indices (n,) -> (n, A) float32."""
        return predict(self.q_network, self.inputs.transform(states, stage))

    def expert_probs(self, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """(n, A) calibrated probability that experts choose each combination."""
        return self.screening.probs(self.inputs.transform(states, stage))

    def choices(self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen) -> np.ndarray:
        """(n,) combination that a policy other than `observed` recommends."""
        policy = policy.removesuffix(MIXED)
        if policy == "dqn":
            return self.q(states, stage).argmax(axis=1)
        if policy == "dqn-screened":
            return recommended(self.q(states, stage), self.expert_probs(states, stage), screen.n, screen.threshold)
        if policy == "random-forest":
            return self.forest.predict(self.inputs.transform(states, stage), self.catalog.matrix).argmax(axis=1)
        if policy == "most-frequent":
            ill = states[:, self.inputs.columns.index(self.disease)] > 0
            return np.where(ill, self.usual[1], self.usual[0])
        raise ValueError(f"policy '{policy}' recommends nothing; choose one of {', '.join(GREEDY)}.")

    def probs(
        self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen, follow_share: float
    ) -> np.ndarray:
        """(n, A) float32 probability of each combination under any policy."""
        return self.many_probs((policy,), states, stage, screen, follow_share)[policy]

    def many_probs(
        self, policies: Iterable[str], states: np.ndarray, stage: np.ndarray, screen: Screen, follow_share: float
    ) -> dict[str, np.ndarray]:
        """`probs` of several policies; what they share is computed once."""
        expert, share = self.expert_probs(states, stage), np.float32(follow_share)
        chosen: dict[str, np.ndarray] = {}
        found = {}
        for policy in policies:
            name = policy.removesuffix(MIXED)
            if name != OBSERVED and name not in chosen:
                chosen[name] = np.zeros_like(expert)
                chosen[name][np.arange(len(states)), self.choices(name, states, stage, screen)] = 1
            if name == OBSERVED:
                found[policy] = expert
            else:
                found[policy] = share * chosen[name] + (1 - share) * expert if policy != name else chosen[name]
        return found


def usual_actions(catalog: Combinations, drugs: np.ndarray, ill: np.ndarray) -> tuple[int, int]:
    """Most frequent action of decisions (n, n_drugs) without and with the disease (n,) bool; the catalog's first where
    there is no such decision."""
    actions = catalog.encode(drugs)
    counts = [np.bincount(actions[(ill == flag) & (actions >= 0)], minlength=len(catalog)) for flag in (False, True)]
    return int(counts[0].argmax()), int(counts[1].argmax())


class SimulatedPolicy:
    """A policy as the simulator asks it: what is known of the patients -> drugs (n, n_drugs)."""

    def __init__(
        self, models: TreatmentModels, encoder: StateEncoder, policy: str, screen: Screen, follow_share: float
    ) -> None:
        self.models, self.encoder, self.policy = models, encoder, policy
        self.screen, self.follow_share = screen, follow_share

    def __call__(self, state: DecisionState) -> np.ndarray:
        states, stage = self.encoder.transform(state.frame), np.full(len(state), state.stage)
        if self.policy.endswith(MIXED):
            probs = self.models.probs(self.policy, states, stage, self.screen, self.follow_share)
            return draw_combinations(self.models.catalog, probs, state.uniform)
        return self.models.catalog.decode(self.models.choices(self.policy, states, stage, self.screen))
