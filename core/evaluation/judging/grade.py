"""How far a judged difference to the clinicians may be believed: a grade, and the sentences that say why not more.

not supported  no recorded stay follows the policy, or next to none does
weak           few effective stays or patients, an interval too wide to tell anything, or memories that disagree by more
               than chance explains
supported      none of these

A policy that nobody followed has no evidence, however narrow its interval: the critic alone then speaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.evaluation.judging.mix import Judged
from core.evaluation.support import ICU_WORDS, Light, Support, Words

SMALL_UNIT = 5.0  # SD of returns below which an interval is told with two digits


@dataclass(frozen=True)
class GradeSettings:
    """ess: effective stays below which a difference is weak, and a third of which leaves it not supported; patients:
    fewer than these are few; width: most half interval in SD of the stays' returns."""

    ess: float = 30.0
    patients: int = 100
    width: float = 0.25


def grade(judged: Judged, settings: GradeSettings | None = None, words: Words = ICU_WORDS) -> Light:
    """The grade of a policy's difference to the clinicians; words: what reasons call the records."""
    asked, found = settings or GradeSettings(), judged.difference
    if found.ess == 0:
        return Light("not supported", (f"No recorded {words.record} follows it.",))
    reasons, digits = [], 1 if not judged.unit < SMALL_UNIT else 2
    if found.ess < asked.ess:
        reasons.append(
            f"Its steps rest on {found.ess:.0f} {words.records}' worth of records; {asked.ess:g} are asked for."
        )
    if found.n < asked.patients:
        reasons.append(f"{found.n:,} {words.records} are few.")
    if not math.isfinite(found.se):
        reasons.append("All of them are one person's, which tells no interval.")
    elif found.high - found.value > asked.width * judged.unit:
        reasons.append(
            f"Its interval, [{found.low:.{digits}f}, {found.high:.{digits}f}], is too wide to tell harm from benefit."
        )
    if found.disagree:
        reasons.append("Shorter and longer memories disagree by more than chance explains, as where causes are hidden.")
    level: Support = "supported"
    if reasons:
        level = "not supported" if found.ess < asked.ess / 3 else "weak"
    return Light(level, tuple(reasons))


def judged_row(judged: Judged, settings: GradeSettings | None = None, words: Words = ICU_WORDS) -> dict[str, object]:
    """A policy's judgment as a row of a table: mix and difference, each with _low, _high and _se; ess, spread, n of the
    difference; grade, and doubts in sentences."""
    light, row = grade(judged, settings, words), dict[str, object]()
    for name, found in (("mix", judged.value), ("difference", judged.difference)):
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_se": found.se}
    row |= {"ess": judged.difference.ess, "spread": judged.difference.spread, "n": judged.difference.n}
    return row | {"grade": light.grade, "doubts": " ".join(light.reasons)}
