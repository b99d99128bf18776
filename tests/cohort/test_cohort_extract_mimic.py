"""Extraction from MIMIC-IV: known totals of the public demo, and a hand-made hospital with known answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort import check_cohort, load_cohort
from core.cohort.columns import OPTIONAL
from core.cohort.extract import Extraction, ExtractOptions, extract_mimic_iv, save_extraction
from core.study import load_study
from tests.cohort.hospital import at, given, hospital, measured, write

AS_BEFORE = {"as_of": "end", "heparin_subcutaneous": True}  # the definitions that the totals were counted with

# ---------------------------------------------------------------- the public demo


@pytest.fixture(scope="module")
def demo(shared_data: Path) -> Callable[[str], Extraction]:
    folder = shared_data / "mimic-iv-demo"
    if not folder.is_dir():
        pytest.skip(f"the MIMIC-IV demo is not in {folder}")
    done: dict[str, Extraction] = {}

    def extract(population: str) -> Extraction:
        if population not in done:
            options = ExtractOptions.build({"population": population, **AS_BEFORE})
            done[population] = extract_mimic_iv(folder, options)
        return done[population]

    return extract


def test_demo_totals_are_the_known_ones(demo: Callable[[str], Extraction]) -> None:
    counts = demo("sepsis-3").counts
    assert counts["stays"] == 140
    assert counts["patients"] == 100
    assert counts["low_platelets_in_unit"] == 57
    assert counts["low_platelets"] == 61
    assert counts["heparin_drip"] == 21
    assert counts["heparin_prophylaxis"] == 62
    assert counts["sepsis"] == 26
    assert counts["sepsis3"] == 61
    assert counts["sepsis_low_platelets"] == counts["sepsis_low_platelets_in_unit"] == 17
    assert counts["heparin_unresolved"] == counts["pressor_unresolved"] == 0


LEFT = {
    "sepsis-3": [140, 140, 140, 140, 82, 61, 35, 35, 35],
    "codes": [140, 140, 140, 140, 26, 17, 17, 17],
    "platelets": [140, 140, 140, 140, 61, 60, 59],
}


@pytest.mark.parametrize("population", list(LEFT))
def test_demo_attrition(demo: Callable[[str], Extraction], population: str) -> None:
    attrition = demo(population).attrition
    assert [line.patients_left for line in attrition] == LEFT[population]
    for before, line in itertools.pairwise(attrition):
        assert before.patients_left - line.patients == line.patients_left
        assert before.rows_left - line.rows == line.rows_left
    frame = demo(population).frame
    assert attrition[-1].rows_left == len(frame) == {"sepsis-3": 443, "codes": 227, "platelets": 680}[population]


@pytest.mark.parametrize(
    ("population", "actions", "known"),
    [
        ("codes", [178, 0, 49], {"persons": 12, "drip": 0, "subcutaneous": 49, "dose": 245_000, "input": 148_699,
                                 "output": 69_354 + 16_638, "pressor steps": 94, "pressor": 27.90, 
                                 "ventilated": 141, "died": 6}),
        ("platelets", [496, 60, 105, 16, 3], {"persons": 48, "drip": 114, "subcutaneous": 70, "dose": 770_218,
                                 "input": 463_836, "output": 235_487 + 17_388, "pressor steps": 244, "pressor": 53.61, 
                                 "ventilated": 283, "died": 15}),
    ],
)  # fmt: skip
def test_demo_sums_are_the_known_ones(
    demo: Callable[[str], Extraction], population: str, actions: list[int], known: dict[str, float]
) -> None:
    """Output is the known sum and what dialysis removed, which was missing in it."""
    frame = demo(population).frame
    assert np.bincount(frame["action"]).tolist() == actions
    found = {
        "persons": frame["subject"].nunique(),
        "drip": (frame["dose_drip"] + frame["dose_bolus"] > 0).sum(),
        "subcutaneous": (frame["dose_subcutaneous"] > 0).sum(),
        "dose": frame["dose"].sum(),
        "input": frame["Total Input"].sum(),
        "output": frame["Total Output"].sum(),
        "pressor steps": (frame["Vasopressor"] > 0).sum(),
        "pressor": frame["Vasopressor"].sum(),
        "ventilated": frame["Ventilation"].sum(),
        "died": (frame["outcome"] == -1).sum(),
    }
    assert found == pytest.approx(known, rel=3e-4)


def test_demo_prophylaxis_is_no_action_unless_asked(demo: Callable[[str], Extraction], shared_data: Path) -> None:
    extraction = extract_mimic_iv(shared_data / "mimic-iv-demo", ExtractOptions(population="platelets"))
    frame, before = extraction.frame, demo("platelets").frame
    assert (frame["action"] > 0).sum() == 114
    assert (frame["dose_subcutaneous"] > 0).sum() == 70
    np.testing.assert_allclose(frame["dose"], before["dose"] - before["dose_subcutaneous"])
    assert extraction.shares().startswith("Actions 0 to 4: 83.2/8.8/5.1/2.4/0.4 %")


def test_demo_glucose_comes_from_finger_sticks_too(demo: Callable[[str], Extraction]) -> None:
    assert demo("platelets").frame["Glucose"].notna().sum() == 473


@pytest.mark.parametrize("population", list(LEFT))
def test_demo_becomes_a_cohort(demo: Callable[[str], Extraction], population: str, tmp_path: Path) -> None:
    frame = demo(population).frame
    assert check_cohort(frame).ok
    cohort = load_cohort(save_extraction(demo(population), tmp_path / "new" / "demo.parquet"))
    assert cohort.n_patients == frame["traj"].nunique()
    assert cohort.origin.like == "mimic-iv"
    assert not cohort.origin.simulated
    assert not cohort.frame.isna().any().any()
    assert cohort.imputed is not None
    assert (cohort.imputed == frame[list(cohort.study.names)].isna().to_numpy()).mean() == 1
    assert cohort.extra is not None
    np.testing.assert_allclose(cohort.extra["dose_subcutaneous"], frame["dose_subcutaneous"])
    assert any(note.startswith("Options: ") and population in note for note in cohort.report.notes)
    assert not [problem for problem in cohort.report.problems if problem.rule == "ignored-column"]


def test_demo_values_are_those_of_intensive_care(demo: Callable[[str], Extraction]) -> None:
    """Medians in the study's units: a missed conversion (Fahrenheit, pounds, fractions) would leave these bands."""
    frame = demo("platelets").frame
    bands = {"Temperature": (36, 38), "Weight": (60, 100), "Height": (160, 180), "MBP": (65, 85), "SpO2": (94, 99),
             "PH": (7.25, 7.45), "PaO2": (70, 160), "Lactate": (1, 4), "Hb": (8, 12), "Creatinine": (0.8, 2),
             "Total Output": (100, 500), "Total Input": (150, 800), "SOFA": (3, 8)}  # fmt: skip
    medians = frame[list(bands)].median()
    assert {name: value for name, value in medians.items() if not bands[name][0] <= value <= bands[name][1]} == {}
    assert 0.2 < frame["Ventilation"].mean() < 0.6
    # A count of 150 or more later in the same step hides a low one, in few stays.
    assert (frame.groupby("traj")["Platelets"].min() < 150).mean() > 0.95


