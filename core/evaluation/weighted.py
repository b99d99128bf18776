"""The family of self-normalized estimators: what is normalized with whom, and up to which step.

    final      value = sum_i omega_i G_i                        omega: the ratio of the whole stay, normalized
    per step   value = sum_t gamma^t sum_i [omega_t r_t - (omega_t Q(s_t, a_t) - omega_{t-1} V(s_t))]

each over all stays, or over the stays of equal length and then averaged by their shares W_l. A stay that has ended
keeps its last ratio and earns nothing more (Q = V = 0), so that over all stays every step is normalized by the same
patients (Thomas and Brunskill 2016). Q = V = 0 throughout leaves per-decision weighted importance sampling.

    phwis   by length, final          wis    all stays, final
    phwdr   by length, per step, Q    pdwis  all stays, per step          wdr  all stays, per step, Q
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.base.types import OPEResult
from core.evaluation.aligned import AlignedStays, align_stays, check_shapes, cumulative_log_ratios, discounted_returns
from core.evaluation.recorded import Recorded
from core.evaluation.resampling import bootstrap_seed, person_numbers
from core.evaluation.weighting import Terms, Weighed, bootstrap, scaled_weights, summarise

BLOCK = 8_000_000  # most propensities handled at once (64 MB an array)


@dataclass(frozen=True)
class Method:
    """One member of the family: normalized among stays of equal length or all; per step or final; with a critic."""

    by_length: bool
    per_step: bool
    critic: bool = False


METHODS = {
    "phwis": Method(by_length=True, per_step=False),
    "phwdr": Method(by_length=True, per_step=True, critic=True),
    "wis": Method(by_length=False, per_step=False),
    "pdwis": Method(by_length=False, per_step=True),
    "wdr": Method(by_length=False, per_step=True, critic=True),
}


DEFAULT_ESTIMATOR = "phwdr"  # where one number must do: data/reference/estimator_evidence.json says why


@dataclass(frozen=True, eq=False)
class Critic:
    """q_taken = Q(s_t, a_t) and v = sum_a pi(a|s_t) Q(s_t, a) of each policy, (P, N, T), or (N, T) shared by all."""

    q_taken: np.ndarray
    v: np.ndarray


def weighted_many(
    name: str,
    recorded: Recorded,
    eval_propensities: np.ndarray,
    critic: Critic | None = None,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> list[OPEResult]:
    """Values of P policies by one estimator of `METHODS`, on the same resamples of persons.

    eval_propensities (P, N, T): each policy's propensity of the action taken. The 95 % interval is the percentile
    interval over resamples of persons (NaN when n_bootstrap is 0; rng None: fixed seed); the critic is held fixed over
    them. `ess`, `zero_weight` and `max_weight` describe the final omega. ValueError where shapes disagree, a propensity
    is no probability, the behavior's is 0 at a step taken, or a critic is missing or not wanted.
    """
    seed = bootstrap_seed(rng)
    blocks = _weighed(name, recorded, eval_propensities, critic)
    return [result for block in blocks for result in summarise(name, block, n_bootstrap, seed)]


def weighted_draws(
    name: str,
    recorded: Recorded,
    eval_propensities: np.ndarray,
    critic: Critic | None = None,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Value of P policies in each resample of persons, (n_bootstrap, P), for paired comparison; see `differences`."""
    seed = bootstrap_seed(rng)
    blocks = _weighed(name, recorded, eval_propensities, critic)
    return np.concatenate([bootstrap(block, n_bootstrap, seed) for block in blocks], axis=1)


def _weighed(name: str, recorded: Recorded, evaluation: np.ndarray, critic: Critic | None) -> Iterator[Weighed]:
    """Checked terms of all policies, some at a time to bound memory."""
    method, chosen = METHODS[name], np.asarray(evaluation)
    if method.critic != (critic is not None):
        raise ValueError(f"{name} {'needs a' if method.critic else 'takes no'} critic")
    q, v = (None, None) if critic is None else (_per_policy(critic.q_taken), _per_policy(critic.v))
    critics = {key: array for key, array in (("q_taken", q), ("v", v)) if array is not None}
    given = {"rewards": recorded.rewards, "behavior_propensities": recorded.behavior_propensities}
    check_shapes(recorded.mask, given, {"eval_propensities": chosen, **critics})
    stays = align_stays(recorded.mask)
    owner = person_numbers(recorded.persons, stays.rows, len(recorded.mask))
    groups = stays.groups if method.by_length else (np.arange(stays.n),)
    for block in policy_blocks(len(chosen), np.size(recorded.mask)):
        log_ratios = cumulative_log_ratios(stays, chosen[block], recorded.behavior_propensities)
        values = _values(method, stays, recorded, [c if len(c) == 1 else c[block] for c in critics.values()])
        terms = [_terms(method, rows, int(stays.lengths[rows].max()), log_ratios, values) for rows in groups]
        yield Weighed(stays, log_ratios, terms, owner)


def policy_blocks(policies: int, size: int) -> list[slice]:
    """Slices over policies whose arrays stay within BLOCK numbers."""
    step = max(1, BLOCK // max(size, 1))
    return [slice(start, start + step) for start in range(0, policies, step)]


def _per_policy(array: np.ndarray) -> np.ndarray:
    """(P, N, T), or (1, N, T) of an array that all policies share."""
    values = np.asarray(array)
    return values[None] if values.ndim == 2 else values


def _values(method: Method, stays: AlignedStays, recorded: Recorded, critic: list[np.ndarray]) -> np.ndarray:
    """What each omega multiplies, (P or 1, n, J): the return (J = 1), or the parts of each step (J = T + 1)."""
    rewards = stays.take(recorded.rewards, 0.0)
    if not method.per_step:
        values = discounted_returns(rewards, recorded.gamma)[None, :, None]
    else:
        q_taken, v = [stays.take(array, 0.0) for array in critic] or [np.zeros_like(rewards[None])] * 2
        values = _parts(rewards, q_taken, v, recorded.gamma)
    if not np.isfinite(values).all():
        raise ValueError("rewards, q_taken and v must be finite at every masked step")
    return values


def _parts(rewards: np.ndarray, q_taken: np.ndarray, v: np.ndarray, gamma: float) -> np.ndarray:
    """(P or 1, n, T + 1): V(s_0) for omega_{-1}, then for omega_t

    gamma^t (r_t - Q(s_t, a_t)) + gamma^{t+1} V(s_{t+1}), V = 0 after the last step. Regrouping the sum by omega halves
    the work of a bootstrap.
    """
    horizon = rewards.shape[-1]
    discount = gamma ** np.arange(horizon + 1)
    parts = np.zeros((*np.broadcast_shapes(q_taken.shape, v.shape)[:-1], horizon + 1))
    parts[..., :-1] = discount[:-1] * v
    parts[..., 1:] += discount[:-1] * (rewards - q_taken)
    return parts


def _terms(method: Method, rows: np.ndarray, length: int, log_ratios: np.ndarray, values: np.ndarray) -> Terms:
    """Terms of one group, whose longest stay has `length` steps: the final weight, or 1, rho_{0:0}, .., rho_{0:T-1}."""
    if not method.per_step:
        return Terms(rows, scaled_weights(log_ratios[:, rows, -1].T)[:, :, None], values[:, rows].transpose(1, 0, 2))
    weights = np.ones((len(rows), len(log_ratios), length + 1))
    weights[:, :, 1:] = scaled_weights(log_ratios[:, rows, :length].transpose(1, 0, 2))
    return Terms(rows, weights, values[:, rows, : length + 1].transpose(1, 0, 2))
