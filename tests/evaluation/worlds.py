"""A small world with known truth for the mix: a hidden-free MDP of 3 states, 2 actions and 5 steps, and its stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import Situations
from core.evaluation.judging.histories import Histories

HORIZON, GAMMA = 5, 0.9
START = np.array([0.5, 0.3, 0.2])
NEXT = np.array(  # (state, action, next state)
    [[[0.7, 0.2, 0.1], [0.2, 0.6, 0.2]], [[0.3, 0.6, 0.1], [0.1, 0.2, 0.7]], [[0.2, 0.3, 0.5], [0.4, 0.3, 0.3]]]
)
REWARD = np.array([[0.0, 0.5], [1.0, -0.5], [-1.0, 1.0]])
BEHAVIOR = np.array([[0.7, 0.3], [0.6, 0.4], [0.8, 0.2]])
POLICY = np.array([[0.4, 0.6], [0.9, 0.1], [0.3, 0.7]])


def true_value(policy: np.ndarray, horizon: int = HORIZON) -> float:
    """Exact value by backward recursion."""
    v = np.zeros(3)
    for _ in range(horizon):
        v = (policy * (REWARD + GAMMA * NEXT @ v)).sum(axis=1)
    return float(START @ v)


@dataclass(frozen=True)
class Recorded:
    """Stays of the clinicians, their true propensities of the action taken (N, T), and the states (N, T)."""

    histories: Histories
    propensities: np.ndarray
    states: np.ndarray

    def policy(self, name: str = "policy", table: np.ndarray = POLICY) -> Deferring:
        return Deferring(name, table[self.states])


def record(n: int, seed: int, noise: float = 1.0) -> Recorded:
    """n stays of HORIZON steps, rewards with Gaussian noise."""
    rng = np.random.default_rng(seed)
    states, actions = np.zeros((2, n, HORIZON), dtype=int)
    state = rng.choice(3, n, p=START)
    for t in range(HORIZON):
        states[:, t] = state
        actions[:, t] = rng.random(n) < BEHAVIOR[state, 1]
        cumulative = NEXT[state, actions[:, t]].cumsum(axis=1)
        state = (rng.random(n)[:, None] > cumulative).sum(axis=1)
    rewards = REWARD[states, actions] + noise * rng.normal(size=states.shape)
    mask = np.ones(states.shape, dtype=bool)
    histories = Histories(np.eye(3)[states], actions, rewards, mask, np.array([0.0, 1.0]), gamma=GAMMA)
    return Recorded(histories, np.take_along_axis(BEHAVIOR[states], actions[..., None], axis=2)[..., 0], states)


class Tabular:
    """One feature a state and action, in place of a `FeatureMap`."""

    def situations(self, histories: Histories, chances: np.ndarray | None = None) -> Situations:
        state = histories.flat(histories.states)
        return Situations(state, state)

    def action_part(self, situations: Situations, weights: np.ndarray) -> np.ndarray:
        return (weights[:, 1:, None] * situations.modifiers[:, None]).reshape(len(weights), -1)
