"""A study is a TOML file: what it may say, and how a wrong one is explained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import StudyError
from core.study import STUDIES, StudySpec, load_study
from core.tables.transform import without

GOOD = """
name = "vaso"
title = "Vasopressor in shock"
population = "Adults in shock"
horizon = 5
step_hours = 1.0
start_hours = -2.0
terminal_coeff = 10.0
outcome_labels = ["alive"]
severity = "lactate"
highlights = ["map"]

[actions]
drug = "norepinephrine"
unit = "ug/kg/min"
upper = [0.0, 0.03, 1.5]
representative = [0.0, 0.02, 0.4]

[[columns]]
name = "age"
unit = "years"
kind = "static"
plausible = [18, 120]

[[columns]]
name = "map"
unit = "mmHg"
kind = "temporal"
plausible = [10, 250]

[[columns]]
name = "lactate"
unit = "mmol/L"
kind = "temporal"
plausible = [0, 50]

[[rewards]]
name = "clearance"
kind = "difference"
column = "lactate"
coefficient = -1.0
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_study_is_the_published_one() -> None:
    study = load_study()
    assert (study.n_columns, study.n_static, study.n_temporal, study.n_actions, study.horizon) == (36, 4, 32, 5, 16)
    assert study.actions.upper == (0, 3600, 5402.16, 7464.14, 42645.37)
    assert study.actions.representative == (0, 1800, 4501.08, 6433.15, 25054.755)
    coefficients = {term.name: term.coefficient for term in study.rewards}
    assert coefficients == {"C_0": -0.025, "C_1": -0.125, "C_2": -2, "C_3": 0.05, "C_4": 0.05}
    assert study.terminal_coeff == 15
    weighted = {column.name for column in study.columns if column.behavior_weight != 1}
    assert weighted == {"Platelets", "RDW", "PTT", "INR", "Lactate", "SOFA"}
    assert study.hours(4) == 0


def test_hazards_and_published_numbers_are_the_studys_own(tmp_path: Path) -> None:
    study = load_study()
    assert [(h.column, h.operator, h.threshold) for h in study.hazards] == [("Platelets", "<", 50), ("PTT", ">", 100)]
    assert study.published is not None
    assert StudySpec.from_toml(write(tmp_path, GOOD)).published is None
    hazard = '[[hazards]]\ncolumn = "map"\noperator = ">"\nthreshold = 90\nfrom_action = {}\n'
    assert StudySpec.from_toml(write(tmp_path, GOOD + hazard.format(2))).hazards[0].from_action == 2
    with pytest.raises(StudyError, match="must be a dose bin, 1 to 2"):
        StudySpec.from_toml(write(tmp_path, GOOD + hazard.format(3)))
    with pytest.raises(StudyError, match="a hazard names column 'sofa'"):
        StudySpec.from_toml(write(tmp_path, GOOD + hazard.format(1).replace('"map"', '"sofa"')))
    with pytest.raises(StudyError, match=r"published\.policies"):
        StudySpec.from_toml(write(tmp_path, GOOD + '[published]\npolicies = "../secret.csv"\n'))


def test_warnings_are_told_like_hazards_and_refused_where_they_cannot_apply(tmp_path: Path) -> None:
    fall = '[[warnings]]\nkind = "fall"\ncolumn = "map"\npercent = 20\nhours = 12\n'
    assert StudySpec.from_toml(write(tmp_path, GOOD + fall)).warnings[0].percent == 20
    with pytest.raises(StudyError, match="needs hours"):
        StudySpec.from_toml(write(tmp_path, GOOD + fall.replace("hours = 12\n", "")))
    either = '[[warnings]]\ncolumn = "map"\noperator = "<"\nthreshold = 50\n'
    either += 'or_when = [{ column = "sofa", operator = ">", threshold = 9 }]\n'
    with pytest.raises(StudyError, match="a hazard names column 'sofa'"):
        StudySpec.from_toml(write(tmp_path, GOOD + either))
    hit = '[[warnings]]\nkind = "hit"\ncolumn = "map"\nexposure = "heparin_before"\n'
    with pytest.raises(StudyError, match="names column 'heparin_before'"):
        StudySpec.from_toml(write(tmp_path, GOOD + hit))


def test_a_runs_copy_from_before_warnings_takes_those_of_the_study_and_keeps_its_hazards() -> None:
    study = load_study()
    before = {name: value for name, value in study.model_dump().items() if name != "warnings"} | {"hazards": ()}
    assert StudySpec.from_stored(before) == study.model_copy(update={"hazards": ()})
    assert StudySpec.from_stored(before | {"name": "mine"}).warnings == ()


def test_a_runs_copy_from_before_hazards_stood_in_the_study_takes_them_from_it() -> None:
    study = load_study()
    before = {
        name: value for name, value in study.model_dump().items() if name not in ("hazards", "published", "warnings")
    }
    assert StudySpec.from_stored(before) == study
    assert StudySpec.from_stored(before | {"name": "mine"}).hazards == ()


