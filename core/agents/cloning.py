"""Behavior cloning: the network gives what clinicians give; it learns no values.

loss = mean cross-entropy of the given action,  pi(a|s) = softmax(logits)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.targets import Rule

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy(logits: Tensor, actions: Tensor) -> Tensor:
    """Mean -log softmax(logits)[a] of each agent: logits (m, B, A), actions (m, B) -> (m,)."""
    taken = logits.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return (logits.logsumexp(dim=-1) - taken).mean(dim=-1)


def cloning_loss(outputs: Tensor, actions: Tensor) -> Tensor:
    """Cross-entropy (m,) of a clone that stands beside values; outputs (m, B, 2A): Q, then its logits."""
    return cross_entropy(outputs.chunk(2, dim=-1)[1], actions)


BEHAVIOR_CLONING = Rule(
    "behavior_cloning", "Behavior cloning", dueling=False, bootstrap=None, penalty=cross_entropy, tempered=False
)
