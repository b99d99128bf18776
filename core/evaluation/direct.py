"""The direct method: a critic's own opinion of a policy, without importance weights."""

from __future__ import annotations

import numpy as np

from core.base.types import OPEResult
from core.evaluation.aligned import align_stays, check_shapes
from core.evaluation.resampling import bootstrap_seed, percentile_interval, person_numbers, resample_counts


def direct(
    v: np.ndarray,
    mask: np.ndarray,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> OPEResult:
    """Mean value of the first state, (1/n) sum_i V(s_{i,0}), V(s) = sum_a pi(a|s) Q(s, a).

    v, mask (N, T); rows without a True step are left out. It has no weights, so `ess` is n, and the interval shows the
    variation between persons alone (persons (N,) as in `phwis`): an error of the critic, usually the larger part, is
    not in it.
    """
    return direct_many(np.asarray(v)[None], mask, n_bootstrap, rng, persons)[0]


def direct_many(
    v: np.ndarray,
    mask: np.ndarray,
    n_bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    persons: np.ndarray | None = None,
) -> list[OPEResult]:
    """`direct` of P policies at once, on the same resamples. v (P, N, T), mask (N, T)."""
    check_shapes(mask, {}, {"v": v})
    stays = align_stays(mask)
    first = stays.take(v, 0.0)[:, :, 0]  # (P, n)
    if not np.isfinite(first).all():
        raise ValueError("v must be finite at the first step of every stay")
    owner = person_numbers(persons, stays.rows, len(mask))
    counts = resample_counts(stays.n, n_bootstrap, bootstrap_seed(rng), owner)
    means = [block @ first.T / block.sum(axis=1, keepdims=True) for block in counts]
    draws = np.concatenate([np.empty((0, len(first))), *means])
    low, high = percentile_interval(draws)
    return [
        OPEResult(
            value=float(row.mean()),
            low=float(low[p]),
            high=float(high[p]),
            n=stays.n,
            ess=float(stays.n),
            zero_weight=0.0,
            max_weight=1 / stays.n,
            estimator="fqe",
        )
        for p, row in enumerate(first)
    ]
