"""How far the recorded stays support an estimate: one traffic light with its reasons.

Not supported: no stays, or an effective sample size (ESS) below the floor (also where it is not a number).
Weak: any of
    ESS below twice the floor,
    ESS over all stays together (that of WIS) below the floor: a stay that is alone with its length has weight 1/n
    whatever its ratio, so that many small groups make the ESS of PHWIS look better than the records are,
    more than half of the stays have ratio 0 and so no say,
    one stay carries more than 10 % of the weight,
    more than 10 % of the policy's top doses are such as clinicians hardly ever give there,
    the estimators (PHWIS, PHWDR, FQE) lie further apart than half the width of the PHWIS interval.
Supported otherwise. The limits were set on seeds 1 to 3 of `core.experiments.estimators` (beyond 10 % of unusual
doses no policy was tried there); how often intervals hold the truth within each grade is reported on other seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from core.base.types import OPEResult

Support = Literal["supported", "weak", "not supported"]

MOST_ZERO = 0.5  # share of stays without any say
LARGEST_WEIGHT = 0.1  # share of the estimate that may rest on one stay
MOST_UNUSUAL = 0.1  # share of top doses that clinicians hardly ever give
MOST_APART = 0.5  # range of the estimators, in widths of the interval


@dataclass(frozen=True)
class Light:
    """A grade and, unless it is "supported", the sentences that say why."""

    grade: Support
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """What a study calls its records, the choices in them, and those who made them."""

    record: str = "stay"
    records: str = "stays"
    choices: str = "doses"
    choosers: str = "clinicians"


ICU_WORDS = Words()


def support_light(
    weighted: OPEResult,
    ess_floor: float,
    unsupported_share: float = math.nan,
    others: Sequence[OPEResult] = (),
    pooled_ess: float = math.nan,
    words: Words = ICU_WORDS,
) -> Light:
    """Judge the estimates of one policy.

    weighted: its PHWIS result, whose weights, interval and n count; unsupported_share: share of steps whose top action
    clinicians give with less than the floor probability; others: its other estimates (PHWDR, FQE); pooled_ess: ESS over
    all stays together; words: what reasons call a record, a choice and those who chose. What is NaN is not held against
    a policy, except the ESS.
    """
    if weighted.n < 1:
        return Light("not supported", (f"There are no {words.records} to judge by.",))
    ess, doubts = weighted.ess, [*_doubts(weighted, unsupported_share, others, words)]
    if not ess >= ess_floor:
        why = f"ESS {ess:.1f} is below the floor of {ess_floor:g}." if math.isfinite(ess) else "The ESS is not known."
        return Light("not supported", (why, *doubts))
    if pooled_ess < ess_floor:
        together = f"Over all {words.records} together the ESS is {pooled_ess:.0f}"
        doubts.insert(0, f"{together}: rare lengths hide extreme ratios.")
    if ess < 2 * ess_floor:
        doubts.insert(0, f"ESS {ess:.1f} is below twice the floor of {ess_floor:g}.")
    return Light("weak" if doubts else "supported", tuple(doubts))


def apart(weighted: OPEResult, others: Sequence[OPEResult]) -> float:
    """Range of the estimates in widths of the first one's interval; NaN where either is not known."""
    values = [result.value for result in (weighted, *others) if math.isfinite(result.value)]
    width = weighted.high - weighted.low
    return (max(values) - min(values)) / width if len(values) > 1 and width > 0 else math.nan


def _doubts(weighted: OPEResult, unsupported_share: float, others: Sequence[OPEResult], words: Words) -> Iterator[str]:
    """What speaks against an estimate besides its ESS."""
    if weighted.zero_weight > MOST_ZERO:
        yield f"{100 * weighted.zero_weight:.0f} % of the {words.records} have ratio 0 and no say."
    if weighted.max_weight > LARGEST_WEIGHT:
        yield f"One {words.record} carries {100 * weighted.max_weight:.0f} % of the weight."
    if unsupported_share > MOST_UNUSUAL:
        rare = f"{100 * unsupported_share:.0f} % of its top {words.choices}"
        yield f"{rare} are hardly ever given by {words.choosers} in such states."
    distance = apart(weighted, others)
    if distance > MOST_APART:
        names = dict.fromkeys(result.estimator.upper() for result in (weighted, *others))
        yield f"The estimators ({', '.join(names)}) lie {distance:.1f} interval widths apart."