# ---------------------------------------------------------------- a hand-made hospital


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    return extract_mimic_iv(write(hospital(), tmp_path_factory.mktemp("hospital")), ExtractOptions.build(AS_BEFORE))


def stay(extraction: Extraction, subject: int) -> pd.DataFrame:
    """Rows of a subject, by hours from onset."""
    frame = extraction.frame
    return frame[frame["traj"] == 10 * subject].set_index("hours")


def test_attrition_counts_every_exclusion(made: Extraction) -> None:
    assert [line.patients for line in made.attrition] == [0, 0, 0, 1, 2, 1, 0, 1]
    assert made.attrition[-1].patients_left == 2
    assert sorted(set(made.frame["traj"])) == [10, 60]
    assert made.counts["sepsis"] == 5
    assert made.counts["low_platelets"] == 6
    assert made.counts["low_platelets_in_unit"] == 3


def test_layout_and_steps_around_onset(made: Extraction) -> None:
    study = load_study()
    assert list(made.frame.columns) == ["traj", "step", *study.names, "action", "outcome", *OPTIONAL]
    assert list(stay(made, 1).index) == [-16, -12, -8, -4, 0, 4, 8, 12, 16]  # discharge at hour 40 = onset + 20
    assert list(stay(made, 6).index) == [0, 4]  # onset at admission; the last 2 h do not reach the middle of a step
    assert list(stay(made, 1)["step"]) == list(range(9))


