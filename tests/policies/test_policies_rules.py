"""Rules of every kind on recorded stays, in words, and as a study's file tells them."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from core.base.errors import ConfigError
from core.hazard import Condition, Hazard
from core.policies.courses import Courses
from core.policies.hazards import band_text, default_rules, default_warnings, hazard_bands, hit_rule
from core.policies.rules import FallRule, HazardRule, HitRule, Limit, rule_of
from core.study import load_study

STUDY = load_study()
BLEEDING = HazardRule("Platelets", "<", 50.0, 1, (Limit("INR", ">", 1.5),), "risk of bleeding")


def courses(**values: list[float]) -> Courses:
    """One stay with a dose at its second step, every four hours; its last step is padding."""
    grid = {name: np.array([v]) for name, v in values.items()}
    shape = next(iter(grid.values())).shape
    actions = np.zeros(shape, dtype=np.int64)
    actions[0, 1] = 2
    mask = np.ones(shape, dtype=bool)
    mask[0, -1] = False
    return Courses(grid, {}, actions, 4.0 * np.arange(shape[1])[None], mask)


def test_any_of_several_limits_is_enough() -> None:
    stay = courses(Platelets=[60, 40, 60, 60, 10], INR=[1.0, 1.0, 1.6, 1.5, 3.0])
    assert BLEEDING.applies(stay).tolist() == [[False, True, True, False, False]]
    assert BLEEDING.columns == ("Platelets", "INR")
    said = "heparin while risk of bleeding (Platelets < 50 or International normalized ratio > 1.5)"
    assert BLEEDING.text(STUDY) == said
    assert BLEEDING.title(STUDY) == "heparin while risk of bleeding (Platelets < 50 or INR > 1.5)", (
        "where room is short"
    )


def test_a_fall_applies_under_the_drug_and_within_its_hours() -> None:
    stay = courses(Platelets=[100, 100, 80, 69, 100, 10, 1])
    assert FallRule("Platelets", 30.0, 8.0).applies(stay).tolist() == [[False] * 3 + [True] + [False] * 3]
    assert FallRule("Platelets", 20.0, 48.0).applies(stay).tolist() == [[False, False, True, True, False, True, False]]
    text = FallRule("Platelets", 30.0, 48.0, 2).text(STUDY)
    drug = "heparin above 3,600 units per 4 h"
    assert text == f"{drug} while Platelets fell by 30 % or more within 48 h under heparin"


def test_hit_applies_where_it_is_not_unlikely() -> None:
    stay = courses(Platelets=[100, 100, 80, 69, 100, 10])
    rule = HitRule("Platelets", "definite", "sepsis")
    assert rule.applies(stay).tolist() == [[False, False, False, True, True, False]], "a fall is not forgotten"


def test_the_shipped_study_keeps_its_two_rules_and_warns_besides() -> None:
    assert [type(rule) for rule in default_rules(STUDY)] == [HazardRule, HazardRule]
    assert [(type(w), w.name) for w in default_warnings(STUDY)] == [
        (FallRule, "falling platelets"),
        (FallRule, "platelets halved"),
        (HazardRule, "risk of bleeding"),
        (HitRule, ""),
    ]
    hit = hit_rule(STUDY)
    assert hit is not None
    assert (hit.other_cause, hit.cause) == ("definite", "sepsis")
    assert hit_rule(STUDY.model_copy(update={"warnings": ()})) is None
    fewer = STUDY.model_copy(update={"columns": tuple(c for c in STUDY.columns if c.name != "INR")})
    assert [w.name for w in default_warnings(fewer)] == ["falling platelets", "platelets halved", ""]


def test_only_rules_of_a_state_make_bands_and_warnings_make_none() -> None:
    fall = Hazard(kind="fall", column="Platelets", percent=30, hours=24)
    either = Hazard(
        column="Platelets", operator="<", threshold=50, or_when=(Condition(column="INR", operator=">", threshold=1.5),)
    )
    states = np.zeros((3, STUDY.n_columns))
    states[:, STUDY.index("Platelets")] = [40, 60, 60]
    states[:, STUDY.index("INR")] = [1.0, 1.0, 2.0]
    states[:, STUDY.index("PTT")] = 30
    mixed = STUDY.model_copy(update={"hazards": (fall, either)})
    assert hazard_bands(mixed, states).tolist() == [1, 0, 1]
    assert band_text(mixed, 0) == "not Platelets < 50 or International normalized ratio > 1.5"
    without = STUDY.model_copy(update={"warnings": ()})
    assert hazard_bands(STUDY, states).tolist() == hazard_bands(without, states).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"column": "Platelets"}, "needs operator and threshold"),
        ({"column": "Platelets", "kind": "fall", "hours": 24}, "needs percent"),
        ({"column": "Platelets", "kind": "fall", "percent": 130, "hours": 24}, "less than 100"),
        ({"column": "Platelets", "kind": "fall", "percent": 30, "hours": 24, "threshold": 5}, "no key threshold"),
        ({"column": "Platelets", "operator": "<", "threshold": 50, "cause": "sepsis"}, "no key cause"),
        ({"column": "Platelets", "kind": "hit", "cause": "sepsis"}, "with other_cause"),
        ({"column": "Platelets", "kind": "hit", "percent": 30}, "no key percent"),
        ({"column": "Platelets", "kind": "rise", "percent": 30}, "'threshold', 'fall' or 'hit'"),
    ],
)
def test_a_hazard_that_its_kind_does_not_know_is_refused(told: dict, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Hazard.model_validate(told)


def test_a_hazard_becomes_its_rule() -> None:
    told = Hazard(kind="hit", column="Platelets", exposure="Gender", thrombosis="Ventilation", from_action=2, name="x")
    assert rule_of(told) == HitRule("Platelets", "unknown", "", "Gender", "Ventilation", 2, "x")
    assert told.columns == rule_of(told).columns == ("Platelets", "Gender", "Ventilation")
    fall = Hazard(kind="fall", column="Platelets", percent=30, hours=24)
    assert rule_of(fall) == FallRule("Platelets", 30.0, 24.0)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (FallRule("Nothing", 30.0, 24.0), "no column 'Nothing'"),
        (FallRule("Platelets", 30.0, 24.0, 9), "bin 1 to 4"),
        (HitRule("Platelets", "sepsis"), "'sepsis' is not one of unknown, none"),
        (HazardRule("Platelets", "<", 50.0, others=(Limit("INR", ">", float("inf")),)), "on 'INR': the threshold"),
    ],
)
def test_a_rule_that_the_study_cannot_hold_is_refused(rule: HazardRule, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        rule.check(STUDY)
