"""What is known only of simulated registries: the experts' propensities and the true value of any policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.registry.cohort.courses import state_rewards
from core.registry.cohort.drugs import Combinations
from core.registry.simulate.patients import traits
from core.registry.simulate.regimens import expert_probs, regimens
from core.registry.simulate.rollout import Policy, Rollout, roll_out
from core.registry.simulate.world import DEFAULT_WORLD, RegistryWorld
from core.registry.spec import RegistrySpec


@dataclass(frozen=True)
class RegistryValue:
    """Monte Carlo value of a policy in the mechanism, with standard errors.

    value: mean discounted sum of rewards from the first stage that counts on; event_free: share alive without relapse
    at the last stage, of the same n patients.
    """

    value: float
    standard_error: float
    event_free: float
    event_free_standard_error: float
    n: int


@dataclass(frozen=True, eq=False)
class Returns:
    """Of n simulated patients each: discounted sum of rewards, and whether alive without relapse at the last stage."""

    rewards: np.ndarray
    event_free: np.ndarray

    def value(self) -> RegistryValue:
        """Their means with standard errors."""
        return RegistryValue(*_mean(self.rewards), *_mean(self.event_free.astype(np.float64)), len(self.rewards))

    def less(self, others: Returns) -> tuple[float, float]:
        """Mean difference in rewards to the same patients under another policy, and its standard error."""
        return _mean(self.rewards - others.rewards)


def _mean(numbers: np.ndarray) -> tuple[float, float]:
    return float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers)))


@dataclass(frozen=True, eq=False)
class RegistryTruth:
    """Truth of a simulated registry. propensities: {decision: (points,)} of what experts gave, by all that they see, in
    the order of `decision_points`; world: which one."""

    spec: RegistrySpec
    propensities: Mapping[str, np.ndarray]
    world: RegistryWorld = DEFAULT_WORLD

    def policy_value(
        self,
        policies: Mapping[str, Policy] | None = None,
        n: int = 20_000,
        seed: int = 0,
        decision: str | None = None,
        gamma: float | None = None,
    ) -> RegistryValue:
        """Value over n fresh patients when `policies` {decision: policy} replace the experts; see `returns`."""
        return self.returns(policies, n, seed, decision, gamma).value()

    def returns(
        self,
        policies: Mapping[str, Policy] | None = None,
        n: int = 20_000,
        seed: int = 0,
        decision: str | None = None,
        gamma: float | None = None,
    ) -> Returns:
        """What n fresh patients earn when `policies` {decision: policy} replace the experts in these decisions.

        decision: None counts the whole course of every patient; a name counts the rewards that follow that decision's
        stages, over the patients to whom it is posed at its first stage (what estimates from `decision_points` are
        about). Nobody is lost to follow-up here. Equal seeds meet equal patients: those who reach the decision are the
        same under all policies that only act from there on.
        """
        if n < 2 or seed < 0:
            raise ConfigError(f"n = {n}, seed = {seed} are not usable; n is at least 2 and seed at least 0.")
        for name in policies or {}:
            self.spec.decision(name)
        stages = tuple(range(self.spec.horizon)) if decision is None else self.spec.decision(decision).stages
        course = roll_out(self.spec, n, seed, "value", policies, self.world)
        first = course.indicators[:, stages[0]]
        posed = course.reached[:, stages[0]] & first[:, 0] & ~first[:, 3]
        if posed.sum() < 2:
            raise ConfigError(f"n = {n} patients are too few: fewer than 2 reach the decision; raise n.")
        discount = self.spec.gamma if gamma is None else gamma
        last = course.indicators[posed, -1]
        free = course.reached[posed, -1] & last[:, 0] & ~last[:, 3]
        return Returns(discounted_returns(course, self.spec, stages, discount)[posed], free)

    def expert_probs(
        self, decision: str, frame: pd.DataFrame, stage: int, catalog: Combinations, frailty: np.ndarray | None = None
    ) -> np.ndarray:
        """(n, A) chance that experts give each combination of a catalog at one stage, to patients whose features and
        indicators are columns of `frame`; rows sum to less than 1 where experts know other combinations.

        frailty: (n,) what only they see in a confounded world; None: over frail and robust patients in equal parts, as
        they are at transplant."""
        indicators = frame[list(self.spec.indicator_names)].to_numpy(bool)
        kinds = [frailty] if frailty is not None else [np.full(len(frame), kind) for kind in (-1.0, 1.0)]
        seen = [self.world.confounding * kind for kind in kinds] if self.world.confounding else [None]
        probs = np.mean([expert_probs(decision, traits(frame), indicators, stage, one) for one in seen], axis=0)
        action = catalog.encode(regimens(decision).matrix)
        result = np.zeros((len(frame), catalog.n_actions))
        result[:, action[action >= 0]] = probs[:, action >= 0]
        return result


def discounted_returns(course: Rollout, spec: RegistrySpec, stages: tuple[int, ...], gamma: float) -> np.ndarray:
    """(n,) G = sum_i gamma^i r(state at stages[i] + 1); nothing is earned after death or relapse."""
    total = np.zeros(len(course.reached))
    for i, stage in enumerate(stages):
        reward = state_rewards(course.indicators[:, stage + 1], spec)
        total += gamma**i * np.where(course.reached[:, stage + 1], reward, 0.0)
    return total
