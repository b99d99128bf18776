"""What is known only of simulated patients: phenotypes, propensities, and the true value of any policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.base.errors import ConfigError
from core.cohort.simulate.clinicians import Clinicians, by_phenotype
from core.cohort.simulate.constants import Constants
from core.cohort.simulate.history import Policy
from core.cohort.simulate.rollout import DEFAULT_WORLD, Rollout, roll_out
from core.cohort.simulate.world import World
from core.rewards import step_rewards
from core.study import StudySpec

GAMMA = 0.99  # default discount, the published one


@dataclass(frozen=True)
class TrueValue:
    """Monte Carlo value of a policy in the mechanism: mean discounted return and survival, with standard errors."""

    value: float
    standard_error: float
    survival: float
    survival_standard_error: float
    n: int


def discounted_returns(stays: Rollout, study: StudySpec, spans: np.ndarray, gamma: float) -> np.ndarray:
    """(n,) G = sum_{t=0}^{T-2} gamma^t r_t; the outcome is earned on the last of a stay's T - 1 transitions."""
    rewards = step_rewards(stays.states[:, :-1], stays.states[:, 1:], study, spans).astype(np.float64)
    step = np.arange(rewards.shape[1])
    last = stays.lengths[:, None] - 2
    rewards = np.where(step <= last, rewards, 0.0)
    rewards += np.where(step == last, study.terminal_coeff * stays.outcomes[:, None], 0.0)
    return rewards @ gamma**step


