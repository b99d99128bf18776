"""A study proposed from a file: its roles, ranges and doses, and a run of it from start to end."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.cli.main import main
from core.cohort import check_cohort, load_cohort, make_cohort, save_cohort, simulate_cohort
from core.cohort.define import ProposedStudy, Told, propose_study, study_text
from core.cohort.define.roles import Roles
from core.cohort.define.terms import dose_bins
from core.icu.view import RunView
from core.policies.hazards import default_rules
from core.study import StudySpec
from tests.cohort.define.tables import HOURS, norepinephrine_table
from tests.conftest import TINY


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """As a CSV holds it: times are text."""
    text = norepinephrine_table(200).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), dtype={"encounter_id": str})


@pytest.fixture(scope="module")
def proposed(table: pd.DataFrame) -> ProposedStudy:
    return propose_study(table, "icu")


def why(proposed: ProposedStudy, name: str) -> str:
    return proposed.evidence[f"columns.{proposed.study.index(name)}"]


def test_roles_units_ranges_and_terms_come_with_their_evidence(table: pd.DataFrame, proposed: ProposedStudy) -> None:
    study, evidence = proposed.study, proposed.evidence
    assert study.names[: study.n_static] == ("age_years", "sex", "weight_kg", "on_ecmo")
    assert study.mapping["columns"] == {"traj": "encounter_id", "subject": "person_id"}
    assert study.mapping["outcome"]["column"] == "hospital_mortality"
    assert study.mapping["time"] == {"column": "charttime"}
    assert (study.actions.drug, study.actions.unit, study.step_hours) == ("norepinephrine", "ug/kg/min", HOURS)
    lactate, crp = study.column("arterial_lactate"), study.column("crp_mg_l")
    assert (lactate.label, lactate.unit, lactate.plausible) == ("Lactate", "mmol/L", (0, 50))
    assert "named as Lactate" in why(proposed, "arterial_lactate")
    assert (crp.unit, crp.plausible[0]) == ("mg/L", 0)
    assert study.mapping["missing"] == {"crp_mg_l": ["-9"]}
    assert "unit as the name ends" in why(proposed, "crp_mg_l")
    assert study.column("capillary_refill_s").unit == "unknown"
    assert "write it here" in why(proposed, "capillary_refill_s")
    known = table["crp_mg_l"][table["crp_mg_l"] >= 0]
    assert crp.plausible[1] >= known.max()
    assert [(t.name, t.column) for t in study.rewards] == [
        ("arterial_lactate change", "arterial_lactate"),
        ("map in target", "map"),
    ]
    assert [rule.text(study) for rule in default_rules(study)] == ["norepinephrine while Mean blood pressure > 90"]
    assert study.published is None
    assert dict(proposed.left_out) == {
        "ward": "text of 3 kinds",
        "length_of_stay_d": "known only once a stay has ended",
    }
    assert "1 = died" in evidence["mapping.outcome"]
    assert "half of the rows of 'charttime' come within 2 h" in evidence["step_hours"]


def test_the_example_of_hazards_is_a_study_without_its_marks(proposed: ProposedStudy, tmp_path: Path) -> None:
    head, _, example = study_text(proposed).partition("What makes a dose hazardous")
    meant = [line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in example.splitlines()]
    path = tmp_path / "s.toml"
    path.write_text(head + _ + "\n".join(meant), encoding="utf-8")
    study = StudySpec.from_toml(path)
    before = proposed.study
    assert (len(study.hazards), len(study.warnings)) == (len(before.hazards) + 1, len(before.warnings) + 1)
    assert {hazard.column for hazard in (study.hazards[-1], study.warnings[-1])} <= set(study.names)


def test_more_of_the_severity_is_worse_so_that_the_outcome_is_not_doubted(table: pd.DataFrame) -> None:
    """Pressure goes most with death here, but the other way round."""
    low = table.assign(map=table["map"] - 30 * table["hospital_mortality"])
    study = propose_study(low).study
    assert study.severity == "capillary_refill_s"
    assert "outcome-and-severity" not in {problem.rule for problem in check_cohort(low, study).warnings}


def test_bins_are_the_quartiles_of_the_positive_doses_of_a_step(table: pd.DataFrame, proposed: ProposedStudy) -> None:
    cohort = make_cohort(table, proposed.study)
    shares = np.bincount(cohort.actions[cohort.actions > 0], minlength=5)[1:] / (cohort.actions > 0).sum()
    np.testing.assert_allclose(shares, 0.25, atol=0.04)  # doses in thousandths: ties
    assert proposed.study.actions.upper[-1] == table["norad_mcg_kg_min"].max()


def test_the_file_reads_back_as_the_study_with_a_comment_for_each_line(proposed: ProposedStudy, tmp_path: Path) -> None:
    text = study_text(proposed)
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    assert StudySpec.from_toml(path) == proposed.study
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    for name in proposed.study.names:
        assert why(proposed, name) in comments, name
    for place in ("horizon", "step_hours", "severity", "actions.upper", "mapping.outcome", "rewards.1", "hazards"):
        assert proposed.evidence[place] in comments, place
    assert "no state: 'ward', text of 3 kinds" in comments


def test_names_of_a_file_cannot_end_a_comment(tmp_path: Path) -> None:
    table = norepinephrine_table(40).rename(columns={"crp_mg_l": 'crp\n[actions]\ndrug = "x"', "ward": "w\r\nname = 1"})
    found = propose_study(table)
    path = tmp_path / "my.toml"
    path.write_text(study_text(found), encoding="utf-8")
    assert StudySpec.from_toml(path) == found.study
    assert [name for name, _ in found.left_out if "drug" in name], "left out, and said so"
    assert all("actions" not in column.name for column in found.study.columns)


def test_from_file_to_values_in_three_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """init, check, train with a weight under its own name; the run is of the study, and so is its report."""
    file, toml, run = tmp_path / "shock.csv", tmp_path / "my.toml", tmp_path / "run"
    norepinephrine_table(120, seed=3).to_csv(file, index=False)
    assert main(["study", "init", str(file), "--out", str(toml)]) == 0
    assert "can be used" in capsys.readouterr().out
    assert main(["check", str(file), "--study", str(toml)]) == 0
    settings = {**TINY, "rewards.map in target": "0.4", "baselines.enabled": "false"}
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    assert main(["train", str(file), "--study", str(toml), "--run", str(run), "--preset", "quick", *given]) == 0
    view = RunView(run)
    assert {t.name: t.coefficient for t in view.study.rewards} == {
        "arterial_lactate change": -2.0,
        "map in target": 0.4,
    }
    assert [rule.column for rule in default_rules(view.study)] == ["map"]
    assert 'traj = "encounter_id"' in view.cohort.report.mapping
    assert main(["report", str(run), "--out", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "map in target" in page
    assert "norepinephrine while Mean blood pressure" in page
    assert "HOPAS" not in page
    other = ["--run", str(tmp_path / "other"), "--set", "rewards.C_3=1"]
    assert main(["train", str(file), "--study", str(toml), *other]) == 2
    assert "no reward term C_3; its terms are: arterial_lactate change, map in target" in capsys.readouterr().err


def test_a_file_in_the_studys_form_is_not_mapped_again(
    table: pd.DataFrame, proposed: ProposedStudy, tmp_path: Path
) -> None:
    cohort = make_cohort(table, proposed.study)
    again = load_cohort(save_cohort(cohort, tmp_path / "c.parquet"), proposed.study)
    assert again.data_hash == cohort.data_hash
    assert make_cohort(cohort.frame, proposed.study).n_patients == cohort.n_patients
    report = check_cohort(table.drop(columns="charttime"), proposed.study)
    assert "the mapping names 'charttime', which the file does not have" in report.errors[0].message


def test_counted_steps_and_an_inverted_outcome(table: pd.DataFrame) -> None:
    """Blocks from 1, survival instead of mortality as text, doses of four sizes, an hour counter, a number a stay."""
    block = table.groupby("encounter_id").cumcount() + 1
    stay = pd.factorize(table["encounter_id"])[0]
    other = table.drop(columns=["charttime", "hospital_mortality", "norad_mcg_kg_min"]).assign(
        bloc=block,
        hours_since_start=6 * block,
        record=9000 + 7 * stay,
        survived_hospital=np.where(table["hospital_mortality"] == 1, "no", "yes"),
        insulin_units=np.tile([0, 2, 4, 10, 0, 0], len(table))[: len(table)],
    )
    found = propose_study(other)
    study = found.study
    assert study.mapping["columns"]["step"] == "bloc"
    assert study.mapping["outcome"]["died"] == ["no"]
    assert study.step_hours == 6
    assert study.actions.upper == study.actions.representative == (0, 2, 4, 10)
    assert (study.actions.drug, study.hazards) == ("insulin", ())
    left = dict(found.left_out)
    assert left["hours_since_start"] == "rises by 6 each step: a clock"
    assert left["record"] == "another number for each stay: a key"
    cohort = make_cohort(other, study)
    died = table.groupby("encounter_id")["hospital_mortality"].first().to_numpy()
    np.testing.assert_array_equal(cohort.outcomes < 0, died == 1)


def test_where_no_word_says_who_died_the_rarer_code_did_and_the_file_says_so(table: pd.DataFrame) -> None:
    codes = np.where(table["hospital_mortality"] == 1, "II", "I")
    found = propose_study(table.drop(columns="hospital_mortality").assign(end=codes), told=Told(outcome="end"))
    assert found.study.mapping["outcome"]["died"] == ["II"]
    assert "the rarer code: look whether that is so" in found.evidence["mapping.outcome"]


def test_words_for_died_and_survived_tell_the_outcome_by_themselves(table: pd.DataFrame) -> None:
    words = table["hospital_mortality"].map({0: "Alive", 1: "Dead"})
    found = propose_study(table.drop(columns="hospital_mortality").assign(status=words))
    assert found.study.mapping["outcome"] | {"place": ""} == {
        "column": "status",
        "died": ["Dead"],
        "survived": ["Alive"],
        "place": "",
    }


def test_a_file_in_the_form_of_the_app_needs_no_mapping_and_keeps_its_bins() -> None:
    cohort, _ = simulate_cohort("mimic-iv", 40, 0)
    found = propose_study(cohort.frame)
    assert found.study.mapping == {}
    assert (found.study.names, found.study.n_actions) == (cohort.study.names, cohort.study.n_actions)
    assert "write the upper dose of each here" in found.evidence["actions.upper"]
    np.testing.assert_array_equal(make_cohort(cohort.frame, found.study).states, cohort.states)


def test_what_an_extraction_keeps_beside_the_states_is_no_state() -> None:
    cohort, _ = simulate_cohort("mimic-iv", 40, 0)
    beside = {"dose_drip": cohort.actions * 500.0, "age: Platelets": np.arange(len(cohort.actions)) % 7}
    proposed = propose_study(cohort.frame.assign(**beside))
    assert {name: why for name, why in proposed.left_out if name in beside} == dict.fromkeys(
        beside, "kept beside the states"
    )
    assert not set(beside) & set(proposed.study.names)  # the dose of a step in its state would tell the action


def test_long_stays_are_cut_where_few_are_long(table: pd.DataFrame) -> None:
    steps = pd.concat([norepinephrine_table(60), norepinephrine_table(1, seed=1, n_most=4).head(1)])
    long = pd.concat([steps.tail(1)] * 60).assign(encounter_id="E9999", person_id="P9999")
    long["charttime"] = pd.date_range("2150-01-01", periods=60, freq="2h")
    found = propose_study(pd.concat([steps.iloc[:-1], long], ignore_index=True))
    assert found.study.horizon <= 11
    assert found.study.mapping["too_long"] == "cut"
    assert "longer ones (up to 60) are cut" in found.evidence["horizon"]


def without(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    return table.drop(columns=list(names))


@pytest.mark.parametrize(
    ("change", "told", "expected"),
    [
        (lambda t: without(t, "norad_mcg_kg_min"), Told(), "no column is named as the dose of a drug"),
        (lambda t: t, Told(dose="norad"), "the file has no column 'norad'"),
        (lambda t: t, Told(dose="ward"), "'ward' is no dose: it must hold numbers from 0"),
        (lambda t: without(t, "hospital_mortality"), Told(), "no column with two codes tells how a stay ended"),
        (lambda t: t, Told(outcome="ward"), "'ward' holds 3 codes; the outcome of a stay has two"),
        (lambda t: without(t, "encounter_id", "person_id"), Told(), "no column names the stays"),
        (lambda t: without(t, "charttime"), Told(), "no column counts the steps of a stay"),
        (lambda t: t.head(0), Told(), "no rows to propose a study from"),
    ],
)
def test_what_is_not_found_is_named_with_what_to_say(table: pd.DataFrame, change, told: Told, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        propose_study(change(table), told=told)


def test_the_command_line_says_so_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    without(norepinephrine_table(20), "norad_mcg_kg_min").to_csv(file, index=False)
    assert main(["study", "init", str(file), "--out", str(tmp_path / "my.toml")]) == 2
    assert "on the command line: --dose" in capsys.readouterr().err
    assert not (tmp_path / "my.toml").exists()


@given(st.lists(st.floats(1e-4, 1e6), min_size=1, max_size=60))
def test_every_dose_has_a_bin_of_its_own_size(doses: list[float]) -> None:
    """No positive dose is called no drug, none lies above the last bin, and no bin is empty but by rounding."""
    table = pd.DataFrame({"dose": [0.0, *doses]})
    actions, _ = dose_bins(table, Roles(dose="dose", drug="d", unit="u"))
    bins = actions.bin(np.asarray([0.0, *doses]))
    assert bins[0] == 0
    assert (bins[1:] >= 1).all()
    assert max(doses) <= actions.upper[-1]
    assert len(actions.upper) <= 5


@pytest.mark.parametrize(
    ("name", "unit"),
    [("norepi_mg_h", "mg/h"), ("norepi_mcg_hr", "ug/h"), ("norepi (mg/min)", "mg/min"), ("norepi", "ug/kg/min")],
)
def test_a_dose_has_the_unit_of_its_name_before_the_one_usual_for_the_drug(
    table: pd.DataFrame, proposed: ProposedStudy, name: str, unit: str
) -> None:
    dose = proposed.study.mapping["action"]["dose"]
    assert propose_study(table.rename(columns={dose: name}), "file").study.actions.unit == unit


def test_stays_and_times_are_found_by_plain_names(table: pd.DataFrame, proposed: ProposedStudy) -> None:
    keys = proposed.study.mapping
    renamed = table.rename(columns={keys["columns"]["traj"]: "stay", keys["time"]["column"]: "charted"})
    again = propose_study(renamed, "file").study.mapping
    assert (again["columns"]["traj"], again["time"]["column"]) == ("stay", "charted")
