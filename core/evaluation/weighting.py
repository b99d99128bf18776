"""Self-normalised weighting within groups of stays, which all estimators of `core.evaluation.weighted` share.

They have the form

    sum_l W_l sum_j (sum_i w_ij x_ij) / (sum_i w_ij)

over groups l (stays of equal length, or all; share W_l), terms j and stays i: they differ in groups, w and x alone. A
sum of weights that is 0 is replaced by equal weights 1/n_l. With resample counts c_i the same form, w_ij -> c_i w_ij,
gives every bootstrap value by two matrix products a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.types import OPEResult
from core.evaluation.aligned import AlignedStays
from core.evaluation.resampling import percentile_interval, resample_counts


@dataclass(frozen=True, eq=False)
class Terms:
    """One group. rows (g,) stays; weights (g, P, J) largest 1 in each column; values (g, P or 1, J)."""

    rows: np.ndarray
    weights: np.ndarray
    values: np.ndarray


def scaled_weights(log_weights: np.ndarray) -> np.ndarray:
    """exp(log w - max over patients), and 1 where all weights are 0. log_weights (g, ...), patients first.

    Only ratios of weights matter, so the shift costs nothing and extreme ratios neither overflow nor vanish.
    """
    top = log_weights.max(axis=0, keepdims=True)
    dead = np.isneginf(top)
    return np.where(dead, 1.0, np.exp(log_weights - np.where(dead, 0.0, top)))


def trajectory_weights(groups: Sequence[np.ndarray], log_ratios: np.ndarray) -> np.ndarray:
    """W_l omega_i, the weight of each stay by its final ratio; rows sum to 1.

    groups: the stays (g,) of each; log_ratios (P, n, T) -> (P, n).
    """
    weights = np.empty(log_ratios.shape[:2])
    for rows in groups:
        group = scaled_weights(log_ratios[:, rows, -1].T).T  # (P, g)
        weights[:, rows] = group / group.sum(axis=1, keepdims=True) * (len(rows) / log_ratios.shape[1])
    return weights


def estimate(groups: Sequence[Terms], n: int) -> np.ndarray:
    """The estimator's value for each policy, (P,)."""
    total = 0.0
    for terms in groups:
        omega = terms.weights / terms.weights.sum(axis=0)
        total = total + len(terms.rows) / n * (omega * terms.values).sum(axis=(0, 2))
    return np.asarray(total)


def _resampled_group(counts: np.ndarray, terms: Terms) -> np.ndarray:
    """Group value in each resample. counts (b, g) -> (b, P)."""
    size, policies, parts = terms.weights.shape
    weights = terms.weights.reshape(size, -1)
    values = np.broadcast_to(terms.values, terms.weights.shape).reshape(size, -1)
    mass = counts @ weights
    value = counts @ (weights * values)
    empty = mass <= 0
    value /= np.where(empty, 1.0, mass)
    columns = np.flatnonzero(empty.any(axis=0))
    if len(columns):  # resamples in which only patients of weight 0 were drawn: equal weights
        plain = counts @ values[:, columns] / np.maximum(counts.sum(axis=1), 1)[:, None]
        value[:, columns] = np.where(empty[:, columns], plain, value[:, columns])
    return np.asarray(value.reshape(len(counts), policies, parts).sum(axis=2))


@dataclass(frozen=True, eq=False)
class Weighed:
    """Some policies under one estimator: their stays, cumulative log ratios (P, n, T) and terms by group.

    owner (n,) numbers the person of each stay, None where every stay is its own; see `resample_counts`.
    """

    stays: AlignedStays
    log_ratios: np.ndarray
    groups: Sequence[Terms]
    owner: np.ndarray | None = None


def bootstrap(weighed: Weighed, n_bootstrap: int, seed: int) -> np.ndarray:
    """The estimator's value in each resample of persons, (n_bootstrap, P); group shares are resampled too."""
    policies = len(weighed.log_ratios)
    blocks = [np.empty((0, policies))]
    for counts in resample_counts(weighed.stays.n, n_bootstrap, seed, weighed.owner):
        size = counts.sum(axis=1)[:, None]
        total = np.zeros((len(counts), policies))
        for terms in weighed.groups:
            drawn = counts[:, terms.rows]
            total += drawn.sum(axis=1)[:, None] / size * _resampled_group(drawn, terms)
        blocks.append(total)
    return np.concatenate(blocks)


def summarise(name: str, weighed: Weighed, n_bootstrap: int, seed: int) -> list[OPEResult]:
    """Value, interval and support of every policy."""
    stays, log_ratios, groups = weighed.stays, weighed.log_ratios, weighed.groups
    values = estimate(groups, stays.n)
    low, high = percentile_interval(bootstrap(weighed, n_bootstrap, seed))
    weights = trajectory_weights([terms.rows for terms in groups], log_ratios)
    ess = 1.0 / (weights**2).sum(axis=1)
    zero = np.isneginf(log_ratios[:, :, -1]).mean(axis=1)
    return [
        OPEResult(
            value=float(values[p]),
            low=float(low[p]),
            high=float(high[p]),
            n=stays.n,
            ess=float(ess[p]),
            zero_weight=float(zero[p]),
            max_weight=float(weights[p].max()),
            estimator=name,
        )
        for p in range(len(values))
    ]
