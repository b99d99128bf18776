"""What a study's actions may be: doses, a choice, or sets of drugs, their names, and what each gives."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.errors import ConfigError, StudyError
from core.study import StudySpec, load_study
from core.study.actions import Actions
from tests.environments.lake import LAKE

SETS = Actions(kind="combination", drug="treatment", sets=((), ("fluids",), ("fluids", "pressor")))
WAYS = Actions(kind="choice", drug="way", names=("left", "up"))


def test_actions_are_told_by_name_and_by_what_they_give() -> None:
    assert SETS.labels == ["nothing", "fluids", "fluids + pressor"]
    assert (SETS.parts, WAYS.parts) == (("fluids", "pressor"), ("left", "up"))
    np.testing.assert_array_equal(SETS.given, [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(WAYS.given, np.eye(2))
    doses = load_study().actions
    np.testing.assert_array_equal(doses.given, doses.representative)
    assert (doses.ordered, SETS.ordered, WAYS.ordered) == (True, False, False)
    assert (doses.has_nothing, SETS.has_nothing, WAYS.has_nothing) == (True, True, False)
    assert (WAYS.title, doses.title) == ("choice", f"dose ({doses.unit})")


def test_a_text_of_doses_is_told_in_the_words_of_the_actions() -> None:
    said = "Dose excess: each dose, all doses, 2 dosed, overdose"
    assert load_study().actions.said(said) == said
    assert WAYS.said(said) == "Choice excess: each choice, all choices, 2 dosed, overdose"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"names": []}, "actions of kind 'choice' need names"),
        ({"upper": [0, 1]}, "actions of kind 'choice' have no upper"),
        ({"names": ["left"]}, "give at least two"),
        ({"names": ["left", "left"]}, "given twice or empty: left"),
        ({"kind": "combination", "names": [], "sets": [["a"], []]}, "the empty set, nothing given, comes first"),
        ({"kind": "combination", "names": [], "sets": [["a", "a"], ["b"]]}, "names each drug once"),
        ({"kind": "dose", "names": [], "upper": [0, 1]}, "actions of kind 'dose' need unit, representative"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Actions.build({"kind": "choice", "drug": "way", "names": ["left", "up"]} | changes, "actions")


def test_a_study_without_doses_has_no_rule_of_doses_and_no_dose_has_a_number() -> None:
    hazard = {"column": "row", "operator": "<", "threshold": 1.0}
    with pytest.raises((ConfigError, StudyError), match=r"speak of doses; actions of kind 'choice' have none"):
        StudySpec.build(LAKE | {"hazards": [hazard]}, "lake")
    with pytest.raises(ValueError, match="are no doses"):
        WAYS.bin(np.array([1.0]))
