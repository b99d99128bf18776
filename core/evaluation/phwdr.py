"""Per-horizon weighted doubly robust estimation (PHWDR)."""

from __future__ import annotations

import numpy as np

from core.base.types import OPEResult
from core.evaluation.recorded import Recorded
from core.evaluation.weighted import Critic, weighted_many


def phwdr(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    q_taken: np.ndarray,
    v: np.ndarray,
    gamma: float = 0.99,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> OPEResult:
    """Value of a policy from recorded stays by per-horizon weighted doubly robust estimation.

        PHWDR = sum_l W_l sum_t gamma^t sum_i [omega_t r_t - (omega_t Q(s_t, a_t) - omega_{t-1} V(s_t))]
        omega_{i,t} = rho_{i,0:t} / sum_{j in l} rho_{j,0:t},   omega_{i,-1} = 1/n_l

    Each step has its own omega_t, normalised in the group of equal length l over the ratio up to that step (PHWIS uses
    the final one alone); where a group's ratios at t sum to 0, omega_t = 1/n_l. `ess`, `zero_weight` and `max_weight`
    describe the final omega, as for PHWIS.

    All arrays (N, T): as in `phwis`, and q_taken = Q(s_t, a_t) of the evaluated policy, v = sum_a pi(a|s_t) Q(s_t, a).
    Errors and intervals as in `weighted_many`; Q and V are held fixed over the resamples.
    Source: Raghu et al. 2018. Q should be that of the evaluated policy (FittedQEvaluation); the source study took Q*.
    """
    recorded, evaluated = Recorded(rewards, mask, behavior_propensities, gamma, persons), np.asarray(eval_propensities)
    return weighted_many("phwdr", recorded, evaluated[None], Critic(q_taken, v), n_bootstrap, rng)[0]
