"""Q by gradient boosting, for fitted Q iteration that refits; kept in memory only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.agents.config import FQIConfig
from core.agents.q_forest import with_action
from core.rng import derive_seed


@dataclass(frozen=True, eq=False)
class BoostedQ:
    """`joint`: one model of (s, one-hot a). `per_action`: a model of s, plus one per action on its residuals, or None
    where the action has fewer transitions than two leaves need."""

    base: Any
    own: tuple[Any, ...] | None
    n_actions: int

    def q_values(self, states: np.ndarray) -> np.ndarray:
        """Q at states (..., D): (..., A) float32."""
        states = np.asarray(states, dtype=np.float32)
        rows = states.reshape(-1, states.shape[-1])
        out = np.empty((len(rows), self.n_actions), dtype=np.float32)
        if self.own is None:
            for action in range(self.n_actions):
                out[:, action] = self.base.predict(with_action(rows, np.full(len(rows), action), self.n_actions))
        else:
            out[:] = self.base.predict(rows)[:, None]
            for action, model in enumerate(self.own):
                if model is not None:
                    out[:, action] += model.predict(rows)
        return out.reshape(*states.shape[:-1], self.n_actions)


def fit_boosted(
    config: FQIConfig, states: np.ndarray, actions: np.ndarray, targets: np.ndarray, n_actions: int, *path: str | int
) -> BoostedQ:
    """Fit histogram gradient boosting on targets (n,); `path` names the random stream."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def boost(rows: np.ndarray, y: np.ndarray, index: int) -> Any:
        return HistGradientBoostingRegressor(
            max_iter=config.n_trees,
            max_depth=config.max_depth,
            min_samples_leaf=config.min_leaf,
            early_stopping=False,
            random_state=derive_seed(config.seed, "fqi", "boosting", *path, index),
        ).fit(rows, y)

    if config.layout == "joint":
        return BoostedQ(boost(with_action(states, actions, n_actions), targets, 0), None, n_actions)
    base = boost(states, targets, 0)
    residual = targets - base.predict(states)
    own = []
    for action in range(n_actions):
        mine = actions == action
        own.append(boost(states[mine], residual[mine], action + 1) if mine.sum() >= 2 * config.min_leaf else None)
    return BoostedQ(base, tuple(own), n_actions)