def test_outcome_is_death_within_ninety_days_on_the_last_row(made: Extraction) -> None:
    assert list(stay(made, 1)["outcome"]) == [0] * 8 + [-1]
    assert list(stay(made, 6)["outcome"]) == [0, 1]  # died on day 91


def test_statics_and_unit_conversions(made: Extraction) -> None:
    row = stay(made, 1).loc[-16]
    assert row["Age"] == 60
    assert row["Gender"] == 0
    assert stay(made, 6)["Gender"].tolist() == [1, 1]
    assert row["Weight"] == pytest.approx(100, abs=1e-4)
    assert row["Height"] == pytest.approx(177.8)
    assert row["Temperature"] == pytest.approx((37 + 39) / 2)


def test_values_per_step(made: Extraction) -> None:
    rows = stay(made, 1)
    assert rows.loc[-16, "Hb"] == 11  # before admission: the first step looks back
    assert rows.loc[-16, "HR"] == 80
    assert rows["HR"].notna().sum() == 1  # not carried forward here; the cohort reader does that and flags it
    assert rows.loc[-16, "Platelets"] == 200
    assert rows.loc[0, "Platelets"] == 140
    assert rows.loc[0, "MBP"] == 70  # mean of cuff and line without the implausible -20
    assert rows.loc[0, "Creatinine"] == 1.0  # last of the step
    assert np.isnan(rows.loc[-12, "Temperature"])  # 99 degrees C is no temperature
    assert made.implausible == {"MBP": 1, "Temperature": 1}


def test_notes_say_that_a_value_may_follow_the_dose_of_its_step(made: Extraction) -> None:
    assert sum("a laboratory value may follow a dose of the same step" in note for note in made.notes) == 1


def test_as_of_the_start_a_state_holds_what_was_measured_before_its_dose(tmp_path: Path, made: Extraction) -> None:
    options = ExtractOptions.build({**AS_BEFORE, "as_of": "start"})
    extraction = extract_mimic_iv(write(hospital(), tmp_path), options)
    rows, published = stay(extraction, 1), stay(made, 1)
    assert rows["dose"].tolist() == published["dose"].tolist()
    shifted = ["MBP", "Creatinine", "Ventilation", "SOFA", "Total Output", "Vasopressor"]
    pd.testing.assert_frame_equal(
        rows[shifted].iloc[1:].reset_index(drop=True), published[shifted].iloc[:-1].reset_index(drop=True)
    )
    age = extraction.ages["age: Creatinine"][extraction.frame["traj"] == 10].to_numpy()
    assert age[5] == pytest.approx(1)  # measured at hour 23, known at hour 24
    known = extraction.ages.to_numpy()[~np.isnan(extraction.ages.to_numpy())]
    assert (known > 0).all()
    assert (made.ages.to_numpy()[~np.isnan(made.ages.to_numpy())] >= 0).all()
    assert sum("before the dose of the step" in note for note in extraction.notes) == 1


@pytest.mark.parametrize("hours", [1, 2, 8])
def test_steps_of_other_lengths_keep_window_and_dose_an_hour(tmp_path: Path, made: Extraction, hours: int) -> None:
    folder = write(hospital(), tmp_path)
    extraction = extract_mimic_iv(folder, ExtractOptions.build({**AS_BEFORE, "step_hours": hours}))
    rows = stay(extraction, 1)
    assert set(np.diff(rows.index)) == {hours}
    assert rows["dose"].sum() == stay(made, 1)["dose"].sum() == 11_000
    assert extraction.study.horizon == 64 // hours
    assert extraction.study.actions.upper[1] == pytest.approx(3600 * hours / 4)
    assert extraction.study.actions.unit == f"units per {hours} h"
    assert {p.rule for p in check_cohort(extraction.frame, extraction.study).errors} <= {"empty-column"}


