"""Learning rules, and those of the DQN family: what each one bootstraps from.

A rule is data: which heads the network has, the value V(s') it bootstraps from, and optional extras. The loop in
`core.agents.train` turns it into y = r + gamma V(s') (1 - done), and its loss is mean (Q(s, a) - y)^2 + penalty; a rule
without a bootstrap learns by its penalty alone. Only tensor methods are used in rules, so reading the catalog does not
load torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.agents.policy import action_probs

if TYPE_CHECKING:
    from torch import Tensor

    # states (m, B, D) -> outputs (m, B, A), in evaluation mode; Q, and for a rule that clones, A logits after it
    QFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """One minibatch of each of m agents: states and next_states (m, B, D), the rest (m, B); going is 1 - done,
    unindicated 1 where the drug is not indicated in the next state, 0 elsewhere."""

    states: Tensor
    actions: Tensor
    rewards: Tensor
    next_states: Tensor
    going: Tensor
    unindicated: Tensor


@dataclass(frozen=True)
class Rule:
    """A learning rule. `bootstrap(online, target, batch)` gives V(s') (m, B), None for a rule that learns no values;
    `penalty(outputs, actions)` gives (m,), added to each agent's loss; `soft_target` is the share moved into the target
    network after every update (None: a copy every `target_update` updates); `clip_norm` bounds each agent's gradient
    norm. `clones`: the network has A more outputs, logits of what clinicians give; `values`: one more after these, a
    value of the state. `preferences(outputs)` gives what the policy is the softmax of, (..., A); None: the outputs
    themselves. `tempered`: at the temperature of the
    settings; else at 1, as the policy has been learned itself."""

    name: str
    title: str
    dueling: bool
    bootstrap: Callable[[QFunction, QFunction, Batch], Tensor] | None
    penalty: Callable[[Tensor, Tensor], Tensor] | None = None
    soft_target: float | None = None
    clip_norm: float | None = None
    clones: bool = False
    values: bool = False
    preferences: Callable[[Tensor], Tensor] | None = None
    tempered: bool = True

    def probs(self, preferences: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
        """The policy of this rule, (..., A) -> (..., A); a temperature for all, or one an agent, (..., 1)."""
        return action_probs(preferences, temperature if self.tempered else 1.0)


def max_target(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V(s') = max_a Q_target(s', a). Mnih et al. 2015."""
    return target(batch.next_states).amax(dim=-1)


def double_target(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V(s') = Q_target(s', argmax_a Q_online(s', a)). van Hasselt et al. 2016."""
    best = online(batch.next_states).argmax(dim=-1, keepdim=True)
    return target(batch.next_states).gather(-1, best).squeeze(-1)


DQN = Rule("dqn", "DQN", dueling=False, bootstrap=max_target)
DOUBLE_DQN = Rule("double_dqn", "Double DQN", dueling=False, bootstrap=double_target)
DUELING_DQN = Rule("dueling_dqn", "Dueling DQN", dueling=True, bootstrap=max_target)
DUELING_DOUBLE_DQN = Rule("dueling_double_dqn", "Dueling double DQN", dueling=True, bootstrap=double_target)
