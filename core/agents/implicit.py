"""IQL: implicit Q-learning, which never asks what an action that was not given is worth.

    V(s): expectile 0.7 of Q(s, a) over the given actions,   loss = |0.7 - 1(u < 0)| u^2,  u = Q(s, a) - V(s)
    Q(s, a) -> r + gamma V_target(s'),   pi: clone weighted by exp(3 u), at most 100

Kostrikov et al. 2022. Deviations: one hidden layer serves Q, V and pi; u takes the network's own Q, not its target's;
advantages are in the unit of the rewards that are learned, so the weights want `normalize_rewards`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.targets import Batch, Rule

if TYPE_CHECKING:
    from torch import Tensor

    from core.agents.targets import QFunction

EXPECTILE = 0.7
SHARPNESS, MOST = 3.0, 100.0  # of the weights of cloning


def state_value(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V_target(s') (m, B), the last output."""
    return target(batch.next_states)[..., -1]


def implicit_loss(outputs: Tensor, actions: Tensor) -> Tensor:
    """Expectile loss of V and weighted cross-entropy of pi, (m,); outputs (m, B, 2A + 1): Q, logits of pi, V."""
    q, logits = outputs[..., :-1].chunk(2, dim=-1)
    given = actions.unsqueeze(-1)
    ahead = q.detach().gather(-1, given).squeeze(-1) - outputs[..., -1]
    expectile = EXPECTILE + (1 - 2 * EXPECTILE) * (ahead < 0)
    weight = (SHARPNESS * ahead.detach()).exp().clamp(max=MOST)
    surprise = logits.logsumexp(dim=-1) - logits.gather(-1, given).squeeze(-1)
    return (expectile * ahead.square() + weight * surprise).mean(dim=-1)


def policy_logits(outputs: Tensor) -> Tensor:
    """Logits of pi (..., A)."""
    return outputs[..., :-1].chunk(2, dim=-1)[1]


IQL = Rule(
    "iql",
    "Implicit Q-learning",
    dueling=False,
    bootstrap=state_value,
    penalty=implicit_loss,
    clones=True,
    values=True,
    preferences=policy_logits,
    tempered=False,
)
