"""Discrete BCQ: batch-constrained Q-learning, which chooses only among actions that clinicians give in such states.

    allowed(s) = {a: G(a|s) / max_b G(b|s) > 0.3},  G a cloned policy on the same hidden layer, learned by cross-entropy
    V(s') = Q_target(s', argmax_{a in allowed(s')} Q(s', a)),  pi = softmax of Q over allowed(s)

Fujimoto et al. 2019, "Benchmarking batch deep reinforcement learning algorithms".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.cloning import cloning_loss
from core.agents.targets import Batch, Rule

if TYPE_CHECKING:
    from torch import Tensor

    from core.agents.targets import QFunction

THRESHOLD = 0.3  # of the most likely action's probability


def constrained_q(outputs: Tensor) -> Tensor:
    """Q (..., A) with -inf where the action is excluded; outputs (..., 2A): Q, then logits of G."""
    q, logits = outputs.chunk(2, dim=-1)
    relative = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return q.where(relative > THRESHOLD, -float("inf"))


def constrained_target(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V(s') (m, B): double Q-learning over the actions that the online clone allows."""
    best = constrained_q(online(batch.next_states)).argmax(dim=-1, keepdim=True)
    return target(batch.next_states).gather(-1, best).squeeze(-1)


BCQ = Rule(
    "bcq",
    "Batch-constrained Q-learning",
    dueling=False,
    bootstrap=constrained_target,
    penalty=cloning_loss,
    clones=True,
    preferences=constrained_q,
)
