"""A 3-state MDP with its values by hand, and random transitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from core.trajectories import Transitions

GAMMA = 0.9


@dataclass(frozen=True)
class Chain:
    """States 0, 1, 2 (one-hot); action 0 stays, action 1 moves right and ends after state 2.

    Staying pays 0.5; moving pays -1 from states 0 and 1 and 10 from state 2, where it ends.
    By hand with gamma = 0.9, going right throughout: Q*(2, 1) = 10, Q*(1, 1) = -1 + 9 = 8, Q*(0, 1) = -1 + 7.2 = 6.2;
    staying once: Q*(s, 0) = 0.5 + 0.9 V*(s).
    """

    transitions: Transitions
    gamma: float
    q: np.ndarray  # (3, 2)

    @property
    def states(self) -> np.ndarray:
        return np.eye(3, dtype=np.float32)


@pytest.fixture
def chain() -> Callable[[int], Chain]:
    def build(n: int) -> Chain:
        rng = np.random.default_rng(7)
        state, action = rng.integers(3, size=n), rng.integers(2, size=n)
        eye = np.eye(3, dtype=np.float32)
        terminals = (state == 2) & (action == 1)
        rewards = np.where(action == 0, 0.5, np.where(state == 2, 10.0, -1.0)).astype(np.float32)
        after = np.minimum(state + action, 2)
        right = np.array([6.2, 8.0, 10.0])
        q = np.stack([0.5 + GAMMA * right, right], axis=1)
        index = np.arange(n)
        moves = Transitions(eye[state], action, rewards, eye[after], terminals, index, np.zeros(n, dtype=np.int64))
        return Chain(moves, GAMMA, q)

    return build


@pytest.fixture
def random_transitions() -> Callable[..., Transitions]:
    def build(n: int, n_columns: int = 6, n_actions: int = 5, seed: int = 0) -> Transitions:
        rng = np.random.default_rng(seed)
        states = rng.normal(size=(n + 1, n_columns)).astype(np.float32)
        actions = rng.integers(n_actions, size=n)
        rewards = (states[:-1, 0] * (actions - 2) + rng.normal(size=n)).astype(np.float32)
        ends = rng.random(n) < 0.1
        patient = np.concatenate([[0], np.cumsum(ends)[:-1]]) if n else np.empty(0, dtype=np.int64)
        return Transitions(states[:-1], actions, rewards, states[1:], ends, patient, np.arange(n))

    return build
