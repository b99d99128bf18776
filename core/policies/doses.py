"""What policies recommend beside what was given: shares, differences with their counts, disagreement, support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class DoseMap:
    """Recommended minus given share of each action in each cell (a severity bin or a phenotype).

    difference (C, A) in -1..1, NaN for an empty cell; recommended, given (C, A); count (C, A) recorded steps of the
    cell with that action: the data behind what is said about it; steps (C,) recorded steps of the cell.
    """

    difference: np.ndarray
    recommended: np.ndarray
    given: np.ndarray
    count: np.ndarray
    steps: np.ndarray


def dose_map(probs: np.ndarray, actions: np.ndarray, cells: np.ndarray, n_cells: int) -> DoseMap:
    """Mean recommended probability minus share given, cell by cell.

    probs (n, A) of a policy on real steps; actions (n,) given; cells (n,) 0..C-1.
    """
    n_actions = probs.shape[1]
    count = np.bincount(cells * n_actions + actions, minlength=n_cells * n_actions).reshape(n_cells, n_actions)
    steps = count.sum(axis=1)
    summed = np.stack([np.bincount(cells, weights=probs[:, a], minlength=n_cells) for a in range(n_actions)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recommended, given = summed / steps[:, None], count / steps[:, None]
    return DoseMap(recommended - given, recommended, given, count, steps)


def total_variation(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """0.5 sum_a |p_a - q_a|: the share of doses in which two policies differ; (..., A) -> (...)."""
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))


def expert_disagreement(weights: np.ndarray, probs: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """sum_k w_k TV(pi_k, fused): how far the policies that are mixed are apart; 0 where one of them decides alone.

    weights (..., K), probs (..., K, A), fused (..., A) -> (...).
    """
    return np.asarray((weights * total_variation(probs, fused[..., None, :])).sum(axis=-1))


def unsupported_shares(probs: np.ndarray, behavior: np.ndarray, floors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the recommendations that clinicians give with probability below each floor: (F,) top dose, (F,) mass.

    probs, behavior (n, A) on real steps; `mass` counts all recommended probability, `top` only the likeliest dose.
    """
    top = behavior[np.arange(len(probs)), probs.argmax(axis=1)]
    below_top = np.array([(top < floor).mean() for floor in floors])
    below_mass = np.array([(probs * (behavior < floor)).sum(axis=1).mean() for floor in floors])
    return below_top, below_mass


def equal_options(values: np.ndarray, tolerance: np.ndarray | float) -> list[list[int]]:
    """Actions from best to worst, near-equivalent ones together: a group holds all within `tolerance` of its best.

    values (A,) expected returns; tolerance: one number, or (A,) half widths of which the larger of the two counts. All
    must be finite, else `ValueError`.
    Set-valued advice after Tang and Wiens 2020: options whose values cannot be told apart are offered together.
    """
    width = np.broadcast_to(np.asarray(tolerance, dtype=float), np.shape(values))
    if not (np.isfinite(values).all() and np.isfinite(width).all()):
        raise ValueError(f"options are told apart by finite values and tolerances; got {values} and {tolerance}")
    left, groups = list(np.argsort(-np.asarray(values), kind="stable")), []
    while left:
        best = left[0]
        near = [int(a) for a in left if values[best] - values[a] <= max(width[best], width[a])]
        groups.append(near)
        left = [a for a in left if a not in near]
    return groups
