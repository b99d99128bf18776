"""Proposals rest on names that the field knows and on values that fit, never on spelling alone."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from core.cohort import check_cohort, simulate_cohort
from core.study import load_study
from core.tables.propose import Proposed, propose_mapping
from core.tables.structure import find_keys
from core.tables.transform import apply_mapping

STUDY = load_study()


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    made, _ = simulate_cohort(like="mimic-iv", n_patients=40, seed=0)
    return made.frame.assign(traj=pd.factorize(made.frame["traj"])[0])


def brought_in(given: pd.DataFrame, proposed: Proposed) -> pd.DataFrame:
    """The table that the proposal makes, once it passes every rule."""
    mapped = apply_mapping(given, STUDY, proposed.mapping)
    assert mapped.ok, [str(problem) for problem in mapped.problems]
    report = check_cohort(mapped.frame, mapped.study, units=mapped.units)
    assert report.ok, [str(problem) for problem in report.errors]
    return mapped.frame


def test_a_file_in_the_studys_form_needs_nothing(cohort: pd.DataFrame) -> None:
    proposed = propose_mapping(cohort, STUDY)
    assert proposed.mapping.empty
    assert not proposed.doubts
    assert not proposed.lacking


def test_a_table_of_another_tool_comes_in_whole(cohort: pd.DataFrame) -> None:
    """Its names, steps from 1, age in days, sex as letters, mortality on every row, heparin as raw units."""
    names = {
        **{"traj": "icustayid", "step": "bloc", "MBP": "MeanBP", "SBP": "SysBP", "DBP": "DiaBP"},
        **{"Temperature": "Temp_C", "PH": "Arterial_pH", "PaO2": "paO2", "PaCO2": "paCO2", "WBC": "WBC_count"},
        **{"Platelets": "Platelets_count", "Lactate": "Arterial_lactate", "BaseExcess": "Arterial_BE"},
        **{"Gender": "gender", "Age": "age", "Weight": "Weight_kg", "Total Input": "input_4hourly"},
        **{"Total Output": "output_4hourly", "Ventilation": "mechvent", "Vasopressor": "max_dose_vaso"},
    }
    died = (cohort.groupby("traj")["outcome"].transform("last") == -1).astype(int)
    units = np.asarray(STUDY.actions.representative)[cohort["action"]]
    given = (
        cohort.drop(columns=["outcome", "action"])
        .assign(
            step=cohort["step"] + 1,
            Age=cohort["Age"] * 365.2425,
            Gender=cohort["Gender"].map({0: "M", 1: "F"}),
            mortality_90d=died,
            heparin_units=units,
            Total_bili=1.0,
        )
        .rename(columns=names)
    )
    proposed = propose_mapping(given, STUDY)
    frame = brought_in(given, proposed)
    assert not proposed.lacking
    np.testing.assert_allclose(frame["Age"].astype(float), cohort["Age"], rtol=1e-6)
    for name in ("Gender", "action", "outcome", "Platelets", "PaCO2"):
        np.testing.assert_array_equal(frame[name].astype(float), cohort[name].astype(float))
    evidence = {proposal.target: proposal.evidence for proposal in proposed.proposals}
    assert "40 values; with bloc it names each of" in evidence["traj"]
    assert "read as days" in evidence["Age"]
    assert "1 = died" in evidence["outcome"]


def test_an_outcome_that_is_a_number_is_no_code(cohort: pd.DataFrame) -> None:
    days = STUDY.model_copy(update={"outcome": "number"})
    last = cohort["traj"].ne(cohort["traj"].shift(-1))
    alive = cohort["traj"].astype("category").cat.codes % 2  # 0 and 1 alone: codes of a study of survival
    every, ends = cohort.assign(outcome=alive), cohort.assign(outcome=alive.where(last, 0))
    for given, rule in ((every, True), (ends, False)):
        proposed = propose_mapping(given, days)
        assert (proposed.mapping.outcome is not None) == rule
        told = apply_mapping(given, days, proposed.mapping).frame["outcome"].astype(float)
        np.testing.assert_array_equal(told, ends["outcome"])
    assert propose_mapping(every, STUDY.model_copy(update={"outcome": "none"})).mapping.outcome is None


def test_times_and_raw_doses_come_in(cohort: pd.DataFrame) -> None:
    start = pd.Timestamp("2150-03-01 08:10")
    at = start + pd.to_timedelta(cohort["step"] * 4 + 0.3, unit="h") + pd.to_timedelta(cohort["traj"] * 37, unit="D")
    units = np.asarray(STUDY.actions.representative)[cohort["action"]]
    given = cohort.drop(columns=["step", "action"]).assign(charttime=at, heparin_units=units)
    given = given.rename(columns={"traj": "stay_id"})
    frame = brought_in(given, propose_mapping(given, STUDY))
    for name in ("step", "action", "outcome"):
        np.testing.assert_array_equal(frame[name].astype(float), cohort[name].astype(float))


def test_a_european_file_is_one_convention(cohort: pd.DataFrame) -> None:
    text = cohort.to_csv(index=False, sep=";", decimal=",")
    given = pd.read_csv(io.StringIO(text), sep=";", dtype=str)
    proposed = propose_mapping(given, STUDY)
    assert proposed.mapping.decimal == ","
    frame = brought_in(given, proposed)
    np.testing.assert_allclose(frame["Lactate"].astype(float), cohort["Lactate"], rtol=1e-6)


def test_no_key_and_no_gas_is_guessed_by_spelling(cohort: pd.DataFrame) -> None:
    given = cohort.drop(columns=["PaO2", "SpO2", "step"]).rename(columns={"Temperature": "temp", "PaCO2": "pco2"})
    columns = propose_mapping(given, STUDY).mapping.columns
    assert "step" not in columns
    assert columns["Temperature"] == "temp"
    assert columns["PaCO2"] == "pco2"
    assert "PaO2" not in columns
    assert set(propose_mapping(given, STUDY).lacking) == {"PaO2", "SpO2"}


def test_a_name_whose_values_do_not_fit_is_a_doubt_in_words(cohort: pd.DataFrame) -> None:
    given = cohort.rename(columns={"Sodium": "na"}).assign(na=cohort["Potassium"])
    proposed = propose_mapping(given, STUDY)
    assert proposed.lacking == ("Sodium",)
    assert proposed.doubts == (
        "'na' is named like Sodium, but 100 % of its values lie outside 90 to 200 mmol/L, in every unit known here.",
    )


def test_one_column_serves_once(cohort: pd.DataFrame) -> None:
    columns = propose_mapping(cohort.rename(columns={"traj": "patient_id"}), STUDY).mapping.columns
    assert columns == {"traj": "patient_id"}  # not the person as well


@pytest.mark.parametrize(
    ("text", "number"), [("> 89", 90.0), (">89", 90.0), (">=90", 90.0), ("90+", 90.0), ("≥ 90", 90.0)]
)
def test_ages_beyond_a_bound_become_one_number(cohort: pd.DataFrame, text: str, number: float) -> None:
    age = cohort["Age"].round().astype(int).astype(str).mask(cohort["traj"] == 3, text)
    assert propose_mapping(cohort.assign(Age=age), STUDY).mapping.codes == {"Age": {text: number}}


def test_values_below_a_limit_of_detection_become_it(cohort: pd.DataFrame) -> None:
    lactate = cohort["Lactate"].round(1).astype(str).mask(cohort["step"] == 3, "<0.5")
    assert propose_mapping(cohort.assign(Lactate=lactate), STUDY).mapping.codes == {"Lactate": {"<0.5": 0.5}}


@pytest.mark.parametrize(("men", "women"), [("m", "w"), ("Male", "Female"), ("M", "F"), ("H", "F")])
def test_sexes_are_coded_as_the_study_says(cohort: pd.DataFrame, men: str, women: str) -> None:
    given = cohort.assign(Gender=cohort["Gender"].map({0: men, 1: women}))
    assert propose_mapping(given, STUDY).mapping.codes == {"Gender": {men: 0.0, women: 1.0}}


@pytest.mark.parametrize("code", [-1, -99, 9999])
def test_codes_for_not_measured_are_emptied(cohort: pd.DataFrame, code: int) -> None:
    given = cohort.assign(Glucose=cohort["Glucose"].mask(cohort["step"] == 3, code))
    proposed = propose_mapping(given, STUDY)
    assert proposed.mapping.missing == {"Glucose": (str(code),)}
    assert f"{code} are impossible and repeat" in proposed.evidence["Glucose"]
    frame = brought_in(given, proposed)
    assert frame["Glucose"].isna().sum() == (cohort["step"] == 3).sum()


def test_keys_are_found_by_structure_in_a_shuffled_file() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": np.repeat(np.arange(30), 5), "which": np.tile(np.arange(1, 6), 30)})
    frame = frame.assign(ward=rng.integers(0, 3, 150), score=rng.integers(0, 9, 150)).sample(frac=1, random_state=0)
    keys = find_keys(frame.reset_index(drop=True))
    assert keys is not None
    assert (keys.traj, keys.step, keys.stays, keys.first) == ("who", "which", 30, 1)
    assert find_keys(frame.assign(which=0).reset_index(drop=True)) is None


def test_a_name_with_a_unit_of_the_column_behind_it_is_known_where_the_values_fit(cohort: pd.DataFrame) -> None:
    named = {"MBP": "map_mmhg", "Lactate": "lactate_mmol", "Platelets": "plt_10_9_l", "Creatinine": "crea_mgdl"}
    proposed = propose_mapping(cohort.rename(columns=named), STUDY)
    assert {target: source for target, source in proposed.mapping.columns.items() if target in named} == named
    assert not proposed.mapping.units
    wrong = cohort.rename(columns=named).assign(map_mmhg=1000.0)
    assert "MBP" not in propose_mapping(wrong, STUDY).mapping.columns
    assert "MBP" not in propose_mapping(cohort.rename(columns={"MBP": "map_bpm"}), STUDY).mapping.columns
