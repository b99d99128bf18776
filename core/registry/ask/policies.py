"""The policies that are compared, as choices among the combinations of one decision.

dqn            the combination of highest Q
dqn-screened   the same among the combinations that the screening network finds likely
random-forest  the combination of highest reward predicted by the forest
most-frequent  one size fits all: what was given most often to training patients with what the decision treats, and to
               those without (which is no drug); to all of them where it treats nothing in particular
observed       what the experts do: the screening network's calibrated probabilities

All but the observed treatment are certain of one combination in hundreds, and such a policy agrees with hardly any
recorded course to its end. On the way from the experts to a policy (the trust frontier, `core.registry.ask.frontier`)
each is therefore taken in a softened form, which keeps its order of the combinations:

    dqn            softmax(Q / T) over all combinations
    dqn-screened   softmax(Q / T) over the screened ones
    random-forest  softmax(predicted reward / T)
    most-frequent  the shares in which the combinations were given to training patients with, or without, the disease

T is half the smallest difference between two rewards (`reward_tolerance`): combinations that differ by less can hardly
be told apart, and differ by a factor below e.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.fusion.dials import Dial
from core.registry.ask.compared import GREEDY, OBSERVED, Screen
from core.registry.ask.recommend import screened_q
from core.registry.cohort.decisions import StateEncoder
from core.registry.cohort.drugs import Combinations
from core.registry.fit.forest import RewardForest
from core.registry.fit.inputs import Inputs
from core.registry.fit.layers import Layers
from core.registry.fit.screening import Screening, softmax
from core.registry.simulate import DecisionState, draw_combinations


@dataclass(frozen=True, eq=False)
class TreatmentModels:
    """Everything learned about one treatment decision.

    forest: read when first asked for. shares (2, A): of each combination among training decisions without and with the
    indicator that it treats (treats; "" where it treats none: all are without); temperature: T of the softened
    policies.
    """

    catalog: Combinations
    inputs: Inputs
    screening: Screening
    q_network: Layers
    read_forest: Callable[[], RewardForest]
    shares: np.ndarray
    treats: str
    temperature: float

    @cached_property
    def forest(self) -> RewardForest:
        return self.read_forest()

    def q(self, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """Q of every combination: states (n, D), stage indices (n,) -> (n, A) float32."""
        return self.q_network.predict(self.inputs.transform(states, stage))

    def expert_probs(self, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """(n, A) calibrated probability that experts choose each combination."""
        return self.screening.probs(self.inputs.transform(states, stage))

    def scores(self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen) -> np.ndarray:
        """(n, A) what a policy other than `observed` ranks the combinations by; -inf for those it never gives."""
        if policy == "dqn":
            return self.q(states, stage)
        if policy == "dqn-screened":
            return screened_q(self.q(states, stage), self.expert_probs(states, stage), screen.n, screen.threshold)
        if policy == "random-forest":
            return self.forest.predict(self.inputs.transform(states, stage), self.catalog.matrix)
        if policy == "most-frequent":
            return np.asarray(self.shares[self.has_treated(states).astype(int)])
        raise ValueError(f"policy '{policy}' recommends nothing; choose one of {', '.join(GREEDY)}.")

    def has_treated(self, states: np.ndarray) -> np.ndarray:
        """(n,) bool: the states (n, D) have what the decision treats."""
        return has_indicator(states, self.inputs.columns, self.treats)

    def choices(self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen) -> np.ndarray:
        """(n,) combination that a policy other than `observed` recommends."""
        return np.asarray(self.scores(policy, states, stage, screen).argmax(axis=1))

    def probs(self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen) -> np.ndarray:
        """(n, A) float32 probability of each combination: 1 for what a policy recommends; the experts' own."""
        if policy == OBSERVED:
            return self.expert_probs(states, stage)
        chosen = np.zeros((len(states), len(self.catalog)), dtype=np.float32)
        chosen[np.arange(len(states)), self.choices(policy, states, stage, screen)] = 1
        return chosen

    def soft_probs(self, policy: str, states: np.ndarray, stage: np.ndarray, screen: Screen) -> np.ndarray:
        """(n, A) float32 the softened form of a policy other than `observed`; see the module."""
        scores = self.scores(policy, states, stage, screen)
        return scores if policy == "most-frequent" else softmax(scores, self.temperature)


def has_indicator(states: np.ndarray, names: tuple[str, ...], indicator: str) -> np.ndarray:
    """(n,) bool: the indicator holds in states (n, D) with these columns; nowhere where it is ""."""
    return states[:, names.index(indicator)] > 0 if indicator else np.zeros(len(states), dtype=bool)


def usual_shares(catalog: Combinations, drugs: np.ndarray, ill: np.ndarray) -> np.ndarray:
    """(2, A) float32 shares of the combinations among decisions (n, n_drugs) without and with the disease, (n,) bool;
    the catalog's first for sure where there is no such decision."""
    actions = catalog.encode(drugs)
    counts = [np.bincount(actions[(ill == flag) & (actions >= 0)], minlength=len(catalog)) for flag in (False, True)]
    first = np.arange(len(catalog)) == 0
    return np.stack([count / count.sum() if count.any() else first for count in counts]).astype(np.float32)


class SimulatedPolicy:
    """A policy as the simulator asks it: what is known of the patients -> drugs (n, n_drugs)."""

    def __init__(self, models: TreatmentModels, encoder: StateEncoder, policy: str, screen: Screen) -> None:
        self.models, self.encoder, self.policy, self.screen = models, encoder, policy, screen

    def __call__(self, state: DecisionState) -> np.ndarray:
        return self.act(self.encoder.transform(state.frame), np.full(len(state), state.stage), state.uniform)

    def act(self, states: np.ndarray, stage: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Drugs for states (n, D) at stage indices (n,); uniform (n,) for policies that leave it to chance."""
        return self.models.catalog.decode(self.models.choices(self.policy, states, stage, self.screen))


class DialedPolicy(SimulatedPolicy):
    """A softened policy at one setting of a dial from the experts, as the screening network predicts them."""

    def __init__(
        self,
        models: TreatmentModels,
        encoder: StateEncoder,
        policy: str,
        screen: Screen,
        dial: Dial,
        setting: float,
    ) -> None:
        super().__init__(models, encoder, policy, screen)
        self.dial, self.setting = dial, setting

    def act(self, states: np.ndarray, stage: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        soft = self.models.soft_probs(self.policy, states, stage, self.screen)
        probs = self.dial.mix(self.models.expert_probs(states, stage), soft, self.setting)
        return draw_combinations(self.models.catalog, probs, uniform)
