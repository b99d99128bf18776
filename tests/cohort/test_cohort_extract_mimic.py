"""Extraction from MIMIC-IV: known totals of the public demo, and a hand-made hospital with known answers."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort import check_cohort, load_cohort
from core.cohort.extract import Extraction, ExtractOptions, extract_mimic_iv, save_extraction
from core.study import load_study

Rows = list[dict[str, object]]
ADMISSION = pd.Timestamp("2150-03-01 00:00:00")


def at(hour: float) -> str:
    """Time as the tables write it, `hour` hours after admission to the unit."""
    return str(ADMISSION + pd.Timedelta(hours=hour))


# ---------------------------------------------------------------- the public demo


@pytest.fixture(scope="module")
def demo(shared_data: Path) -> Callable[[str], Extraction]:
    folder = shared_data / "mimic-iv-demo"
    if not folder.is_dir():
        pytest.skip(f"the MIMIC-IV demo is not in {folder}")
    done: dict[str, Extraction] = {}

    def extract(population: str) -> Extraction:
        if population not in done:
            done[population] = extract_mimic_iv(folder, ExtractOptions.build({"population": population}))
        return done[population]

    return extract


def test_demo_totals_are_the_known_ones(demo: Callable[[str], Extraction]) -> None:
    counts = demo("sepsis").counts
    assert counts["stays"] == 140
    assert counts["patients"] == 100
    assert counts["low_platelets_in_unit"] == 57
    assert counts["low_platelets"] == 61
    assert counts["heparin_drip"] == 21
    assert counts["heparin_prophylaxis"] == 62
    assert counts["sepsis"] == 26
    assert counts["sepsis_low_platelets"] == counts["sepsis_low_platelets_in_unit"] == 17
    assert demo("platelets").counts == {**counts, "heparin_entries_without_unit": 0}


@pytest.mark.parametrize(("population", "left"), [("sepsis", [140, 140, 140, 26, 17, 17, 17]),
                                                  ("platelets", [140, 140, 140, 61, 60, 59])])  # fmt: skip
def test_demo_attrition(demo: Callable[[str], Extraction], population: str, left: list[int]) -> None:
    attrition = demo(population).attrition
    assert [line.patients_left for line in attrition] == left
    for before, line in itertools.pairwise(attrition):
        assert before.patients_left - line.patients == line.patients_left
        assert before.rows_left - line.rows == line.rows_left
    frame = demo(population).frame
    assert attrition[-1].rows_left == len(frame) == {"sepsis": 227, "platelets": 680}[population]
    assert (frame["outcome"] == -1).sum() == {"sepsis": 6, "platelets": 15}[population]


@pytest.mark.parametrize("population", ["sepsis", "platelets"])
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


def measured(subject: int, hour: float, item: int, value: float) -> dict[str, object]:
    return {"subject_id": subject, "stay_id": 10 * subject, "itemid": item, "charttime": at(hour), "valuenum": value}


def given(subject: int, start: float, end: float, item: int, amount: object, rate: object = "", **more: object) -> dict:
    return {"stay_id": 10 * subject, "itemid": item, "starttime": at(start), "endtime": at(end), "amount": amount,
            "rate": rate, "amountuom": "", "rateuom": "", **more}  # fmt: skip


PEOPLE = {  # subject: (age, hours in the unit, diagnosis, day of death or None, platelets by hour)
    1: (60, 40, ("A419", 10), 30, {2: 200, 20: 140}),
    2: (10, 40, ("A419", 10), None, {2: 100}),
    3: (50, 40, ("I10", 10), None, {2: 100}),
    4: (50, 40, ("R6521", 10), None, {2: 300}),
    5: (50, 3, ("99592", 9), None, {-5: 100}),
    6: (70, 10, ("0389", 9), 91, {-10: 90}),
    7: (70, 10, ("A419", 9), 91, {-10: 90}),  # an ICD-10 code under ICD-9 is no sepsis
}


def hospital() -> dict[str, Rows]:
    """Tables by "folder/name"; hour 0 is admission. Subject 1 has its onset at hour 20, step 0 at hour 4."""
    tables: dict[str, Rows] = {
        "hosp/patients": [], "hosp/admissions": [], "hosp/diagnoses_icd": [], "hosp/labevents": [], "icu/icustays": [],
        "icu/chartevents": [], "icu/inputevents": [], "icu/outputevents": [], "icu/procedureevents": [],
        "icu/d_items": [{"itemid": 225158, "unitname": "mL"}, {"itemid": 225152, "unitname": "units"},
                        {"itemid": 225975, "unitname": "dose"}, {"itemid": 221906, "unitname": "mg"}],
    }  # fmt: skip
    for subject, (age, hours, (code, version), death, platelets) in PEOPLE.items():
        keys = {"subject_id": subject, "hadm_id": 100 * subject}
        dod = "" if death is None else at(24 * death)[:10]
        gender = "M" if subject % 2 else "F"
        tables["hosp/patients"].append({"subject_id": subject, "gender": gender, "anchor_age": age - 3,
                                        "anchor_year": 2147, "dod": dod})  # fmt: skip
        tables["hosp/admissions"].append({**keys, "deathtime": ""})
        tables["hosp/diagnoses_icd"].append({"hadm_id": 100 * subject, "icd_code": code, "icd_version": version})
        tables["icu/icustays"].append({**keys, "stay_id": 10 * subject, "intime": at(0), "outtime": at(hours)})
        tables["hosp/labevents"] += [measured(subject, hour, 51265, value) for hour, value in platelets.items()]
        tables["icu/chartevents"].append(measured(subject, 0.5, 220045, 80))
    tables["hosp/labevents"] += [measured(1, -3, 51222, 11), measured(1, 21, 50912, 2.5), measured(1, 23, 50912, 1.0)]
    tables["icu/chartevents"] += [
        measured(1, 0.2, 226531, 220.4622622), measured(1, 0.2, 226707, 70),  # pounds, inches
        measured(1, 5, 223761, 98.6), measured(1, 7, 223762, 39.0), measured(1, 9, 223762, 99),  # degrees F, C, wrong
        measured(1, 21, 220052, 60), measured(1, 22, 220181, 80), measured(1, 23, 220052, -20),  # wrong
        measured(1, 25, 220224, 90), measured(1, 24, 223835, 0.6), measured(1, 25, 220339, 5),
        measured(1, 13, 220739, 3), measured(1, 13, 223900, 4), measured(1, 13, 223901, 6),
        measured(1, 25, 220739, 1), measured(1, 25, 223900, 1), measured(1, 25, 223901, 4),  # intubated: cannot speak
    ]  # fmt: skip
    tables["icu/inputevents"] += [
        given(1, 21, 27, 225152, 6000, 1000),
        given(1, 7.99, 8.01, 225975, 1),  # starts in step 0, ends in step 1
        given(1, 20, 22, 221906, 1, 0.2), given(1, 24, 28, 222315, 9.6, 2.4),
        given(1, 22, 26, 225158, 1000, 250), given(1, 22, 23, 226361, 5000),
    ]  # fmt: skip
    tables["icu/outputevents"] += [
        {"stay_id": 10, "itemid": item, "charttime": at(hour), "value": value}
        for item, hour, value in [(226559, 21, 100), (227489, 22, 900), (227488, 22, 600), (226633, 22, 4000)]
    ]
    tables["icu/procedureevents"].append({"stay_id": 10, "itemid": 225792, "starttime": at(13), "endtime": at(17)})
    return tables


def write(tables: dict[str, Rows], folder: Path, drop: dict[str, str] | None = None) -> Path:
    """Write the tables, gzipped or plain by turns, leaving out the columns in `drop` (table: column)."""
    for i, (name, rows) in enumerate(tables.items()):
        path = folder / f"{name}.csv{'.gz' if i % 2 else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        unwanted = (drop or {}).get(name)
        columns = [c for c in (rows[0] if rows else {"stay_id": 0, "itemid": 0}) if c != unwanted]
        with gzip.open(path, "wt", newline="") if i % 2 else path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    return extract_mimic_iv(write(hospital(), tmp_path_factory.mktemp("hospital")))


def stay(extraction: Extraction, subject: int) -> pd.DataFrame:
    """Rows of a subject, by hours from onset."""
    frame = extraction.frame
    return frame[frame["traj"] == 10 * subject].set_index("hours")


def test_attrition_counts_every_exclusion(made: Extraction) -> None:
    assert [line.patients for line in made.attrition] == [0, 0, 1, 2, 1, 0, 1]
    assert made.attrition[-1].patients_left == 2
    assert sorted(set(made.frame["traj"])) == [10, 60]
    assert made.counts["sepsis"] == 5
    assert made.counts["low_platelets"] == 6
    assert made.counts["low_platelets_in_unit"] == 3


def test_layout_and_steps_around_onset(made: Extraction) -> None:
    study = load_study()
    assert list(made.frame.columns) == ["traj", "step", *study.names, "action", "outcome", "dose", "hours", "subject"]
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
    assert (
        sofa[0] == 1 + 1 + 3 + 4
    )  # coma, platelets 140, 300 mL of urine in the day (creatinine alone: 2), pressor 0.2
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
    extraction = extract_mimic_iv(write(tables, tmp_path))
    rows = stay(extraction, 1)
    assert rows["dose"].loc[0:].tolist() == pytest.approx([12 * 80 * 2, 12 * 100 * 2, 1800, 0, 7500])
    assert extraction.counts["heparin_entries_without_unit"] == 1
    assert rows.loc[16, "Total Input"] == 500
    assert rows.loc[16, "Vasopressor"] == pytest.approx(12 / 80)


def test_a_record_without_units_takes_them_from_the_item_table(tmp_path: Path, made: Extraction) -> None:
    extraction = extract_mimic_iv(write(hospital(), tmp_path, {"icu/inputevents": "amountuom"}))
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
