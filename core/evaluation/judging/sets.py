"""Actions that are sets of parts, as combinations of drugs: critics see the parts, ratios see the very set.

Of hundreds of combinations most are given a few times, and one weight each would learn nothing; of their drugs each is
given often. phi is linear in the parts, so its mean under a policy is phi at the shares in which the policy gives each
part. What a policy is weighed by stays its probability of the whole set that was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.histories import Histories


@dataclass(frozen=True, eq=False)
class SetHistories(Histories):
    """Histories whose actions are sets: parts (N, T, P) 0/1 of what was given, after the reference "nothing".

    `actions` say whether anything was given, and `doses` hold one entry for nothing and one for each part.
    """

    parts: np.ndarray = field(kw_only=True)

    BY_STAY = (*Histories.BY_STAY, "parts")

    @classmethod
    def of(
        cls,
        states: np.ndarray,
        parts: np.ndarray,
        rewards: np.ndarray,
        mask: np.ndarray,
        gamma: float,
        follow_up: np.ndarray | None = None,
    ) -> SetHistories:
        """From states (N, T, D), parts (N, T, P), rewards, mask and follow_up (N, T); every stay is its own person."""
        anything = np.asarray(parts.any(axis=2), dtype=np.int64)
        doses = np.append(0.0, np.ones(parts.shape[2]))
        return cls(states, anything, rewards, mask, doses, None, None, gamma, follow_up, parts=parts)

    def taken(self) -> np.ndarray:
        """(m, 1 + P) nothing or not, and the parts."""
        given = self.flat(self.parts).astype(np.float64)
        return np.concatenate([~given.any(axis=1, keepdims=True), given], axis=1)


@dataclass(frozen=True, eq=False)
class DeferringSets(Deferring):
    """own (N, T, 1 + P): how likely the policy gives nothing, and each part; taken (N, T): its probability of the set
    that was given.

    Several decisions of a step make one set. left (N, T): of what was given, the clinicians' probability of the part
    whose decision the policy leaves to them, a factor of `taken` and of their own probability; None: it leaves none.
    """

    taken: np.ndarray = field(kw_only=True)
    left: np.ndarray | None = field(default=None, kw_only=True)

    def only(self, chosen: np.ndarray) -> DeferringSets:
        """The same policy at the chosen stays alone, (N,) bool."""
        deferred, left = (None if part is None else part[chosen] for part in (self.deferred, self.left))
        return replace(self, own=self.own[chosen], deferred=deferred, taken=self.taken[chosen], left=left)

    def chance(self, histories: Histories) -> np.ndarray:
        """(m,) probability of the set that was given, where the policy decides itself."""
        return histories.flat(self.taken)

    def tilted(self, histories: Histories, behavior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As of any policy, of the decisions that it makes itself: causes of those that it leaves move nothing."""
        left = 1.0 if self.left is None else histories.flat(self.left)
        d, own = self.share(histories), self.chance(histories) / left
        return d + (1 - d) * own, (1 - d) * own * (left / behavior - 1)
