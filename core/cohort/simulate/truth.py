"""What is known only of simulated patients: phenotypes, propensities, and the true value of any policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.base.errors import ConfigError
from core.cohort.simulate.constants import Constants
from core.cohort.simulate.rollout import Policy, Rollout, roll_out
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


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Truth of a simulated cohort, in its patient order.

    phenotype (N,) index into `mechanism.PHENOTYPES`; action_probs (N, T, A) of the clinicians, 0 in padding;
    propensities (N, T) of the action taken, 1 in padding; spans (D,) max - min of each column of the cohort.
    """

    like: str
    study: StudySpec
    constants: Constants = field(repr=False)
    phenotype: np.ndarray = field(repr=False)
    action_probs: np.ndarray = field(repr=False)
    propensities: np.ndarray = field(repr=False)
    spans: np.ndarray = field(repr=False)

    def policy_value(
        self,
        policy: Policy | Literal["clinician"],
        n: int = 5000,
        seed: int = 0,
        spans: np.ndarray | None = None,
        gamma: float = GAMMA,
    ) -> TrueValue:
        """Value of a policy over n fresh patients of the same mechanism.

        policy: "clinician", or a callable from `History` to (n, A) action probabilities. spans: (D,) spans that scale
        the reward's differences (default: this cohort's; give the scaler's to compare with an estimate made from
        scaled training data). gamma: discount, a setting of the run. Equal seeds meet equal patients. Raises
        `ConfigError` where an argument or what the policy returns cannot be used.
        """
        chosen = None if isinstance(policy, str) else policy
        if chosen is None and policy != "clinician":
            raise ConfigError(f"policy = '{policy}' is unknown; give 'clinician' or a function of the history.")
        if n < 1 or seed < 0:
            raise ConfigError(f"n = {n}, seed = {seed} are not usable; n is at least 1 and seed at least 0.")
        scale = self.spans if spans is None else np.asarray(spans, dtype=np.float64)
        if scale.shape != self.spans.shape:
            raise ConfigError(f"spans must hold one number per column {self.spans.shape}, not {scale.shape}.")
        stays = roll_out(self.constants, self.study, n, seed, f"value {self.like}", chosen)
        returns = discounted_returns(stays, self.study, scale, gamma)
        alive = (stays.outcomes > 0).astype(np.float64)
        root = np.sqrt(n)
        return TrueValue(
            value=float(returns.mean()),
            standard_error=float(returns.std(ddof=1) / root) if n > 1 else float("nan"),
            survival=float(alive.mean()),
            survival_standard_error=float(alive.std(ddof=1) / root) if n > 1 else float("nan"),
            n=n,
        )
