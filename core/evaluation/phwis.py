"""Per-horizon weighted importance sampling (PHWIS)."""

from __future__ import annotations

import numpy as np

from core.base.types import OPEResult
from core.evaluation.recorded import Recorded
from core.evaluation.weighted import weighted_many


def phwis(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    gamma: float = 0.99,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> OPEResult:
    """Value of a policy from recorded stays by per-horizon weighted importance sampling.

        PHWIS = sum_l W_l sum_i omega_i G_i,   omega_i = rho_i / sum_{j in l} rho_j
        rho_i = prod_t pi(a_t|s_t) / pi_b(a_t|s_t)

    over the groups l of stays with equal length (share W_l). Only the final omega of a stay enters: it multiplies the
    whole discounted return G. A group whose ratios sum to 0 gets omega = 1/n_l. A policy valued on its own data has
    rho = 1, so its value is the mean return and its ESS is n.
    Shares of lengths are those recorded: a policy that changes how long stays last is valued as if it did not.

    All arrays (N, T), as in `Recorded`; interval and errors as in `weighted_many`; n, ESS and weights count stays.
    Source: Raghu et al. 2018; the source study took the ratio at the behavior's most likely action instead.
    """
    recorded = Recorded(rewards, mask, behavior_propensities, gamma, persons)
    return weighted_many("phwis", recorded, np.asarray(eval_propensities)[None], None, n_bootstrap, rng)[0]
