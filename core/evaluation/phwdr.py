"""Per-horizon weighted doubly robust estimation (PHWDR)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.evaluation.phwis import policy_blocks
from core.evaluation.resampling import bootstrap_seed, person_numbers
from core.evaluation.stays import check_shapes, cumulative_log_ratios, make_stays
from core.evaluation.weighting import Terms, Weighed, bootstrap, scaled_weights, summarise
from core.types import OPEResult


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
    Errors and intervals as in `phwis`; Q and V are held fixed over the resamples.
    Source: Raghu et al. 2018. Q should be that of the evaluated policy (FittedQEvaluation); the source study took Q*.
    """
    evaluated = np.asarray(eval_propensities)[None]
    return phwdr_many(rewards, mask, evaluated, behavior_propensities, q_taken, v, gamma, n_bootstrap, rng, persons)[0]


def phwdr_many(
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
) -> list[OPEResult]:
    """`phwdr` of P policies at once, on the same resamples.

    eval_propensities (P, N, T); q_taken and v (P, N, T), or (N, T) where all policies share one critic; all else as in
    `phwdr`.
    """
    seed = bootstrap_seed(rng)
    blocks = _weighed(rewards, mask, eval_propensities, behavior_propensities, q_taken, v, gamma, persons)
    return [result for block in blocks for result in summarise("phwdr", block, n_bootstrap, seed)]


def phwdr_draws(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    q_taken: np.ndarray,
    v: np.ndarray,
    gamma: float = 0.99,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> np.ndarray:
    """PHWDR of P policies in each resample of persons, (n_bootstrap, P), for paired comparison; see `differences`."""
    seed = bootstrap_seed(rng)
    blocks = _weighed(rewards, mask, eval_propensities, behavior_propensities, q_taken, v, gamma, persons)
    return np.concatenate([bootstrap(b, n_bootstrap, seed) for b in blocks], axis=1)


def _weighed(
    rewards: np.ndarray,
    mask: np.ndarray,
    eval_propensities: np.ndarray,
    behavior_propensities: np.ndarray,
    q_taken: np.ndarray,
    v: np.ndarray,
    gamma: float,
    persons: np.ndarray | None,
) -> Iterator[Weighed]:
    """Checked terms of all policies, some at a time to bound memory."""
    q, values = _per_policy(q_taken), _per_policy(v)
    recorded = {"rewards": rewards, "behavior_propensities": behavior_propensities}
    check_shapes(mask, recorded, {"eval_propensities": eval_propensities, "q_taken": q, "v": values})
    stays = make_stays(mask)
    owner = person_numbers(persons, stays.rows, len(mask))
    gains = stays.take(rewards, 0.0)
    for block in policy_blocks(len(eval_propensities), np.size(mask)):
        log_ratios = cumulative_log_ratios(stays, np.asarray(eval_propensities)[block], behavior_propensities)
        critics = [stays.take(critic if len(critic) == 1 else critic[block], 0.0) for critic in (q, values)]
        if not all(np.isfinite(array).all() for array in (gains, *critics)):
            raise ValueError("rewards, q_taken and v must be finite at every masked step")
        parts = _parts(gains, critics[0], critics[1], gamma)
        groups = [_terms(rows, int(stays.lengths[rows[0]]), log_ratios, parts) for rows in stays.groups]
        yield Weighed(stays, log_ratios, groups, owner)


def _per_policy(array: np.ndarray) -> np.ndarray:
    """(P, N, T), or (1, N, T) of an array that all policies share."""
    values = np.asarray(array)
    return values[None] if values.ndim == 2 else values


def _parts(rewards: np.ndarray, q_taken: np.ndarray, v: np.ndarray, gamma: float) -> np.ndarray:
    """What each omega multiplies, (P or 1, n, T + 1): V(s_0) for omega_{-1}, then for omega_t

    gamma^t (r_t - Q(s_t, a_t)) + gamma^{t+1} V(s_{t+1}), V = 0 after the last step. Regrouping the sum by omega halves
    the work of a bootstrap.
    """
    horizon = rewards.shape[-1]
    discount = gamma ** np.arange(horizon + 1)
    parts = np.zeros((*np.broadcast_shapes(q_taken.shape, v.shape)[:-1], horizon + 1))
    parts[..., :-1] = discount[:-1] * v
    parts[..., 1:] += discount[:-1] * (rewards - q_taken)
    return parts


def _terms(rows: np.ndarray, length: int, log_ratios: np.ndarray, parts: np.ndarray) -> Terms:
    """Terms of one group: weights 1, rho_{0:0}, .., rho_{0:length-1}."""
    weights = np.ones((len(rows), len(log_ratios), length + 1))
    weights[:, :, 1:] = scaled_weights(log_ratios[:, rows, :length].transpose(1, 0, 2))
    return Terms(rows, weights, parts[:, rows, : length + 1].transpose(1, 0, 2))
