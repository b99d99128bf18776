"""What every importance-sampling estimator starts from: checked stays, grouped by length, with cumulative ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-4  # how far above 1 rounding of float32 probabilities may go


@dataclass(frozen=True, eq=False)
class AlignedStays:
    """n stays moved to the left of their rows, so that step t is the t-th evaluated step.

    lengths (n,) >= 1; groups: positions of the stays of each length; `rows` (n,) the caller's rows that were kept;
    `order` (n, T) moves a kept row's evaluated steps to its left.
    """

    lengths: np.ndarray
    groups: tuple[np.ndarray, ...]
    rows: np.ndarray
    order: np.ndarray

    @property
    def n(self) -> int:
        return len(self.rows)

    def take(self, array: np.ndarray, padding: float) -> np.ndarray:
        """(..., N, T) of the caller -> (..., n, T) float64, left-aligned, `padding` after the last evaluated step."""
        kept = np.asarray(array, dtype=np.float64)[..., self.rows, :]
        moved = np.take_along_axis(kept, np.broadcast_to(self.order, kept.shape), axis=-1)
        return np.where(np.arange(kept.shape[-1]) < self.lengths[:, None], moved, padding)


def align_stays(mask: np.ndarray) -> AlignedStays:
    """Align and group stays. mask: (N, T) True at the steps that have a reward (`Trajectories.transition_mask`).

    Rows without such a step are left out (the stay has one step, so no decision can be valued); a ValueError where no
    row is left. Steps count from a row's first True step; False steps between True ones are skipped.
    """
    valid = np.asarray(mask, dtype=bool)
    if valid.ndim != 2:
        raise ValueError(f"mask must be (N, T), got shape {valid.shape}")
    rows = np.flatnonzero(valid.any(axis=1))
    if len(rows) == 0:
        raise ValueError("mask has no True step: there is nothing to evaluate")
    lengths = valid[rows].sum(axis=1)
    order = np.argsort(~valid[rows], axis=1, kind="stable")
    groups = tuple(np.flatnonzero(lengths == length) for length in np.unique(lengths))
    return AlignedStays(lengths, groups, rows, order)


def check_shapes(
    mask: np.ndarray, recorded: Mapping[str, np.ndarray], per_policy: Mapping[str, np.ndarray] | None = None
) -> None:
    """ValueError naming each array of the wrong shape: recorded ones are (N, T), those of policies (P, N, T)."""
    shape = np.shape(mask)
    for name, array in recorded.items():
        if np.shape(array) != shape:
            raise ValueError(f"{name} has shape {np.shape(array)}, expected (N, T) = {shape} like mask")
    for name, array in (per_policy or {}).items():
        if np.ndim(array) != 3 or np.shape(array)[1:] != shape:
            raise ValueError(f"{name} has shape {np.shape(array)[-2:]}, expected (N, T) = {shape} like mask")


def cumulative_log_ratios(stays: AlignedStays, evaluation: np.ndarray, behavior: np.ndarray) -> np.ndarray:
    """log rho_{0:t} = sum_{u <= t} log(pi(a_u|s_u) / pi_b(a_u|s_u)), -inf once the policy never takes an action given.

    evaluation (P, N, T), behavior (N, T): propensities of the action taken. Returns (P, n, T); after the last step the
    final value stays. ValueError where a propensity is not a probability, or the behavior's is 0 (the action was
    given, so it cannot be impossible: estimate with a pseudo-count).
    """
    chosen, given = stays.take(evaluation, 1.0), stays.take(behavior, 1.0)
    for name, values in (("eval_propensities", chosen), ("behavior_propensities", given)):
        if not ((values >= 0) & (values <= 1 + TOLERANCE)).all():
            raise ValueError(f"{name} must lie in [0, 1] at every masked step (no NaN)")
    if not (given > 0).all():
        raise ValueError(
            "behavior_propensities are 0 at steps where that action was given; estimate them with a pseudo-count"
        )
    with np.errstate(divide="ignore"):
        return np.cumsum(np.log(chosen) - np.log(given), axis=-1)


def discounted_returns(rewards: np.ndarray, gamma: float) -> np.ndarray:
    """G = sum_t gamma^t r_t. rewards (..., T), 0 on padding -> (...,)."""
    return np.asarray(rewards @ gamma ** np.arange(rewards.shape[-1]))
