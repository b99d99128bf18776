"""Deep Q-learning from the recorded transitions of one decision, with a replay memory; no new actions are tried.

    y = r + gamma V(s') (1 - done),   V(s') = max_a Q'(s', a),   loss = mean (Q(s, a) - y)^2
    Q' <- Q' + tau (Q - Q') at every step

Done: death, relapse, or the decision's last stage. Transitions whose outcome was not recorded (lost to follow-up) are
left out. Double DQN, where it is asked for, lets Q choose the next action and Q' value it.

Two things keep the maximum over hundreds of combinations, most of them never seen at s', from feeding on its own errors
(left alone, it diverges on the simulated registry). V(s') is kept within `bounds`, the least and the most that the
stages that are left can pay: a fact about the rewards. And where `allowed` is given, the maximum is over combinations
that experts may choose at s', the same screen as that of the recommendation.
Source: Liu et al. 2019 (8 -> 32 -> 64 -> actions, memory 20,000, lr 1e-3, tau 0.01, gamma 0.99).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.base.rng import stream, torch_stream
from core.base.types import Progress
from core.registry.config import DQNConfig
from core.registry.fit.layers import Layers
from core.registry.fit.networks import learned, new_network

REPORTS = 50  # Progress reports per training
LOSS_WINDOW = 200  # updates that the reported loss averages over, fading


@dataclass(frozen=True, eq=False)
class Moves:
    """n recorded transitions: states, next_states (n, D) float32, actions (n,), rewards (n,), terminals (n,) bool.

    bounds: (n, 2) least and largest value that the next state can have; allowed: (n, A) bool actions to look ahead to
    (None: all).
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_states: np.ndarray
    terminals: np.ndarray
    bounds: np.ndarray
    allowed: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.actions)


class ReplayMemory:
    """The latest transitions of an endless walk over the recorded ones, and uniform draws from them.

    A record that fits stays in memory whole. A longer one passes through it in random order: every update brings as
    many new transitions as it draws, and the oldest leave.
    """

    def __init__(self, n: int, capacity: int, rng: np.random.Generator) -> None:
        self._n, self._rng, self._capacity = n, rng, min(n, capacity)
        self._walk = rng.permutation(n)
        self._held = self._walk[: self._capacity].copy()
        self._next, self._oldest = self._capacity, 0

    @property
    def held(self) -> np.ndarray:
        """Transitions in memory, by index."""
        return self._held

    def draw(self, size: int) -> np.ndarray:
        """(size,) transitions in memory, drawn with replacement; then new ones come in."""
        drawn = self._held[self._rng.integers(0, self._capacity, size)]
        if self._capacity < self._n:
            self._push(size)
        return drawn

    def _push(self, size: int) -> None:
        for _ in range(size):
            if self._next == self._n:
                self._walk, self._next = self._rng.permutation(self._n), 0
            self._held[self._oldest] = self._walk[self._next]
            self._next, self._oldest = self._next + 1, (self._oldest + 1) % self._capacity


def train_dqn(
    config: DQNConfig, moves: Moves, n_actions: int, gamma: float, *, name: str, seed: int
) -> Generator[Progress, None, Layers]:
    """Train the Q-network of one decision; yields `Progress` (metric td_loss) and returns what it learned.

    gamma: the registry's discount per stage. `name` chooses the random streams. Raises `ValueError` without
    transitions.
    """
    if len(moves) == 0:
        raise ValueError(f"the Q-network of {name} treatment needs at least one recorded transition")
    sizes = (moves.states.shape[1], *config.hidden_sizes, n_actions)
    online = new_network(sizes, torch_stream(seed, "registry", "dqn", name, "weights"))
    target = copy.deepcopy(online)
    memory = ReplayMemory(len(moves), config.memory, stream(seed, "registry", "dqn", name, "memory"))
    tensors = _Tensors(moves)
    adam = torch.optim.Adam(online.parameters(), lr=config.lr, fused=True)
    started, loss = time.monotonic(), 0.0
    for update in range(1, config.updates + 1):
        error = _update(config, gamma, online, target, adam, tensors.batch(memory.draw(config.batch_size)))
        loss += (error - loss) / min(update, LOSS_WINDOW)
        if update == config.updates or update % max(1, config.updates // REPORTS) == 0:
            left = (time.monotonic() - started) / update * (config.updates - update)
            message = f"{name}: {len(moves):,} transitions, {n_actions} combinations"
            yield Progress(f"dqn {name}", update, config.updates, message, {"td_loss": loss}, left)
    return learned(online)


class _Tensors:
    """Transitions as tensors, gathered by index."""

    def __init__(self, moves: Moves) -> None:
        columns = (
            moves.states.astype(np.float32),
            moves.actions.astype(np.int64),
            moves.rewards.astype(np.float32),
            moves.next_states.astype(np.float32),
            1 - moves.terminals.astype(np.float32),
            *moves.bounds.astype(np.float32).T,
            *(() if moves.allowed is None else (np.where(moves.allowed, 0, -np.inf).astype(np.float32),)),
        )
        self._rows = tuple(torch.from_numpy(np.ascontiguousarray(column)) for column in columns)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """States, actions, rewards, next states, 1 - done, both bounds, and where given 0 or -inf for each action."""
        pick = torch.from_numpy(indices)
        return tuple(rows[pick] for rows in self._rows)


def _update(
    config: DQNConfig,
    gamma: float,
    online: nn.Sequential,
    target: nn.Sequential,
    adam: torch.optim.Adam,
    batch: tuple[Tensor, ...],
) -> float:
    """One step of Adam and one of the target network; the squared temporal-difference error before it."""
    states, actions, rewards, next_states, going, least, most, *closed = batch
    with torch.no_grad():
        ahead = target(next_states)
        judged = online(next_states) if config.algorithm == "double_dqn" else ahead
        best = (judged + closed[0] if closed else judged).argmax(dim=1, keepdim=True)
        value = ahead.gather(1, best).squeeze(1).clamp(least, most)
        y = rewards + gamma * value * going
    taken = online(states).gather(1, actions.unsqueeze(1)).squeeze(1)
    loss = (taken - y).square().mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), config.tau)
    return float(loss.detach())
