"""Recorded returns of transitions, and the unit in which an agent's rewards are learned."""

from __future__ import annotations

import numpy as np

from core.trajectories import Transitions


def returns_to_go(transitions: Transitions, gamma: float) -> np.ndarray:
    """Discounted return from each recorded transition to the end of its stay (n,) float32.

    Transitions are in order of patient and step, as `make_transitions` gives them; where the next step is not among
    them, the return ends there.
    """
    total = transitions.rewards.astype(np.float64)
    same = (transitions.patient[1:] == transitions.patient[:-1]) & (transitions.step[1:] == transitions.step[:-1] + 1)
    follows = np.append(same, False) & ~transitions.terminals if len(total) else np.empty(0, dtype=bool)
    for step in np.unique(transitions.step)[::-1]:
        here = np.flatnonzero(follows & (transitions.step == step))
        total[here] += gamma * total[here + 1]
    return total.astype(np.float32)


def return_scale(returns: np.ndarray) -> float:
    """Root mean square of the returns (n,): with rewards in this unit values are about 1, whatever the study's weights.

    1 where there are none or all are 0. Rewards are divided, never shifted: a shift would pay for longer stays.
    """
    scale = float(np.sqrt(np.square(returns, dtype=np.float64).mean())) if len(returns) else 0.0
    return scale if scale > 0 else 1.0
