"""True values of policies of drug sets from elsewhere: those that can act, rolled out in the registry's simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.bring.judgment import JudgeConfig, TrueGain
from core.bring.sets import Asked, BroughtSets, told
from core.fusion.dials import TRUTH_COLUMNS, Dial
from core.registry.ask.compared import DIALS
from core.registry.ask.frontier import known_settings
from core.registry.ask.own import beside_known
from core.registry.ask.true_values import TRUE_DIFFERENCE
from core.registry.cohort.choices import SetChoices
from core.registry.simulate import DecisionState, Policy, draw_combinations, registry_truth
from core.registry.simulate.truth import RegistryValue, Returns
from core.registry.spec import RegistrySpec
from core.registry.view import RegistryView


class RulePolicy:
    """A policy that answers for any patient, as the simulator asks it about one decision."""

    def __init__(self, policy: BroughtSets, spec: RegistrySpec, decision: str) -> None:
        self.policy, self.spec, self.decision = policy, spec, decision

    def chosen(self, state: DecisionState) -> SetChoices:
        """Its choices for the patients of a state, as points 0 .. n - 1."""
        assert self.policy.rule is not None
        day = self.spec.stages[state.stage].day
        return self.policy.rule(self.decision, told(self.spec, state.frame.assign(stage=day)))

    def __call__(self, state: DecisionState) -> np.ndarray:
        chosen = self.chosen(state)
        return draw_combinations(chosen.catalog, chosen.probs(np.arange(len(state))), state.uniform)


class DialedRule(RulePolicy):
    """The same at one setting of a dial from the experts, as a run's screening network predicts them."""

    def __init__(self, policy: BroughtSets, view: RegistryView, decision: str, dial: Dial, setting: float) -> None:
        super().__init__(policy, view.spec, decision)
        self.view, self.dial, self.setting = view, dial, setting

    def __call__(self, state: DecisionState) -> np.ndarray:
        chosen, models = self.chosen(state), self.view.models(self.decision)
        states = self.view.encoder.transform(state.frame)
        experts = models.expert_probs(states, np.full(len(state), state.stage))
        probs = chosen.probs(np.arange(len(state)))
        mixed = self.dial.mix(beside_known(experts, chosen.catalog), probs, self.setting)
        return draw_combinations(chosen.catalog, mixed, state.uniform)


def true_of_sets(
    asked: Asked, policy: BroughtSets, config: JudgeConfig
) -> tuple[RegistryValue | None, TrueGain | None]:
    """Value and gain over the experts by roll-outs, where patients are simulated and the policy can act."""
    earned_by = _roll_outs(asked, policy, config)
    if earned_by is None:
        return None, None
    earned, experts = earned_by({name: RulePolicy(policy, asked.spec, name) for name in policy.choices}), earned_by({})
    return earned.value(), TrueGain(*earned.less(experts))


def true_along(
    view: RegistryView, policy: BroughtSets, config: JudgeConfig, reached: Mapping[str, float | None]
) -> pd.DataFrame:
    """`RegistryView.frontier_truth` of a policy that can act, at the ends of both dials, some settings between, and
    the furthest that is supported (reached); empty where it cannot, or patients are real."""
    columns, rows = ["policy", *TRUTH_COLUMNS, *TRUE_DIFFERENCE], list[tuple]()
    earned_by = _roll_outs(Asked.of_run(view), policy, config)
    if earned_by is None:
        return pd.DataFrame(columns=columns)
    experts = earned_by({})
    for dial in DIALS.values():
        for setting in known_settings(dial, reached[dial.name]):
            acting = {name: DialedRule(policy, view, name, dial, setting) for name in policy.choices}
            earned = experts if setting == dial.settings[0] else earned_by(acting)
            found = earned.value()
            numbers = found.value, found.standard_error, found.n, *earned.less(experts)
            rows.append((policy.name, dial.name, setting, *numbers))
    return pd.DataFrame(rows, columns=columns)


def _roll_outs(
    asked: Asked, policy: BroughtSets, config: JudgeConfig
) -> Callable[[Mapping[str, Policy]], Returns] | None:
    """What simulated patients earn under policies {decision: policy}, the very patients of a run's own true values;
    None where patients are real, or the policy cannot act."""
    n = config.truth_patients
    truth = registry_truth(asked.cohort) if policy.rule is not None and n else None
    if truth is None:
        return None
    longest = max(asked.points, key=lambda name: len(asked.spec.decision(name).stages))
    seed = derive_seed(config.seed, "registry", "truth")
    return partial(truth.returns, n=n, seed=seed, decision=longest, gamma=config.gamma)