@pytest.mark.parametrize("name", ["terminal_coeff", "_x", "a.b", ""])
def test_a_reward_term_needs_a_name_that_can_be_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match="rewards"):
        StudySpec.from_toml(write(tmp_path, GOOD.replace('"clearance"', f'"{name}"')))


def test_reward_terms_are_told_apart_by_their_names(tmp_path: Path) -> None:
    term = GOOD[GOOD.index("[[rewards]]") :]
    with pytest.raises(StudyError, match="reward terms appear twice: clearance"):
        StudySpec.from_toml(write(tmp_path, GOOD + term))


def test_load_study_takes_a_study_a_name_a_path_or_nothing(tmp_path: Path) -> None:
    study = load_study()
    assert load_study(study) is study
    assert load_study("thrombocytopenia") == study
    assert load_study(str(write(tmp_path, GOOD))).name == "vaso"
    assert load_study(write(tmp_path, GOOD)).n_actions == 3


def test_a_copy_with_other_columns_counts_its_own() -> None:
    study = load_study()
    assert (study.names[:4], study.n_static) == (tuple(column.name for column in study.columns[:4]), 4)
    fewer = study.model_copy(update={"columns": study.columns[1:]})
    assert (fewer.names, fewer.n_static, fewer.n_temporal) == (study.names[1:], 3, 32)
    assert fewer.index(study.names[1]) == 0


def test_doses_fall_into_bins_that_include_their_upper_end() -> None:
    actions = load_study().actions
    doses = np.array([[0, 0.01, 3600], [3600.01, 5402.16, 1e9]])
    np.testing.assert_array_equal(actions.bin(doses), [[0, 1, 1], [2, 2, 4]])
    np.testing.assert_array_equal(actions.bin(np.array(actions.representative)), range(5))
    with pytest.raises(ValueError, match="a missing dose has no bin"):
        actions.bin(np.array([1.0, np.nan]))


def test_dose_labels_are_readable_at_any_scale(tmp_path: Path) -> None:
    heparin = load_study().actions
    assert [heparin.label(a) for a in (0, 1, 4)] == ["no heparin", "> 0–3,600", "7,464–42,645"]
    small = StudySpec.from_toml(write(tmp_path, GOOD)).actions
    assert [small.label(a) for a in range(3)] == ["no norepinephrine", "> 0–0.03", "0.03–1.5"]


