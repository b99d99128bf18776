"""One training loop for many agents at once, each on its own transitions."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig
from core.agents.networks import Networks, Shape, in_unit, new_networks, silence
from core.agents.policy import advantage_spread
from core.agents.returns import return_scale, returns_to_go
from core.agents.stack import AgentStack
from core.agents.targets import Batch, Rule
from core.base.rng import stream, torch_stream
from core.base.types import Progress
from core.trajectories import Transitions

REPORTS = 100  # Progress reports per training
LOSS_WINDOW = 100  # updates that an agent's reported loss averages over, fading


def train_agents(
    config: AgentConfig,
    transitions: Transitions,
    memberships: Sequence[np.ndarray],
    *,
    n_actions: int,
    columns: Sequence[str] = (),
    keys: Sequence[str] | None = None,
    unindicated: np.ndarray | None = None,
) -> Generator[Progress, None, AgentStack]:
    """Train one agent per membership; yields `Progress` (metric td_loss) and returns the `AgentStack`.

        y = r + gamma V(s') (1 - done),   loss = mean (Q(s, a) - y)^2 + penalty     (V and penalty: the config's rule)

    With `normalize_rewards` r is in units of the root mean square of the agent's recorded returns, so that Adam's step
    and the penalty mean the same whatever the study's weights; values and td_loss are scaled back.

    memberships: per agent, indices into the transitions or a boolean mask over them; they may overlap. `keys` name the
    agents ("K3/0"; default: their position) and choose their random streams, so an agent is the same whichever others
    are trained beside it. `columns` are the state columns, kept with the weights. `unindicated` (n,): True where the
    drug is not indicated in a transition's next state, for rules that know of it (None: nowhere).

    An epoch visits a random order of the agent's transitions in floor(n/batch_size) minibatches without replacement;
    the remainder waits for the next epoch's order. With fewer transitions than one minibatch, they are repeated in turn
    to fill one, which leaves the mean loss and BatchNorm's statistics those of the transitions themselves. An agent
    without transitions knows nothing: its Q is 0 everywhere and its policy uniform. Next states are valued in
    evaluation mode, as the agent will act. Raises `ValueError` for memberships outside the transitions or doubled keys.
    """
    members = [_as_indices(membership, len(transitions)) for membership in memberships]
    names = [str(i) for i in range(len(members))] if keys is None else list(keys)
    if len(names) != len(members) or len(set(names)) != len(names):
        raise ValueError(f"{len(members)} memberships need as many different keys, got {names}.")
    rule = CATALOG[config.algorithm]
    shape = Shape(transitions.states.shape[-1], config.hidden_size, n_actions, rule.dueling, rule.clones, rule.values)
    updates = np.array([config.epochs * _batches(len(m), config.batch_size) for m in members], dtype=np.int64)
    order = np.argsort(-updates, kind="stable")  # agents with most updates first, so the unfinished are leading rows
    generators = [torch_stream(config.seed, "agent", names[i], "weights") for i in order]
    networks = new_networks(shape, generators, config.device)
    feeds = [_minibatches(members[i], config, names[i]) for i in order]
    losses = np.zeros(len(members))
    scales = _scales(config, transitions, members)[order]
    data = _Data(transitions, unindicated, scales, config.device)
    yield from _fit(config, rule, networks, data, feeds, updates[order], losses)
    in_unit(networks, scales)
    silence(networks, [row for row, i in enumerate(order) if len(members[i]) == 0])
    back = np.argsort(order)
    counts = tuple(len(m) for m in members)
    stack = AgentStack(config, networks.rows(back.tolist()), tuple(names), tuple(columns), counts, losses[back])
    return replace(stack, spreads=_spreads(stack, transitions, members))


def _fit(
    config: AgentConfig,
    rule: Rule,
    networks: Networks,
    data: _Data,
    feeds: list[Iterator[np.ndarray]],
    updates: np.ndarray,
    losses: np.ndarray,
) -> Iterator[Progress]:
    """Train the rows of `networks` in place; row i gets updates[i] (decreasing) updates, then stays as it is.

    `losses` (m,) receives each row's running temporal-difference error.
    """
    total, started = int(updates.max(initial=0)), time.monotonic()
    work, spent, reported = int(updates.sum()), 0, 0
    trainer: _Trainer | None = None
    for step in range(total):
        active = int((updates > step).sum())
        if trainer is None or active < trainer.online.n:
            trainer = _Trainer(config, rule, networks.rows(slice(active)), trainer)
        indices = np.stack([next(feed) for feed in feeds[:active]])
        loss = trainer.update(data.batch(indices))
        losses[:active] += (loss.cpu().numpy() * data.scales[:active] ** 2 - losses[:active]) / min(
            step + 1, LOSS_WINDOW
        )
        spent += active
        if spent * REPORTS >= reported * work or step + 1 == total:
            reported = spent * REPORTS // work + 1
            left = (time.monotonic() - started) / spent * (work - spent)
            metrics = {"td_loss": float(losses[:active].mean())}
            yield Progress("agents", spent, work, f"{active} agent{'s' * (active > 1)} in training", metrics, left)


def _scales(config: AgentConfig, transitions: Transitions, members: list[np.ndarray]) -> np.ndarray:
    """Unit of each agent's rewards (m,); 1 where the rule learns no values."""
    if not config.normalize_rewards or CATALOG[config.algorithm].bootstrap is None:
        return np.ones(len(members))
    returns = returns_to_go(transitions, config.gamma)
    return np.array([return_scale(returns[own]) for own in members])


