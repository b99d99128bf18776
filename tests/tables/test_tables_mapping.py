"""One document brings a file into the study's form: names, codes, units, outcome, doses, times, long stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError
from core.study import StudySpec
from core.tables.mapping import TableMapping, load_mapping, mapping_text, parse_mapping, save_mapping
from core.tables.transform import Mapped, apply_mapping, without

WHOLE = """
schema_version = 1
decimal = ","
too_long = "cut"
[columns]
traj = "icustayid"
Lactate = "Arterial_lactate"
[units]
age = { factor = 0.5, unit = "half-years" }
Lactate = "mg/dL"
[codes.female]
M = 0
F = 1
[missing]
"*" = [-1, "9999"]
[outcome]
column = "dead"
died = [1]
[action]
dose = "units"
[time]
column = "charttime"
"""


def refused(mapped: Mapped) -> list[str]:
    return [str(problem) for problem in mapped.problems if problem.severity == "error"]


def test_the_document_survives_toml(tmp_path: Path) -> None:
    (tmp_path / "in.toml").write_text(WHOLE)
    mapping = load_mapping(tmp_path / "in.toml")
    save_mapping(mapping, tmp_path / "out.toml")
    assert load_mapping(tmp_path / "out.toml") == mapping
    assert mapping.missing["*"] == ("-1", "9999")
    assert mapping.outcome is not None
    assert mapping.outcome.died == ("1",)
    assert mapping_text(TableMapping()) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[colums]\ntraj = 'x'", "unknown key 'colums'"),
        ("[columns]\ntraj = 'x'\nstep = 'x'", "is used twice"),
        ("[columns]\noutcome = 'x'\n[outcome]\ncolumn = 'y'\ndied = [1]", "both make 'outcome'"),
        ("[outcome]\ncolumn = 'y'\ndied = [1]\nsurvived = [1]", "both died and survived"),
        ("[units]\nage = { factor = 0 }", "units"),
        ("not toml", "not valid TOML"),
    ],
)
def test_a_wrong_document_says_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_mapping(tmp_path / "m.toml")


def test_columns_and_units_given_singly_win() -> None:
    mapping = parse_mapping({"columns": {"traj": "a"}, "units": {"Lactate": "mg/dL"}})
    merged = mapping.merged({"traj": "b", "step": "n"}, {"Lactate": "mmol/L"})
    assert merged.columns == {"traj": "b", "step": "n"}
    assert merged.units == {"Lactate": "mmol/L"}


def test_names_codes_factors_and_missing_values(table: pd.DataFrame, study: StudySpec) -> None:
    given = table.rename(columns={"Lactate": "lac"}).assign(
        female=table["female"].map({0: " M", 1: "F "}), age=(table["age"] * 365.25).map(str)
    )
    given.loc[2, "lac"] = 9999
    mapping = parse_mapping(
        {
            "columns": {"Lactate": "lac"},
            "codes": {"female": {"M": 0, "F": 1}},
            "missing": {"*": ["9999"]},
            "units": {"age": {"factor": 1 / 365.25, "unit": "days"}},
        }
    )
    mapped = apply_mapping(given, study, mapping)
    assert mapped.ok
    assert mapped.frame["female"].astype(float).tolist() == table["female"].astype(float).tolist()
    np.testing.assert_allclose(mapped.frame["age"].astype(float), table["age"])
    assert mapped.frame["Lactate"].isna().tolist() == [i == 2 for i in range(len(table))]
    assert any("1 values that the mapping calls not measured" in problem.message for problem in mapped.problems)


def test_a_column_that_is_not_there_is_named_beside_those_that_are(table: pd.DataFrame, study: StudySpec) -> None:
    mapped = apply_mapping(table, study, parse_mapping({"columns": {"step": "lactat"}}))
    said = (
        "the mapping names 'lactat', which the file does not have. Correct the mapping; the file has traj, step, age, "
        "female, Lactate, vent, score, action, outcome."
    )
    assert refused(mapped) == [f"column 'lactat': {said}"]


def test_decimal_commas_are_one_convention(table: pd.DataFrame, study: StudySpec) -> None:
    given = table.assign(Lactate=[f"{1000 + i},5" for i in range(len(table))])
    given.loc[0, "Lactate"], given.loc[1, "Lactate"] = "1.234,25", "high"
    mapped = apply_mapping(given, study, parse_mapping({"decimal": ","}))
    assert mapped.frame["Lactate"].tolist()[:3] == ["1234.25", "high", "1002.5"]


def test_the_outcome_of_every_row_stands_on_the_last(table: pd.DataFrame, study: StudySpec) -> None:
    died = table.groupby("traj")["outcome"].transform("last") == -1
    given = table.drop(columns="outcome").assign(mortality=died.astype(float))
    rule = {"outcome": {"column": "mortality", "died": [1]}}
    mapped = apply_mapping(given, study, parse_mapping(rule))
    assert mapped.frame["outcome"].tolist() == table["outcome"].tolist()
    mixed = given.assign(mortality=given["mortality"].mask(given.index == 0, 1 - given["mortality"]))
    assert "has both outcomes on its rows" in refused(apply_mapping(mixed, study, parse_mapping(rule)))[0]
    foreign = given.assign(mortality=given["mortality"].mask(given.index == 0, 7))
    named = parse_mapping({"outcome": {"column": "mortality", "died": [1], "survived": [0]}})
    assert "'7' is neither a code for died nor for survived" in refused(apply_mapping(foreign, study, named))[0]
    empty = given.assign(mortality=given["mortality"].where(given["traj"] != given["traj"].iloc[0]))
    assert "has no outcome; 1 stays have none" in refused(apply_mapping(empty, study, parse_mapping(rule)))[0]


def test_an_outcome_may_be_a_number(table: pd.DataFrame, study: StudySpec) -> None:
    days = study.model_copy(update={"outcome": "number"})
    alive = {stay: 2.5 * place for place, stay in enumerate(table["traj"].unique(), start=1)}
    given = table.drop(columns="outcome").assign(
        days=table["traj"].map(lambda stay: f"{alive[stay]:.1f}".replace(".", ","))
    )
    rule = {"outcome": {"column": "days"}, "decimal": ","}
    told = apply_mapping(given, days, parse_mapping(rule)).frame["outcome"].to_numpy()
    last = table["traj"].ne(table["traj"].shift(-1)).to_numpy()
    assert told.tolist() == np.where(last, table["traj"].map(alive), 0.0).tolist()
    wrong = given.assign(days=given["days"].where(given.index != 0, "long"))
    assert "'long' is no number" in refused(apply_mapping(wrong, days, parse_mapping(rule)))[0]
    for other, codes, said in (
        (study, {}, "names no code that means died"),
        (days, {"died": [1]}, "is a number, not survival"),
        (study.model_copy(update={"outcome": "none"}), {"died": [1]}, "has no outcome; leave"),
    ):
        with pytest.raises(ConfigError, match=said):
            apply_mapping(given, other, parse_mapping({"outcome": {"column": "days", **codes}}))


def test_an_outcome_on_the_last_row_alone(table: pd.DataFrame, study: StudySpec) -> None:
    given = table.drop(columns="outcome").assign(status=table["outcome"].map({0: "", 1: "home", -1: "dead"}))
    rule = {"outcome": {"column": "status", "died": ["dead"], "place": "last row"}}
    assert apply_mapping(given, study, parse_mapping(rule)).frame["outcome"].tolist() == table["outcome"].tolist()


def test_doses_fall_into_the_studys_bins(table: pd.DataFrame, study: StudySpec) -> None:
    dose = np.asarray(study.actions.representative)[table["action"]]
    given = table.drop(columns="action").assign(units=dose)
    strict = parse_mapping({"action": {"dose": "units"}})
    assert apply_mapping(given, study, strict).frame["action"].tolist() == table["action"].tolist()
    gaps = given.assign(units=given["units"].mask(given.index == 1))
    assert "'nan' is no dose; 1 rows have none" in refused(apply_mapping(gaps, study, strict))[0]
    lenient = apply_mapping(gaps, study, parse_mapping({"action": {"dose": "units", "empty": "no drug"}}))
    assert lenient.frame["action"].iloc[1] == 0
    assert "is no dose" in refused(apply_mapping(given.assign(units=-1.0), study, strict))[0]


def test_times_become_steps_and_hours(study: StudySpec) -> None:
    """Two stays; the second starts late, has two rows in one step and a step without any."""
    given = pd.DataFrame(
        {
            "traj": ["a", "a", "b", "b", "b", "b"],
            "charttime": [
                *("2150-01-01 00:30", "2150-01-01 06:15"),
                *("2150-02-01 12:00", "2150-02-01 13:00", "2150-02-02 02:00", "2150-02-02 06:00"),
            ],
            "onset": ["2150-01-01 00:00"] * 2 + ["2150-02-01 00:00"] * 4,
            "age": 50.0,
            "female": 1,
            "Lactate": [1.0, 2.0, 3.0, None, 5.0, 6.0],
            "vent": [0, 0, 1, 0, 0, 0],
            "score": [1, 2, 3, 4, 5, 6],
            "units": [0.0, 2.0, 1.0, 3.0, 0.0, 7.0],
            "outcome": [0, 1, 0, 0, 0, -1],
        }
    )
    rules = {"time": {"column": "charttime", "origin": "onset"}, "action": {"dose": "units"}}
    mapped = apply_mapping(given, study, parse_mapping(rules))
    frame = mapped.frame
    assert mapped.ok
    assert study.start_hours == 0
    assert study.step_hours == 6
    assert frame["step"].tolist() == [0, 1, 0, 1, 2, 3]
    assert frame["hours"].tolist() == [0, 6, 12, 18, 24, 30]
    assert mapped.rows.tolist() == [0, 1, 2, -1, 4, 5]
    assert frame["Lactate"].tolist()[2] == 3.0  # the last recorded value of the step
    assert np.isnan(frame["Lactate"].tolist()[3])
    assert frame["vent"].tolist()[2] == 1
    assert frame["dose"].tolist() == [0, 2, 4, 0, 0, 7]
    assert frame["action"].tolist() == [0, 1, 1, 0, 0, 2]
    said = " ".join(problem.message for problem in mapped.problems)
    assert "1 rows shared a step with another" in said
    assert "1 steps without any row were filled" in said


def test_times_that_cannot_be_read_are_counted(table: pd.DataFrame, study: StudySpec) -> None:
    given = table.drop(columns="step").assign(when=["soon", *["2150-01-01"] * (len(table) - 1)])
    mapped = apply_mapping(given, study, parse_mapping({"time": {"column": "when"}}))
    assert "'soon' is not a date and time" in refused(mapped)[0]
    seconds = table.drop(columns="step").assign(when=np.arange(len(table)) * 1e7)
    mapped = apply_mapping(seconds, study, parse_mapping({"time": {"column": "when", "kind": "hours"}}))
    assert "Is the unit hours?" in refused(mapped)[0]


@pytest.mark.parametrize(("rule", "lengths"), [("cut", [4, 2]), ("leave out", [2])])
def test_stays_beyond_the_horizon(rule: str, lengths: list[int], study: StudySpec) -> None:
    given = pd.DataFrame({"traj": ["a"] * 6 + ["b"] * 2, "step": [1, 2, 3, 4, 5, 6, 1, 2], "dead": [1] * 6 + [0] * 2})
    rules = {"too_long": rule, "outcome": {"column": "dead", "died": [1]}}
    mapped = apply_mapping(given, study, parse_mapping(rules))
    assert mapped.frame.groupby("traj").size().tolist() == lengths
    assert mapped.frame.groupby("traj")["outcome"].last().tolist() == ([-1, 1] if rule == "cut" else [1])
    assert any("1 stays are longer than 4 steps" in problem.message for problem in mapped.problems)


def test_problems_stand_at_the_row_of_the_file(study: StudySpec) -> None:
    given = pd.DataFrame({"traj": ["a"] * 3, "when": [0.0, 1.0, 7.0], "score": [1, 2, 3]})
    mapped = apply_mapping(given, study, parse_mapping({"time": {"column": "when", "kind": "hours"}}))
    from core.tables.report import Problem

    assert mapped.placed(Problem("x", "second step", row=2)).row == 3


def test_a_study_goes_without_columns_that_nothing_needs(study: StudySpec) -> None:
    own = without(study, ["vent"])
    assert own.names == tuple(name for name in study.names if name != "vent")
    assert own.name == "mini-own"
    with pytest.raises(ConfigError, match="'score' cannot be left out: severity of study 'mini' needs it"):
        without(study, ["score"])
    with pytest.raises(ConfigError, match="does not have"):
        without(study, ["nope"])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "text"])
def test_times_of_any_year_and_precision_are_read(table: pd.DataFrame, study: StudySpec, unit: str) -> None:
    """De-identified dates lie far ahead; nanoseconds end in 2262, and a damaged date in 9999 is a time like another."""
    start = pd.Timestamp("2200-02-28 23:00" if unit == "ns" else "9999-02-28 23:00").as_unit("s")
    at = pd.Series([start + pd.Timedelta(hours=int(6 * step)).as_unit("s") for step in table["step"]])
    given = table.drop(columns="step").assign(at=at.astype(str) if unit == "text" else at.dt.as_unit(unit))
    mapped = apply_mapping(given, study, parse_mapping({"time": {"column": "at"}}))
    assert mapped.ok, [str(problem) for problem in mapped.problems]
    assert mapped.frame["step"].tolist() == (table["step"] - table.groupby("traj")["step"].transform("min")).tolist()
