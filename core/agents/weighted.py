"""WD3QNE: a weighted dueling double deep Q-network that knows where the drug is not indicated.

    a = argmax_b Q_online(s', b),  a* = argmax_b Q_target(s', b)
    phi, sigma = shares of Q_target(s', a), Q_target(s', a*) in the sum of Q_target(s', b) over b
    V(s') = p Q_target(s', a) + (1 - p) Q_target(s', a*),  p = phi / (phi + sigma)

Where the drug is not indicated in s', V(s') = Q_target(s', 0), the value of giving none. Wu et al. 2023, as He et al.
2025 use it. Shares of a sum over values of both signs have no bounds; so where a value is negative, all of the state's
are lifted until the lowest is 0, which keeps 0 <= p <= 1/2 and leaves states of positive values as published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.targets import Batch, Rule

if TYPE_CHECKING:
    from torch import Tensor

    from core.agents.targets import QFunction


def weighted_target(online: QFunction, target: QFunction, batch: Batch) -> Tensor:
    """V(s') (m, B)."""
    q = target(batch.next_states)
    best = online(batch.next_states).argmax(dim=-1, keepdim=True)
    chosen, highest = q.gather(-1, best).squeeze(-1), q.amax(dim=-1)
    lift = q.amin(dim=-1).clamp(max=0)
    phi, sigma = chosen - lift, highest - lift
    total = phi + sigma
    p = (phi / total.clamp(min=1e-12)).where(total > 0, 0.5)  # all values 0: both actions are worth the same
    mixed = p * chosen + (1 - p) * highest
    return mixed.where(batch.unindicated == 0, q[..., 0])


WD3QNE = Rule("wd3qne", "WD3QNE", dueling=True, bootstrap=weighted_target)
