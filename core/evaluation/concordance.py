"""How often a policy's advice is what the clinician did."""

from __future__ import annotations

import numpy as np


def concordant(action_probs: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """1 where the top action is the one given, 1/m where it is one of m equal top actions, else 0.

    action_probs (..., A), actions (...) int -> (...). Ties count by share, so a uniform policy is concordant in 1/A of
    the steps rather than wherever action 0 was given.
    """
    probabilities = np.asarray(action_probs)
    top = probabilities == probabilities.max(axis=-1, keepdims=True)
    index = np.broadcast_to(actions, probabilities.shape[:-1])[..., None]
    return np.asarray(np.take_along_axis(top, index, axis=-1)[..., 0] / top.sum(axis=-1))


def concordance_rate(action_probs: np.ndarray, actions: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Share of steps in which the policy's top action is the action given (published as MCR).

    action_probs (N, T, A), actions (N, T) int, mask (N, T) or None for all. NaN where no step is masked.
    The source took it at the behavior policy's most likely action; this is at the action given.
    """
    agree = concordant(action_probs, actions)
    chosen = agree[np.asarray(mask, dtype=bool)] if mask is not None else agree.ravel()
    return float(chosen.mean()) if len(chosen) else float("nan")
