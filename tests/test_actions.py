"""What a study's actions may be: doses, a choice, or sets of drugs, their names, and what each gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError, StudyError
from core.study import StudySpec, load_study
from core.study.actions import Actions
from core.tables.mapping import TableMapping
from core.tables.steps import one_row_a_step
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
    assert (WAYS.heading, doses.heading) == ("Way", f"Heparin ({doses.unit})")


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
        ({"kind": "combination", "names": [], "sets": [[], ["a", "b"], ["b", "a"]]}, "two sets hold the same drugs"),
        ({"kind": "combination", "names": [], "sets": [[""], ["a"]]}, "one is blank"),
        ({"names": ["left", " "]}, "one is blank"),
        ({"names": [f"way {i}" for i in range(128)]}, "at most 127, got 128"),
        ({"kind": "dose", "names": [], "upper": [0, 1]}, "actions of kind 'dose' need unit, representative"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Actions.build({"kind": "choice", "drug": "way", "names": ["left", "up"]} | changes, "actions")


def test_an_action_that_is_none_is_refused_in_the_words_of_the_study() -> None:
    WAYS.check(1)
    for action in (-1, 2):
        with pytest.raises(ConfigError, match=f"choice {action} is not one of the 2 choices of this study"):
            WAYS.check(action)


def test_a_study_without_doses_has_no_rule_of_doses_and_no_dose_has_a_number() -> None:
    hazard = {"column": "row", "operator": "<", "threshold": 1.0}
    with pytest.raises((ConfigError, StudyError), match=r"speak of doses; actions of kind 'choice' have none"):
        StudySpec.build(LAKE | {"hazards": [hazard]}, "lake")
    with pytest.raises(ValueError, match="are no doses"):
        WAYS.bin(np.array([1.0]))


def test_rows_of_one_step_are_put_together_by_no_arithmetic_on_numbers_of_choices() -> None:
    study = StudySpec.build(LAKE, "lake")
    rows = pd.DataFrame({"traj": ["a", "a"], "step": [0, 0], "row": [1, 2], "column": [0, 0], "action": [1, 3]})
    with pytest.raises(ConfigError, match=r'action = "max" works on numbers of choices; give "first" or "last"'):
        one_row_a_step(rows, TableMapping(aggregate={"action": "max"}), study)
    kept = one_row_a_step(rows, TableMapping(aggregate={"action": "first"}), study)
    assert kept.frame["action"].tolist() == [1]
