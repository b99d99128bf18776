"""Per-horizon weighted importance sampling (PHWIS)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.evaluation.resampling import bootstrap_seed, person_numbers
from core.evaluation.stays import check_shapes, cumulative_log_ratios, discounted_returns, make_stays
from core.evaluation.weighting import Terms, Weighed, bootstrap, scaled_weights, summarise
from core.types import OPEResult

BLOCK = 8_000_000  # most propensities handled at once (64 MB an array)


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

    All arrays (N, T): rewards; mask, True at the steps that have a reward (`Trajectories.transition_mask`; other
    entries are never read, rows without a True step are left out and not counted in n); propensities of the action
    taken under the evaluated and the behavior policy. The 95 % interval is the percentile interval over resamples of
    persons (NaN when n_bootstrap is 0; rng None: fixed seed): persons (N,) is the key of each row's person, whose stays
    are drawn together (None: every stay is a person of its own). n, ESS and weights count stays. ValueError where
    shapes disagree, a propensity is no probability, or the behavior's is 0 at a step taken.
    Source: Raghu et al. 2018; the source study took the ratio at the behavior's most likely action instead.
    """
    return phwis_many(
        rewards, mask, np.asarray(eval_propensities)[None], behavior_propensities, gamma, n_bootstrap, rng, persons
    )[0]


def phwis_many(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    gamma: float = 0.99,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> list[OPEResult]:
    """`phwis` of P policies at once, on the same resamples. eval_propensities (P, N, T), all else as in `phwis`."""
    seed = bootstrap_seed(rng)
    blocks = _weighed(rewards, mask, eval_propensities, behavior_propensities, gamma, persons)
    return [result for block in blocks for result in summarise("phwis", block, n_bootstrap, seed)]


def phwis_draws(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    gamma: float = 0.99,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> np.ndarray:
    """PHWIS of P policies in each resample of persons, (n_bootstrap, P), for paired comparison; see `differences`."""
    seed = bootstrap_seed(rng)
    blocks = _weighed(rewards, mask, eval_propensities, behavior_propensities, gamma, persons)
    return np.concatenate([bootstrap(b, n_bootstrap, seed) for b in blocks], axis=1)


def _weighed(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    gamma: float,
    persons: np.ndarray | None,
) -> Iterator[Weighed]:
    """Checked terms of all policies, some at a time to bound memory."""
    recorded = {"rewards": rewards, "behavior_propensities": behavior_propensities}
    check_shapes(mask, recorded, {"eval_propensities": eval_propensities})
    stays = make_stays(mask)
    owner = person_numbers(persons, stays.rows, len(mask))
    returns = discounted_returns(stays.take(rewards, 0.0), gamma)
    if not np.isfinite(returns).all():
        raise ValueError("rewards must be finite at every masked step")
    for block in policy_blocks(len(eval_propensities), np.size(mask)):
        log_ratios = cumulative_log_ratios(stays, np.asarray(eval_propensities)[block], behavior_propensities)
        yield Weighed(stays, log_ratios, [_terms(rows, log_ratios, returns) for rows in stays.groups], owner)


def policy_blocks(policies: int, size: int) -> list[slice]:
    """Slices over policies whose arrays stay within BLOCK numbers."""
    step = max(1, BLOCK // max(size, 1))
    return [slice(start, start + step) for start in range(0, policies, step)]


def _terms(rows: np.ndarray, log_ratios: np.ndarray, returns: np.ndarray) -> Terms:
    """One term a group: the final ratio weighs the return."""
    weights = scaled_weights(log_ratios[:, rows, -1].T)  # (g, P)
    return Terms(rows, weights[:, :, None], returns[rows][:, None, None])