def _odds(probs: np.ndarray) -> np.ndarray:
    return np.asarray(probs / (1 - probs))


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Truth of a simulated cohort, in its patient order.

    phenotype (N,) index into `mechanism.PHENOTYPES`; actions (N, T) int8 given, 0 in padding; action_probs (N, T, A) of
    the clinicians, given all that they know (in a confounded world the phenotype too), 0 in padding; propensities
    (N, T) of the action taken, 1 in padding; spans (D,) max - min of each column of the cohort; world: which one.
    """

    like: str
    study: StudySpec
    constants: Constants = field(repr=False)
    phenotype: np.ndarray = field(repr=False)
    actions: np.ndarray = field(repr=False)
    action_probs: np.ndarray = field(repr=False)
    propensities: np.ndarray = field(repr=False)
    spans: np.ndarray = field(repr=False)
    world: World = DEFAULT_WORLD

    @property
    def clinicians(self) -> Policy:
        """The clinicians of this world as a policy, to be mixed with others; rolled out, they are "clinician"."""
        return Clinicians(self.constants.action_intercepts, self.study, self.world)

    def charted_probs(self, chances: np.ndarray) -> np.ndarray:
        """(N, T, A) what the clinicians do given the record alone, 0 in padding.

            p(a | record) = sum_k P(k | record) p(a | record, k)

        chances: (N, T, 3) P(k | record) of each phenotype, by whatever is taken for the record; rows sum to 1.
        """
        probs, real = np.zeros_like(self.action_probs), self._real
        probs[real] = np.einsum("rk,rka->ra", chances[real], self._by_phenotype())
        return probs

    def true_gamma(self, chances: np.ndarray | None = None) -> np.ndarray:
        """(N, T) strength of the hidden confounding of each dose given; 1 in padding, and where nothing is hidden.

        Gamma of the marginal sensitivity model (Tan 2006): the larger of the odds ratio and its inverse, the odds of
        the dose given by all that the clinicians know against those by the record alone. Bounds that allow for
        `true_gamma().max()` allow for this world. chances: as in `charted_probs`. None: the largest value that any
        chances could give, as p(a | record) lies between the least and the greatest p(a | record, k); it holds whatever
        counts as the record, and never exceeds exp(2 |S|).
        """
        gamma, real = np.ones(self.propensities.shape), self._real
        if not self.world.confounding:
            return gamma
        given = self.actions[real][:, None]
        if chances is None:
            record = np.take_along_axis(self._by_phenotype(), given[..., None], axis=2)[..., 0]
        else:
            record = np.take_along_axis(self.charted_probs(chances)[real], given, axis=1)
        ratio = _odds(self.propensities[real])[:, None] / _odds(record)
        gamma[real] = np.maximum(ratio, 1 / ratio).max(axis=1)
        return gamma

    @property
    def _real(self) -> np.ndarray:
        """(N, T) real steps."""
        return np.asarray(self.action_probs.any(axis=2))

    def _by_phenotype(self) -> np.ndarray:
        """(real steps, 3, A) probabilities under each phenotype."""
        patient, _ = np.nonzero(self._real)
        return by_phenotype(self.action_probs[self._real], self.phenotype[patient], self.world)

    def policy_value(
        self,
        policy: Policy | Literal["clinician"],
        n: int = 5000,
        seed: int = 0,
        spans: np.ndarray | None = None,
        gamma: float = GAMMA,
    ) -> TrueValue:
        """Value of a policy over n fresh patients of the same mechanism.

        policy: "clinician" (those of this world), or a callable from `History` to (n, A) action probabilities. spans:
        (D,) spans that scale the reward's differences (default: this cohort's; give the scaler's to compare with an
        estimate made from scaled training data). gamma: discount, a setting of the run. Equal seeds meet equal patients
        and equal chance, whatever the policy. Raises `ConfigError` where an argument or what the policy returns cannot
        be used.
        """
        return _mean(*self._rolled_out(policy, n, seed, spans, gamma))

    def policy_gain(
        self,
        policy: Policy | Literal["clinician"],
        n: int = 5000,
        seed: int = 0,
        spans: np.ndarray | None = None,
        gamma: float = GAMMA,
    ) -> TrueValue:
        """What the policy is worth beyond the clinicians of this world: the difference of their `policy_value`.

        Both meet the same n patients and the same chance, so the standard errors are those of n paired differences:
        much smaller than of either value, and 0 where the drug does nothing. Arguments as in `policy_value`.
        """
        return self.policy_gains([policy], n, seed, spans, gamma)[0]

    def policy_gains(
        self,
        policies: Sequence[Policy | Literal["clinician"]],
        n: int = 5000,
        seed: int = 0,
        spans: np.ndarray | None = None,
        gamma: float = GAMMA,
    ) -> list[TrueValue]:
        """`policy_gain` of each, all on the same patients; the clinicians are rolled out once."""
        usual, survived = self._rolled_out("clinician", n, seed, spans, gamma)
        found = [self._rolled_out(policy, n, seed, spans, gamma) for policy in policies]
        return [_mean(returns - usual, alive - survived) for returns, alive in found]

    def _rolled_out(
        self, policy: Policy | Literal["clinician"], n: int, seed: int, spans: np.ndarray | None, gamma: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns (n,) and survival (n,) 0 or 1 of fresh patients under a policy."""
        chosen = None if isinstance(policy, str) else policy
        if chosen is None and policy != "clinician":
            raise ConfigError(f"policy = '{policy}' is unknown; give 'clinician' or a function of the history.")
        if n < 1 or seed < 0:
            raise ConfigError(f"n = {n}, seed = {seed} are not usable; n is at least 1 and seed at least 0.")
        scale = self.spans if spans is None else np.asarray(spans, dtype=np.float64)
        if scale.shape != self.spans.shape:
            raise ConfigError(f"spans must hold one number per column {self.spans.shape}, not {scale.shape}.")
        stays = roll_out(self.constants, self.study, n, seed, f"value {self.like}", chosen, world=self.world)
        return discounted_returns(stays, self.study, scale, gamma), (stays.outcomes > 0).astype(np.float64)


def _mean(returns: np.ndarray, alive: np.ndarray) -> TrueValue:
    """Means of n patients with their standard errors."""
    n = len(returns)
    value_error, survival_error = (
        float(x.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan") for x in (returns, alive)
    )
    return TrueValue(float(returns.mean()), value_error, float(alive.mean()), survival_error, n)
