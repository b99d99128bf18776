"""The grade of an estimate follows its weights."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation import support_grade

SHARES = st.floats(0, 1)
ORDER = ("not supported", "weak", "supported")


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
def test_the_rule_at_its_edges(ess: float, zero_weight: float, max_weight: float, grade: str) -> None:
    assert support_grade(ess, 300, zero_weight, max_weight, 30) == grade


def test_no_stays_support_nothing() -> None:
    assert support_grade(0.0, 0, 0.0, 0.0, 0.0) == "not supported"


@given(st.floats(0, 500), st.floats(0, 500), SHARES, SHARES, st.floats(1, 100))
def test_more_effective_stays_never_lower_the_grade(
    ess: float, more: float, zero_weight: float, max_weight: float, floor: float
) -> None:
    before = support_grade(ess, 1000, zero_weight, max_weight, floor)
    after = support_grade(ess + more, 1000, zero_weight, max_weight, floor)
    assert ORDER.index(after) >= ORDER.index(before)
