"""CQL: conservative Q-learning, which lowers the values of actions that clinicians did not give.

loss = mean (Q(s, a) - y)^2 + 0.05 mean (log sum_b exp Q(s, b) - Q(s, a))        Kumar et al. 2020, discrete form
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.targets import Rule, max_target

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 0.05


def conservative_penalty(outputs: Tensor, actions: Tensor) -> Tensor:
    """Q (m, B, A), actions (m, B) -> (m,)."""
    taken = outputs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return WEIGHT * (outputs.logsumexp(dim=-1) - taken).mean(dim=-1)


CQL = Rule(
    "cql",
    "Conservative Q-learning",
    dueling=False,
    bootstrap=max_target,
    penalty=conservative_penalty,
    soft_target=0.005,
    clip_norm=5.0,
)
