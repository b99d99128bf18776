"""Estimators that normalize over all stays: plain and per-decision weighted importance sampling, weighted DR."""

from __future__ import annotations

import numpy as np

from core.base.types import OPEResult
from core.evaluation.recorded import Recorded
from core.evaluation.weighted import Critic, weighted_many


def wis(
    recorded: Recorded,
    eval_propensities: np.ndarray,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> OPEResult:
    """Plain weighted importance sampling: one normalization over all stays, by the ratio of the whole stay.

        WIS = sum_i rho_i G_i / sum_j rho_j,   rho_i = prod_t pi(a_t|s_t) / pi_b(a_t|s_t)

    Consistent whatever the policy does to the length of stays, which PHWIS is not; long stays carry the extreme ratios.
    eval_propensities (N, T); all else as in `weighted_many`. Source: Precup et al. 2000.
    """
    return weighted_many("wis", recorded, np.asarray(eval_propensities)[None], None, n_bootstrap, rng)[0]


def per_decision_wis(
    recorded: Recorded,
    eval_propensities: np.ndarray,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> OPEResult:
    """Per-decision weighted importance sampling: each reward by the ratio up to its own step, normalized per step.

        PDWIS = sum_t gamma^t sum_i rho_{i,0:t} r_{i,t} / sum_j rho_{j,0:t}

    over all stays; those that ended keep their last ratio and earn 0. eval_propensities (N, T); all else as in
    `weighted_many`. Source: Precup et al. 2000; Thomas 2015 (consistent weighted per-decision).
    """
    return weighted_many("pdwis", recorded, np.asarray(eval_propensities)[None], None, n_bootstrap, rng)[0]


def wdr(
    recorded: Recorded,
    eval_propensities: np.ndarray,
    q_taken: np.ndarray,
    v: np.ndarray,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> OPEResult:
    """Weighted doubly robust estimate: PHWDR with one normalization per step over all stays.

        WDR = sum_t gamma^t sum_i [omega_t r_t - (omega_t Q(s_t, a_t) - omega_{t-1} V(s_t))]
        omega_{i,t} = rho_{i,0:t} / sum_j rho_{j,0:t},   omega_{i,-1} = 1/n

    eval_propensities, q_taken, v (N, T); all else as in `weighted_many`. Source: Thomas and Brunskill 2016.
    """
    evaluated = np.asarray(eval_propensities)[None]
    return weighted_many("wdr", recorded, evaluated, Critic(q_taken, v), n_bootstrap, rng)[0]
