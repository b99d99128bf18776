"""What a policy looks like: propensities, values, entropy, shares of actions, reference policies."""

from __future__ import annotations

import numpy as np


def propensities(action_probs: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """pi(a_t|s_t) of the action given. action_probs (..., A), actions (...) int -> (...)."""
    index = np.broadcast_to(actions, np.shape(action_probs)[:-1])[..., None]
    return np.take_along_axis(np.asarray(action_probs), index, axis=-1)[..., 0]


def state_values(action_probs: np.ndarray, q: np.ndarray) -> np.ndarray:
    """V(s) = sum_a pi(a|s) Q(s, a). Both (..., A) -> (...)."""
    return np.asarray((np.asarray(action_probs) * np.asarray(q)).sum(axis=-1))


def random_policy(shape: tuple[int, ...], n_actions: int) -> np.ndarray:
    """Every action equally likely, (*shape, A) float32."""
    return np.full((*shape, n_actions), 1 / n_actions, dtype=np.float32)


def zero_drug_policy(shape: tuple[int, ...], n_actions: int) -> np.ndarray:
    """Never the drug: all probability on action 0, (*shape, A) float32."""
    probabilities = np.zeros((*shape, n_actions), dtype=np.float32)
    probabilities[..., 0] = 1
    return probabilities


def epsilon_soft(action_probs: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 - epsilon) on the top action plus epsilon / A on each; epsilon = 0 is greedy. (..., A) -> (..., A)."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must lie in [0, 1], got {epsilon}")
    probabilities = np.asarray(action_probs)
    n_actions = probabilities.shape[-1]
    top = probabilities.argmax(axis=-1)[..., None] == np.arange(n_actions)
    return np.asarray(((1 - epsilon) * top + epsilon / n_actions).astype(probabilities.dtype))


def policy_entropy(action_probs: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean entropy of a policy over the steps, divided by log A: 1 is uniform dosing, 0 is certain.

    action_probs (..., A), mask (...) or None for all steps. NaN where no step is masked.
    """
    chosen = _steps(action_probs, mask)
    n_actions = chosen.shape[-1]
    if n_actions < 2:
        return 0.0
    logs = np.log(np.where(chosen > 0, chosen, 1.0))
    return _mean(-(chosen * logs).sum(axis=-1) / np.log(n_actions))


def unsupported_share(
    action_probs: np.ndarray, behavior_probs: np.ndarray, mask: np.ndarray | None = None, floor: float = 0.01
) -> float:
    """Share of steps whose top action clinicians give with probability below `floor`: advice without data behind it.

    action_probs, behavior_probs (..., A), mask (...) or None.
    """
    chosen = _steps(action_probs, mask)
    support = propensities(_steps(behavior_probs, mask), chosen.argmax(axis=-1))
    return _mean(support < floor)


def action_shares(action_probs: np.ndarray, mask: np.ndarray | None = None, top: bool = True) -> np.ndarray:
    """Share of steps on which each action is the top one (top=False: mean probability of each action), (A,).

    action_probs (..., A), mask (...) or None.
    """
    chosen = _steps(action_probs, mask)
    if top:
        return given_shares(chosen.argmax(axis=-1), chosen.shape[-1])
    return chosen.mean(axis=0) if len(chosen) else np.full(chosen.shape[-1], np.nan)


def given_shares(actions: np.ndarray, n_actions: int, mask: np.ndarray | None = None) -> np.ndarray:
    """Share of steps on which each action was given, (A,). actions (...) int, mask (...) or None."""
    given = np.asarray(actions)[np.asarray(mask, dtype=bool)] if mask is not None else np.ravel(actions)
    if len(given) == 0:
        return np.full(n_actions, np.nan)
    return np.bincount(given, minlength=n_actions) / len(given)


def _steps(array: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """(n, A) float64 masked steps of (..., A)."""
    values = np.asarray(array)
    chosen = values.reshape(-1, values.shape[-1]) if mask is None else values[np.asarray(mask, dtype=bool)]
    return chosen.astype(np.float64)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
