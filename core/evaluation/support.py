"""How far the recorded stays support an estimate that weighs them."""

from __future__ import annotations

from typing import Literal

Support = Literal["supported", "weak", "not supported"]

MOST_ZERO = 0.5  # share of stays without any say
LARGEST_WEIGHT = 0.1  # share of the estimate that may rest on one stay


def support_grade(ess: float, n: int, zero_weight: float, max_weight: float, ess_floor: float) -> Support:
    """Grade an importance-weighted estimate by its weights.

    Not supported: no stays, or an effective sample size below the floor (also where it is not a number). Weak: below
    twice the floor, or more than half of the stays have ratio 0, or one stay carries more than 10 % of the weight.
    Supported otherwise. ess: Kish effective sample size of n stays; zero_weight, max_weight: shares 0..1.
    """
    if n < 1 or not ess >= ess_floor:
        return "not supported"
    if ess < 2 * ess_floor or zero_weight > MOST_ZERO or max_weight > LARGEST_WEIGHT:
        return "weak"
    return "supported"
