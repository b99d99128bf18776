"""The light of support: each rule at its edge, the sentences that give the reasons, and what never lowers a grade."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.types import OPEResult
from core.evaluation import Light, Recorded, phwis, support_light, wis
from core.evaluation.support import apart

SHARES = st.floats(0, 1)
ORDER = ("not supported", "weak", "supported")
GOOD = OPEResult(value=5.0, low=4.0, high=6.0, n=300, ess=200.0, zero_weight=0.0, max_weight=0.01, estimator="phwis")


@pytest.mark.parametrize(
    ("ess", "zero_weight", "max_weight", "grade"),
    [
        (300.0, 0.0, 0.003, "supported"),
        (60.0, 0.5, 0.1, "supported"),
        (59.9, 0.0, 0.01, "weak"),
        (34.5, 0.75, 0.12, "weak"),
        (80.0, 0.51, 0.02, "weak"),
        (80.0, 0.0, 0.101, "weak"),
        (30.0, 0.0, 0.01, "weak"),
        (29.9, 0.0, 0.01, "not supported"),
        (math.nan, 0.0, 0.01, "not supported"),
    ],
)
def test_the_rule_on_weights_at_its_edges(ess: float, zero_weight: float, max_weight: float, grade: str) -> None:
    weighted = replace(GOOD, ess=ess, zero_weight=zero_weight, max_weight=max_weight)
    assert support_light(weighted, 30).grade == grade


def test_no_stays_support_nothing() -> None:
    assert support_light(replace(GOOD, n=0), 0.0).grade == "not supported"


def test_what_is_supported_needs_no_reason() -> None:
    assert support_light(GOOD, 30, 0.1, [replace(GOOD, value=6.0)]) == Light("supported")


@pytest.mark.parametrize(
    ("weighted", "share", "other", "reason"),
    [
        (replace(GOOD, ess=40.0), 0.0, 5.0, "ESS 40.0 is below twice the floor of 30."),
        (replace(GOOD, zero_weight=0.72), 0.0, 5.0, "72 % of the stays have ratio 0 and no say."),
        (replace(GOOD, max_weight=0.31), 0.0, 5.0, "One stay carries 31 % of the weight."),
        (GOOD, 0.25, 5.0, "25 % of its top doses are hardly ever given by clinicians in such states."),
        (GOOD, 0.0, 6.2, "The estimators (PHWIS, FQE) lie 0.6 interval widths apart."),
    ],
)
def test_each_doubt_makes_it_weak_and_is_said(weighted: OPEResult, share: float, other: float, reason: str) -> None:
    assert support_light(weighted, 30, share, [replace(GOOD, value=other, estimator="fqe")]) == Light("weak", (reason,))


def test_an_ess_that_only_small_groups_hold_up_is_weak() -> None:
    assert support_light(GOOD, 30, pooled_ess=30.0).grade == "supported"
    light = support_light(GOOD, 30, pooled_ess=3.2)
    assert light == Light("weak", ("Over all stays together the ESS is 3: rare lengths hide extreme ratios.",))


def test_a_stay_alone_with_its_length_keeps_its_weight_in_phwis_and_loses_it_in_wis() -> None:
    mask = np.arange(12) < np.arange(1, 13)[:, None]  # twelve stays, each of its own length
    evaluated, behavior = np.where(np.arange(12)[:, None] == 0, 1.0, 0.01) * np.ones((12, 12)), np.full((12, 12), 0.5)
    recorded = Recorded(np.ones((12, 12)), mask, behavior)
    assert phwis(recorded.rewards, mask, evaluated, behavior).ess == pytest.approx(12)
    assert wis(recorded, evaluated).ess == pytest.approx(1, abs=0.01)


def test_a_low_ess_comes_first_among_the_reasons() -> None:
    light = support_light(replace(GOOD, ess=4.0, max_weight=0.5), 30)
    assert light.grade == "not supported"
    assert light.reasons == ("ESS 4.0 is below the floor of 30.", "One stay carries 50 % of the weight.")


def test_what_is_not_known_is_not_held_against_a_policy() -> None:
    bare = replace(GOOD, low=math.nan, high=math.nan)
    assert support_light(bare, 30, math.nan, [replace(GOOD, value=99.0)]).grade == "supported"
    assert math.isnan(apart(GOOD, []))
    assert math.isnan(apart(GOOD, [replace(GOOD, value=math.nan)]))
    assert apart(GOOD, [replace(GOOD, value=4.5), replace(GOOD, value=7.0)]) == pytest.approx(1.25)


@given(st.floats(0, 500), st.floats(0, 500), SHARES, SHARES, st.floats(1, 100))
def test_more_effective_stays_never_lower_the_grade(
    ess: float, more: float, zero_weight: float, max_weight: float, floor: float
) -> None:
    weighted = replace(GOOD, n=1000, ess=ess, zero_weight=zero_weight, max_weight=max_weight)
    before, after = support_light(weighted, floor), support_light(replace(weighted, ess=ess + more), floor)
    assert ORDER.index(after.grade) >= ORDER.index(before.grade)


@given(SHARES, st.floats(-20, 20), SHARES)
def test_another_doubt_never_raises_the_grade(max_weight: float, other: float, share: float) -> None:
    weighted = replace(GOOD, max_weight=max_weight)
    alone = support_light(weighted, 30)
    doubted = support_light(weighted, 30, share, [replace(GOOD, value=other)])
    assert ORDER.index(doubted.grade) <= ORDER.index(alone.grade)
    assert set(alone.reasons) <= set(doubted.reasons)


def test_where_no_record_agrees_to_its_end_there_is_no_value() -> None:
    """All weigh alike then, which is no evidence: an ESS of all of them would say the contrary."""
    found = OPEResult(6.83, 5.05, 8.51, 160, 160.0, 1.0, 1 / 160, "phwis")
    known = found.known
    assert np.isnan([known.value, known.low, known.high]).all()
    assert (known.ess, known.n) == (0.0, 160)
    assert known.of("courses") == "PHWIS: none of 160 courses agrees with it to its end"
    followed = replace(found, zero_weight=0.99)
    assert followed.known is followed
    assert str(followed) == "PHWIS 6.83 [5.05, 8.51], ESS 160.0 of 160 stays"