def test_heparin_is_shared_over_the_steps_it_overlaps(made: Extraction) -> None:
    rows = stay(made, 1)
    assert rows["dose"].to_dict() == pytest.approx(
        {-16: 5000, -12: 0, -8: 0, -4: 0, 0: 3000, 4: 3000, 8: 0, 12: 0, 16: 0}
    )
    assert rows["action"].tolist() == [2, 0, 0, 0, 1, 1, 0, 0, 0]


def test_support_and_fluids(made: Extraction) -> None:
    rows = stay(made, 1)
    assert rows.loc[0, "Vasopressor"] == pytest.approx(0.2 * 2 / 4)
    assert rows.loc[4, "Vasopressor"] == pytest.approx(2.5 * 2.4 / 60)
    assert rows.loc[8, "Vasopressor"] == 0
    assert rows.loc[[0, 4, 8], "Total Input"].tolist() == pytest.approx([500, 500, 0])  # without pre-admission intake
    assert rows.loc[0, "Total Output"] == 100 + 900 - 600
    assert rows["Ventilation"].tolist() == [0, 0, 1, 1, 0, 1, 0, 0, 0]  # procedure, then a charted PEEP


def test_sofa_holds_the_worst_of_a_day(made: Extraction) -> None:
    sofa = stay(made, 1)["SOFA"]
    assert sofa[-12] == 0
    assert sofa[-8] == sofa[-4] == 1  # Glasgow Coma Scale 13 with speech; urine does not count before a day has passed
    assert sofa[0] == 1 + 1 + 3 + 4  # coma, platelets 140, 427 mL of urine a day (creatinine alone: 2), pressor 0.2
    assert sofa[4] == sofa[0] + 3  # PaO2/FiO2 150 while ventilated; the coma scale of a tubed patient does not count
    assert sofa[16] == sofa[4] - 1  # the coma reading is more than a day old


def test_units_of_the_record_are_respected(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/inputevents"] = [
        given(1, 20, 22, 225152, "", 12, rateuom="units/kg/hour", patientweight=80),
        given(1, 24, 26, 225152, "", 12, patientweight=1),  # no unit: too low for units/h; the chart's 100 kg
        given(1, 28, 30, 225152, "", 900),
        given(1, 32, 33, 225152, 5, 5, amountuom="mL", rateuom="mL/hour"),
        given(1, 36, 37, 225975, 7500, amountuom="units"),
        given(1, 36, 40, 225158, 0.5, amountuom="L"),
        given(1, 36, 40, 221906, 1, 12, rateuom="mcg/min", patientweight=80),
        given(1, 20, 22, 225152, 9999, 5000, amountuom="units", statusdescription="Rewritten"),
    ]
    columns = ("patientweight", "statusdescription")
    tables["icu/inputevents"] = [{**dict.fromkeys(columns, ""), **row} for row in tables["icu/inputevents"]]
    folder = write(tables, tmp_path)
    extraction = extract_mimic_iv(folder, ExtractOptions.build({**AS_BEFORE, "heparin_units_per_ml": 100}))
    rows = stay(extraction, 1)
    assert rows["dose"].loc[0:].tolist() == pytest.approx([12 * 80 * 2, 12 * 100 * 2, 1800, 500, 7500])
    assert extraction.counts["heparin_unresolved"] == 0
    assert rows.loc[16, "Total Input"] == 500
    assert rows.loc[16, "Vasopressor"] == pytest.approx(12 / 80)
    without = extract_mimic_iv(folder, ExtractOptions.build(AS_BEFORE))
    assert sorted(set(without.frame["traj"])) == [60]  # heparin in mL is never "no heparin"
    assert without.attrition[-1].reason == "heparin given that cannot be resolved into units"
    assert without.attrition[-1].patients == without.counts["heparin_unresolved"] == 1
    assert any(
        "1 of 5 entries of heparin of the kinds that count cannot be resolved" in loss for loss in without.losses
    )


