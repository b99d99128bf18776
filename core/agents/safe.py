"""SPIBB: safe policy improvement with the clinicians as its bootstrap, which departs from them only where data are.

    often(s) = {a: m G(a|s) >= n},  m = 300 states nearby, n = 15 of them given a,  G a cloned policy
    pi(a|s) = G(a|s) outside often(s);  what is left goes to argmax_{a in often(s)} Q(s, a),  ties share it
    V(s') = sum_a pi(a|s') Q_target(s', a)

Laroche et al. 2019 (Pi_b-SPIBB). Deviation: their counts are of a finite state; here the network's clone, on the hidden
layer that it shares with Q, says how many of m such states would have been given a. The policy is greedy as in the
source, so no temperature applies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.cloning import cloning_loss
from core.agents.targets import Batch, Rule

if TYPE_CHECKING:
    from torch import Tensor

    from core.agents.targets import QFunction

NEARBY, FEWEST = 300, 15  # states that a dose is counted among; times it must be given there


def safe_probs(outputs: Tensor) -> Tensor:
    """pi (..., A); outputs (..., 2A): Q, then logits of G."""
    q, logits = outputs.chunk(2, dim=-1)
    usual = logits.softmax(dim=-1)
    often = usual * NEARBY >= FEWEST
    allowed = q.where(often, -float("inf"))
    best = (often & (allowed == allowed.amax(dim=-1, keepdim=True))).float()
    free = (usual * often).sum(dim=-1, keepdim=True)
    return usual.where(~often, 0.0) + free * best / best.sum(dim=-1, keepdim=True).clamp(min=1)


def safe_value(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V(s') (m, B) of the policy that the online network makes."""
    q = target(batch.next_states).chunk(2, dim=-1)[0]
    return (safe_probs(online(batch.next_states)) * q).sum(dim=-1)


def log_probs(outputs: Tensor) -> Tensor:
    """log pi (..., A), -inf for a dose that is never chosen: the policy is its softmax."""
    return safe_probs(outputs).log()


SPIBB = Rule(
    "spibb",
    "Safe improvement (SPIBB)",
    dueling=False,
    bootstrap=safe_value,
    penalty=cloning_loss,
    clones=True,
    preferences=log_probs,
    tempered=False,
)