STATIC_AND_NEXT = GOOD[GOOD.index('kind = "static"') : GOOD.index("plausible = [10, 250]")]
SWAPPED = STATIC_AND_NEXT.replace("static", "-").replace("temporal", "static").replace('"-"', '"temporal"')
ENDLESS = f'terminal_coeff = 0.0\noutcome = "none"\n{GOOD[GOOD.index("severity") : GOOD.index("[[rewards]]")]}'
WRONG = [
    ('severity = "lactate"', 'severity = "sofa"', "severity names column 'sofa', which the study does not have"),
    ('column = "lactate"', 'column = "age"', "needs a temporal column, 'age' is static"),
    ('column = "lactate"', 'column = "nothing"', "reward 'clearance' names column 'nothing'"),
    ("horizon = 5", "horizon = 1", "'horizon' = 1 is not usable"),
    ("horizon = 5", 'horizon = 5\nreward_column = "paid"', "reward_column 'paid' holds the whole reward: leave out"),
    ("terminal_coeff = 10.0", 'terminal_coeff = 10.0\noutcome = "none"', "needs terminal_coeff = 0"),
    (GOOD[GOOD.index("terminal") :], ENDLESS, "a study without outcome needs [[rewards]], or a reward_column"),
    (GOOD[GOOD.index("terminal") :], f'reward_column = "map"\n{ENDLESS}', "reward_column cannot be 'map'"),
    ("horizon = 5", "horizn = 5", "unknown key 'horizn'"),
    ("horizon = 5", "", "key 'horizon' is missing; add it"),
    ("horizon = 5", "horizon = 5\ngamma = 0.99", "unknown key 'gamma'"),  # the discount is a setting of the run
    ("upper = [0.0, 0.03, 1.5]", "upper = [0.0, 1.5, 0.03]", "increase strictly"),
    ("upper = [0.0, 0.03, 1.5]", "upper = [0.0, nan, 1.5]", "finite number"),
    ("upper = [0.0, 0.03, 1.5]", "upper = [0.1, 0.3, 1.5]", "start at 0"),
    ("upper = [0.0, 0.03, 1.5]", "upper = [0.0, 0.03]", "one representative dose per bin"),
    ("plausible = [10, 250]", "plausible = [250, 10]", "column 'map': plausible must be (low, high) with low < high"),
    ("plausible = [10, 250]", "plausible = [nan, nan]", "finite number"),
    ('name = "map"', 'name = "action"', "column names are reserved: action"),
    ('name = "lactate"', 'name = "map"', "columns appear twice: map"),
    (STATIC_AND_NEXT, SWAPPED, "static columns come first"),
    ('kind = "difference"', 'kind = "range"\nlow = 2.0', "a range term needs low < high"),
    ("[actions]", "[actions", "is not valid TOML"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_wrong_study_is_explained(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyError, match=re.escape(message)):
        load_study(write(tmp_path, GOOD.replace(old, new, 1)))


def test_what_is_earned_and_how_a_stay_ended_is_said_in_words() -> None:
    study = load_study()
    paid = study.model_copy(update={"reward_column": "paid", "rewards": (), "terminal_coeff": 0.0, "outcome": "none"})
    number = study.model_copy(update={"outcome": "number"})
    none = study.model_copy(update={"outcome": "none"})
    assert [one.earned for one in (study, paid, number, none)] == [
        "reward of a stay, mainly +15 for survival and -15 for death",
        "reward of a stay, as column 'paid' of its file gives it",
        "reward of a stay, with +15 times its outcome at the end",
        "reward of a stay, by the terms of the study",
    ]
    assert [study.outcome_text(end) for end in (1, -1)] == [study.survived_label, study.died_label]
    assert (number.outcome_text(2.5), none.outcome_text(0)) == ("outcome 2.5", "no outcome")
    assert [one.tells_survival for one in (study, number, none)] == [True, False, False]


def test_a_study_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"does not exist; give the path .* \(.*thrombocytopenia.*\)"):
        load_study("sepsis")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(tmp_path)
    with pytest.raises(StudyError, match="cannot be read"):
        load_study("bad\0name")
    (tmp_path / "latin.toml").write_bytes(b'name = "M\xfcller"')
    with pytest.raises(StudyError, match="is not valid TOML"):
        load_study(tmp_path / "latin.toml")


def test_another_study_keeps_its_own_order_and_clock(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, GOOD))
    assert study.names == ("age", "map", "lactate")
    assert study.index("lactate") == 2
    assert study.column("map").unit == "mmHg"
    np.testing.assert_array_equal(study.hours(np.arange(3)), [-2, -1, 0])


def test_values_read_as_clinicians_write_them_with_h_and_l() -> None:
    study = load_study("thrombocytopenia")
    lactate, platelets = study.column("Lactate"), study.column("Platelets")
    assert (lactate.text(4.534), lactate.flag(4.534)) == ("4.5", "H")
    assert (lactate.text(2.04), lactate.flag(2.04)) == ("2.0", "")  # reads as the end of the range, so it is in it
    assert (platelets.text(259.99), platelets.flag(259.99)) == ("260", "")
    assert platelets.flag(149.4) == "L"
    assert study.column("Age").flag(150) == ""
    assert platelets.model_copy(update={"decimals": None}).text(259.99) == "260"
    assert lactate.model_copy(update={"decimals": None}).text(4.5344) == "4.534"


def test_a_dose_is_told_per_kg_and_hour_where_the_study_says_how() -> None:
    study = load_study("thrombocytopenia")
    assert study.per_kg_hour(4800.0, 80.0) == "15 U/kg/h"  # 4,800 in 4 h are 1,200 in one
    assert study.per_kg_hour(42_645.0, 80.0) == "133 U/kg/h"
    assert study.per_kg_hour(400.0, 80.0) == "1.2 U/kg/h"
    assert study.per_kg_hour(4800.0, float("nan")) == ""
    assert study.model_copy(update={"weight": ""}).per_kg_hour(4800.0, 80.0) == ""


def test_a_file_that_names_an_unknown_weight_is_refused(tmp_path: Path) -> None:
    text = (STUDIES / "thrombocytopenia.toml").read_text(encoding="utf-8")
    (tmp_path / "my.toml").write_text(text.replace('weight = "Weight"', 'weight = "Mass"'), encoding="utf-8")
    with pytest.raises(StudyError, match="weight names column 'Mass', which the study does not have"):
        load_study(tmp_path / "my.toml")


def test_a_target_is_the_rewards_only_where_the_reward_pays_for_it() -> None:
    study = load_study("thrombocytopenia")
    assert [c.name for c in study.columns if c.target and study.rewarded(c.name)] == ["Platelets", "PTT"]
    assert not study.rewarded("Glucose")


def test_a_hazard_goes_with_any_of_its_columns() -> None:
    """A warning that looks at a column besides its own cannot stay without it."""
    fewer = without(load_study(), ["INR"])
    assert [warning.name for warning in fewer.warnings] == ["falling platelets", "platelets halved", ""]
    assert fewer.hazards == load_study().hazards
