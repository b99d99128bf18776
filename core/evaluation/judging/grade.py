"""How far a judged difference to the clinicians may be believed: a grade, and the sentences that say why not more.

not supported  no recorded stay follows the policy, or next to none does
weak           few effective stays or patients, an interval too wide to tell anything, or memories that disagree by more
               than chance explains
supported      none of these

A policy that nobody followed has no evidence, however narrow its interval: the critic alone then speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.evaluation.judging.mix import Judged
from core.evaluation.support import Light, Support


@dataclass(frozen=True)
class GradeSettings:
    """ess: effective stays below which a difference is weak, and a third of which leaves it not supported; patients:
    fewer than these are few; disagreement: most that the witnesses' distance adds to the standard error, in units of
    what chance does; width: most half interval in SD of the stays' returns."""

    ess: float = 30.0
    patients: int = 100
    disagreement: float = 2.0
    width: float = 0.25


def grade(judged: Judged, settings: GradeSettings | None = None) -> Light:
    """The grade of a policy's difference to the clinicians."""
    asked, found = settings or GradeSettings(), judged.difference
    if found.ess == 0:
        return Light("not supported", ("No recorded stay follows it.",))
    reasons = []
    if found.ess < asked.ess:
        reasons.append(f"Its steps rest on {found.ess:.0f} stays' worth of records; {asked.ess:g} are asked for.")
    if found.n < asked.patients:
        reasons.append(f"{found.n:,} stays are few.")
    if found.high - found.value > asked.width * judged.unit:
        reasons.append(f"Its interval, [{found.low:.1f}, {found.high:.1f}], is too wide to tell harm from benefit.")
    chance = max(found.se**2 - found.spread**2, 0.0) ** 0.5
    if found.spread > asked.disagreement * max(chance, 1e-12):
        reasons.append("Shorter and longer memories disagree by more than chance explains, as where causes are hidden.")
    level: Support = "supported"
    if reasons:
        level = "not supported" if found.ess < asked.ess / 3 else "weak"
    return Light(level, tuple(reasons))
