"""Recorded transitions of one decision as its Q-network learns from them, or is held against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.registry.view import RegistryView

if TYPE_CHECKING:
    from core.registry.fit.dqn import Moves


def moves_of(view: RegistryView, decision: str, here: np.ndarray) -> Moves:
    """Of the points of a decision that are asked for, (n,) bool, each followed."""
    from core.registry.fit.dqn import Moves
    from core.registry.fit.screening import screened

    data, rows = view.points[decision], np.flatnonzero(here)
    after = np.where(data.next[rows] >= 0, data.next[rows], rows)
    inputs = view.inputs[decision]
    following = inputs.transform(data.states[after], data.stage[after])
    allowed = None
    if view.config.dqn.look_ahead == "screened":
        allowed = screened(view.screening(decision).probs(following), view.screen.n, view.screen.threshold)
    return Moves(
        states=inputs.transform(data.states[rows], data.stage[rows]),
        actions=view.catalogs[decision].encode(data.drugs[rows]),
        rewards=data.rewards[rows],
        next_states=following,
        terminals=data.terminal[rows],
        bounds=_bounds(view, decision, data.stage[rows]),
        allowed=allowed,
    )


def _bounds(view: RegistryView, decision: str, stage: np.ndarray) -> np.ndarray:
    """(n, 2) least and most that the decision's stages after each one can pay, discounted to the next stage."""
    later = (np.asarray(view.spec.decision(decision).stages) > stage[:, None]).sum(axis=1)
    later += np.where(later > 0, view.spec.after_last(decision), 0)
    paid = np.concatenate([[0.0], np.cumsum(view.spec.gamma ** np.arange(later.max(initial=0)))])[later]
    rewards = view.spec.rewards.values()
    return np.stack([min(0.0, *rewards) * paid, max(0.0, *rewards) * paid], axis=1)
