"""The gate between a policy and its recommendation: advise where the records lean, claim only where they show.

Along the dial, candidate a does as the policy with probability a, else as clinicians do. The candidate with the largest
lower bound difference - z SE is advised if that bound is above 0, else the advice is to do as clinicians do. A gain is
claimed only where the advised difference exceeds `claim_z` standard errors, corrected for the choice among candidates:
advice that follows clinicians where it knows little costs next to nothing when wrong, a claim does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from core.evaluation.judging.mix import Judged

DIALS = (0.25, 0.5, 1.0)
CLINICIANS = "clinicians"


@dataclass(frozen=True)
class GateSettings:
    """advise_z: standard errors below which a candidate is not advised; claim_z: those of one candidate's claim;
    fewest: effective stays that a candidate must have more of to be any evidence."""

    advise_z: float = 1.0
    claim_z: float = 1.96
    fewest: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.advise_z <= self.claim_z or self.fewest < 0:
            given = f"{self.advise_z}, {self.claim_z} and {self.fewest}"
            raise ValueError(f"advise_z must lie in 0..claim_z and fewest be at least 0, got {given}")

    @classmethod
    def of_floor(cls, floor: float) -> GateSettings:
        """Those of a run: what is graded "not supported", by less than a third of the floor, is never advised."""
        return cls(fewest=floor / 3)


@dataclass(frozen=True)
class Advice:
    """recommended: name of a candidate or "clinicians"; chosen: its judgment, None for the clinicians; claims: its gain
    may be called one; claim_z: standard errors that this took, corrected for `n_candidates`."""

    recommended: str
    chosen: Judged | None
    claims: bool
    claim_z: float
    n_candidates: int

    def __str__(self) -> str:
        return self.text(self.recommended)

    def text(self, name: str, who: str = CLINICIANS) -> str:
        """The advice in a sentence, the recommended candidate under this name; who: those who treated."""
        if self.chosen is None:
            return f"Follow what {who} do: the records do not show better."
        gain = self.chosen.difference
        what = f"{name}: {gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f}) against the {who}"
        if self.claims:
            return f"{what}; the records show a gain."
        return f"{what}; advised, but the records do not prove a gain."


def corrected_z(z: float, n_candidates: int) -> float:
    """Standard errors for one of n candidates chosen for its value, at the two-sided level of z (Bonferroni)."""
    return float(-ndtri(ndtr(-z) / max(n_candidates, 1)))


def gate(candidates: Sequence[Judged], settings: GateSettings | None = None) -> Advice:
    """Choose among candidates, or the clinicians. Candidates that no recorded stay follows (ESS 0) are no evidence, nor
    are those that too few follow."""
    settings = settings or GateSettings()
    needed = corrected_z(settings.claim_z, len(candidates))
    followed = [one for one in candidates if one.difference.ess > settings.fewest and np.isfinite(one.difference.se)]
    bounds = [one.difference.value - settings.advise_z * one.difference.se for one in followed]
    if not bounds or max(bounds) <= 0:
        return Advice(CLINICIANS, None, False, needed, len(candidates))
    best = followed[int(np.argmax(bounds))]
    claims = best.difference.value >= needed * best.difference.se
    return Advice(best.name, best, bool(claims), needed, len(candidates))
