"""What a difference's grade follows from: followers, stays, width, and whether memories agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.evaluation.judging.grade import grade
from core.evaluation.judging.mix import Judged, MixEstimate

GOOD = MixEstimate(1.0, 0.0, 2.0, 400, se=0.5, spread=0.1, ess=120.0, parts=())


def judged(**changes: float) -> Judged:
    return Judged("policy", GOOD, replace(GOOD, **changes), unit=10.0)


def test_a_difference_with_everything_is_supported() -> None:
    assert grade(judged()) == grade(replace(judged(), unit=float("nan")))
    assert grade(judged()).grade == "supported"
    assert grade(judged()).reasons == ()


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"ess": 0.0}, "not supported", "No recorded stay follows it"),
        ({"ess": 9.0}, "not supported", "9 stays' worth of records; 30 are asked for"),
        ({"ess": 20.0}, "weak", "20 stays' worth"),
        ({"n": 60}, "weak", "60 stays are few"),
        ({"low": -2.0, "high": 4.0}, "weak", "too wide to tell harm from benefit"),
        ({"disagree": True}, "weak", "memories disagree"),
        ({"se": float("nan"), "low": float("nan"), "high": float("nan")}, "weak", "one person's"),
    ],
)
def test_each_want_has_its_grade_and_its_sentence(changes: dict[str, float], level: str, said: str) -> None:
    found = grade(judged(**changes))
    assert found.grade == level
    assert any(said in reason for reason in found.reasons)