def test_a_record_without_units_takes_them_from_the_item_table(tmp_path: Path, made: Extraction) -> None:
    extraction = extract_mimic_iv(
        write(hospital(), tmp_path, {"icu/inputevents": "amountuom"}), ExtractOptions.build(AS_BEFORE)
    )
    pd.testing.assert_frame_equal(extraction.frame, made.frame)


def test_wider_population_window_and_first_stay(tmp_path: Path) -> None:
    tables = hospital()
    again = {**tables["icu/icustays"][0], "stay_id": 11, "intime": at(100), "outtime": at(140)}
    tables["icu/icustays"].insert(0, again)
    tables["hosp/labevents"].append(measured(1, 101, 51265, 80))
    folder = write(tables, tmp_path)
    options = ExtractOptions(population="platelets", start_hours=0, end_hours=12, min_age=5)
    frame = extract_mimic_iv(folder, options).frame
    assert sorted(set(frame["traj"])) == [10, 11, 20, 30, 60, 70]
    assert frame.groupby("traj")["hours"].max().max() == 8
    first = extract_mimic_iv(folder, options.model_copy(update={"first_stay_only": True}))
    assert sorted(set(first.frame["traj"])) == [10, 20, 30, 60, 70]
    assert any("first such stay" in line.reason and line.patients == 1 for line in first.attrition)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_saved_stays_read_back(made: Extraction, tmp_path: Path, ending: str) -> None:
    path = save_extraction(made, tmp_path / f"stays{ending}")
    back = pd.read_parquet(path) if ending == ".parquet" else pd.read_csv(path)
    if ending == ".parquet":
        ages = back[[name for name in back if name.startswith("age: ")]]
        pd.testing.assert_frame_equal(ages, made.ages, check_dtype=False)
        back = back.drop(columns=ages.columns)
    pd.testing.assert_frame_equal(back, made.frame, check_dtype=False)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_saving_refuses_other_endings(made: Extraction, tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match=r"\.parquet, \.csv or \.csv\.gz"):
        save_extraction(made, tmp_path / "stays.xlsx")


def test_missing_tables_and_columns_are_all_named(tmp_path: Path) -> None:
    tables = hospital()
    del tables["icu/chartevents"], tables["hosp/diagnoses_icd"]
    folder = write(tables, tmp_path, {"icu/icustays": "outtime"})
    with pytest.raises(ExtractError) as error:
        extract_mimic_iv(folder)
    for text in ("icu/chartevents is missing", "hosp/diagnoses_icd is missing", "no column outtime", "Download"):
        assert text in str(error.value)


def test_wrong_folders_say_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="not a folder"):
        extract_mimic_iv(tmp_path / "nowhere")
    write(hospital(), tmp_path / "mimic-iv")
    with pytest.raises(ExtractError, match=r"Did you mean .*mimic-iv"):
        extract_mimic_iv(tmp_path)


def test_a_broken_file_and_missing_units_are_reported(tmp_path: Path) -> None:
    folder = write(hospital(), tmp_path / "a")
    (folder / "icu" / "d_items.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(ExtractError, match=r"d_items\.csv\.gz cannot be read"):
        extract_mimic_iv(folder)
    tables = hospital()
    del tables["icu/d_items"]
    with pytest.raises(ExtractError, match="amountuom"):
        extract_mimic_iv(write(tables, tmp_path / "b", {"icu/inputevents": "amountuom"}))


def test_nobody_left_and_impossible_windows(tmp_path: Path) -> None:
    folder = write(hospital(), tmp_path)
    with pytest.raises(ExtractError, match="no stay meets the criteria"):
        extract_mimic_iv(folder, ExtractOptions(min_age=99))
    with pytest.raises(ExtractError, match="the study at most 16"):
        extract_mimic_iv(folder, ExtractOptions(end_hours=100))
    with pytest.raises(ExtractError, match="must end after onset"):
        extract_mimic_iv(folder, ExtractOptions(start_hours=-48, end_hours=-20))