def _spreads(stack: AgentStack, transitions: Transitions, members: list[np.ndarray]) -> tuple[float, ...]:
    """Spread of each agent's advantages over the states of its own transitions."""
    agents = zip(stack.keys, members, strict=True)
    return tuple(advantage_spread(stack.select([key]).q_values(transitions.states[own])) for key, own in agents)


class _Data:
    """Transitions as contiguous tensors, gathered by index; rewards in the unit of the agent that asks."""

    def __init__(
        self, transitions: Transitions, unindicated: np.ndarray | None, scales: np.ndarray, device: str
    ) -> None:
        def tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device=device, dtype=dtype)

        self.device, self.scales = device, scales
        self._units = tensor(scales, torch.float32)[:, None]
        self.states = tensor(transitions.states, torch.float32)
        self.next_states = tensor(transitions.next_states, torch.float32)
        self.actions = tensor(transitions.actions, torch.int64)
        self.rewards = tensor(transitions.rewards, torch.float32)
        self.going = 1 - tensor(transitions.terminals, torch.float32)
        nowhere = np.zeros(len(transitions), dtype=bool)
        self.unindicated = tensor(nowhere if unindicated is None else unindicated, torch.float32)

    def batch(self, indices: np.ndarray) -> Batch:
        """indices (m, B) -> the minibatch of each of m agents."""
        pick = torch.from_numpy(indices).to(self.device)
        flat = pick.reshape(-1)
        rows = [tensor.index_select(0, flat).view(*pick.shape, -1) for tensor in (self.states, self.next_states)]
        rewards = self.rewards[pick] / self._units[: len(indices)]
        return Batch(rows[0], self.actions[pick], rewards, rows[1], self.going[pick], self.unindicated[pick])


class _Trainer:
    """Online and target networks of the agents still in training, with Adam's state."""

    def __init__(self, config: AgentConfig, rule: Rule, online: Networks, before: _Trainer | None) -> None:
        self.config, self.rule, self.online = config, rule, online
        for parameter in online.parameters:
            parameter.requires_grad_(True)
        self.adam = torch.optim.Adam(online.parameters, lr=config.lr, fused=True)
        if before is None:
            self.target, self.n_updates = online.copy(), 0
            return
        self.target, self.n_updates = before.target.rows(slice(online.n)), before.n_updates
        for old, new in zip(before.online.parameters, online.parameters, strict=True):
            state = before.adam.state[old]
            kept = {name: value if name == "step" else value[: online.n] for name, value in state.items()}
            self.adam.state[new] = kept

    def update(self, batch: Batch) -> Tensor:
        """One Adam step of every agent; returns each agent's squared temporal-difference error, or its penalty where
        the rule learns no values (m,)."""
        loss, error = self._loss(batch)
        self.adam.zero_grad()
        loss.sum().backward()  # agents share no parameter, so the sum leaves each its own gradient
        if self.rule.clip_norm is not None:
            self._clip(self.rule.clip_norm)
        self.adam.step()
        self.n_updates += 1
        if self.rule.soft_target is not None:
            self.target.pull(self.online, self.rule.soft_target)
        elif self.n_updates % self.config.target_update == 0:
            self.target.pull(self.online)
        return error.detach()

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is minimized and what is reported, (m,) each."""
        rule = self.rule
        future = None if rule.bootstrap is None else rule.bootstrap(self.online.q, self.target.q, batch)
        outputs = self.online.training_q(batch.states)
        extra = None if rule.penalty is None else rule.penalty(outputs, batch.actions)
        if future is None:
            assert extra is not None, f"rule {rule.name} has neither a bootstrap nor a penalty"
            return extra, extra
        y = batch.rewards + self.config.gamma * future * batch.going
        taken = outputs.gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
        error = (taken - y).square().mean(dim=1)
        return (error if extra is None else error + extra), error

    def _clip(self, bound: float) -> None:
        gradients = [parameter.grad.flatten(1) for parameter in self.online.parameters if parameter.grad is not None]
        norm = torch.cat(gradients, dim=1).norm(dim=1, keepdim=True)
        for gradient in gradients:
            gradient.mul_((bound / (norm + 1e-6)).clamp(max=1))


def _as_indices(membership: np.ndarray, n: int) -> np.ndarray:
    membership = np.asarray(membership)
    if membership.dtype == bool:
        if membership.shape != (n,):
            raise ValueError(f"a membership mask must have shape ({n},), got {membership.shape}.")
        return np.flatnonzero(membership)
    if membership.size and (membership.min() < 0 or membership.max() >= n):
        raise ValueError(f"memberships must index the {n} transitions, got {membership.min()}..{membership.max()}.")
    return membership.astype(np.int64)


def _batches(n: int, batch_size: int) -> int:
    """Minibatches per epoch of an agent with n transitions."""
    return max(1, n // batch_size) if n else 0


def _minibatches(members: np.ndarray, config: AgentConfig, name: str) -> Iterator[np.ndarray]:
    """Transition indices (batch_size,) of each update of one agent."""
    size = config.batch_size
    for epoch in range(config.epochs):
        order = stream(config.seed, "agent", name, "epoch", epoch).permutation(members)
        if 0 < len(order) < size:
            order = np.resize(order, size)
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]
