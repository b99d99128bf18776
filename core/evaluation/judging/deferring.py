"""A policy that does as clinicians do in part: what the dial, the pessimistic step and the gate all have in common.

    pi(a|h) = d(h) b(a|h) + (1 - d(h)) own(a|h)

Where it defers, its action is the recorded one: ratio 1, and q of the action taken in place of a mean under estimated
probabilities. So an error of the estimated clinicians touches only what a policy does on its own, and a policy that
always defers is worth exactly the recorded mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.evaluation.judging.histories import Histories


@dataclass(frozen=True, eq=False)
class Deferring:
    """own (N, T, A) probabilities of the policy where it decides itself; deferred (N, T) probability d that it does as
    clinicians do (None: 0, it never defers). Padding is never read."""

    name: str
    own: np.ndarray
    deferred: np.ndarray | None = None

    def toward(self, share: float) -> Deferring:
        """The dial: this policy with probability `share`, else as clinicians do. ValueError outside [0, 1]."""
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in [0, 1], got {share}")
        kept = 1.0 if self.deferred is None else 1.0 - self.deferred
        deferred = np.broadcast_to(1.0 - share * kept, self.own.shape[:2])
        return replace(self, name=f"{self.name} at {share:g}", deferred=deferred)

    def only(self, chosen: np.ndarray) -> Deferring:
        """The same policy at the chosen stays alone, (N,) bool."""
        return replace(self, own=self.own[chosen], deferred=None if self.deferred is None else self.deferred[chosen])

    def share(self, histories: Histories) -> np.ndarray:
        """(m,) d at each step."""
        if self.deferred is None:
            return np.zeros(len(histories.stay))
        return histories.flat(self.deferred).astype(np.float64)

    def weights(self, histories: Histories) -> np.ndarray:
        """(m, A) d on the action taken plus (1 - d) own; rows sum to 1."""
        d, own = self.share(histories)[:, None], histories.flat(self.own).astype(np.float64)
        return np.asarray(d * histories.taken() + (1 - d) * own)

    def log_ratios(self, histories: Histories, behavior: np.ndarray) -> np.ndarray:
        """(m,) log of d + (1 - d) own / b at the actions taken, -inf where never taken. behavior (m,) b, above 0."""
        if not (behavior > 0).all():
            raise ValueError("behavior propensities must be above 0 at every action taken")
        d = self.share(histories)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(d + (1 - d) * (self.chance(histories) / behavior)))

    def chance(self, histories: Histories) -> np.ndarray:
        """(m,) probability of the action taken, where the policy decides itself."""
        actions = histories.flat(histories.actions)[:, None]
        return np.asarray(np.take_along_axis(histories.flat(self.own), actions, axis=1)[:, 0])

    def tilted(self, histories: Histories, behavior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) fixed and moved part of each ratio, fixed + l moved where hidden causes multiply the odds of the action
        taken by 1 / l: d + (1 - d) own and (1 - d) own (1/b - 1). behavior (m,) b."""
        d, own = self.share(histories), self.chance(histories)
        return d + (1 - d) * own, (1 - d) * own * (1 / behavior - 1)


def always_deferring(histories: Histories) -> Deferring:
    """The clinicians themselves."""
    shape = histories.mask.shape
    own = np.broadcast_to(np.full(histories.n_actions, 1 / histories.n_actions), (*shape, histories.n_actions))
    return Deferring("clinicians", own, np.broadcast_to(1.0, shape))
