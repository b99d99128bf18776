"""Every release's own layout: MIMIC-IV 1.0, 2.2, 3.0 and 3.1 with all their columns, CLIF 2.1 and 3.0; made-up rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from core.cohort.extract import Extraction, ExtractOptions, copy_source, extract, extract_mimic_iv
from tests.cohort.hospital import Rows, hospital, write

pytest.importorskip("duckdb")

# ---------------------------------------------------------------- MIMIC-IV

COLUMNS = {
    "hosp/patients": "subject_id gender anchor_age anchor_year anchor_year_group dod",
    "hosp/admissions": "subject_id hadm_id admittime dischtime deathtime admission_type admit_provider_id "
    "admission_location discharge_location insurance language marital_status race edregtime edouttime "
    "hospital_expire_flag",
    "hosp/diagnoses_icd": "subject_id hadm_id seq_num icd_code icd_version",
    "hosp/labevents": "labevent_id subject_id hadm_id specimen_id itemid order_provider_id charttime storetime value "
    "valuenum valueuom ref_range_lower ref_range_upper flag priority comments",
    "icu/icustays": "subject_id hadm_id stay_id first_careunit last_careunit intime outtime los",
    "icu/chartevents": "subject_id hadm_id stay_id caregiver_id charttime storetime itemid value valuenum valueuom "
    "warning",
    "icu/inputevents": "subject_id hadm_id stay_id caregiver_id starttime endtime storetime itemid amount amountuom "
    "rate rateuom orderid linkorderid ordercategoryname secondaryordercategoryname ordercomponenttypedescription "
    "ordercategorydescription patientweight totalamount totalamountuom isopenbag continueinnextdept statusdescription "
    "originalamount originalrate",
    "icu/outputevents": "subject_id hadm_id stay_id caregiver_id charttime storetime itemid value valueuom",
    "icu/procedureevents": "subject_id hadm_id stay_id caregiver_id starttime endtime storetime itemid value valueuom "
    "location locationcategory orderid linkorderid ordercategoryname ordercategorydescription patientweight isopenbag "
    "continueinnextdept statusdescription originalamount originalrate",
    "icu/d_items": "itemid label abbreviation linksto category unitname param_type lownormalvalue highnormalvalue",
}
SINCE_2 = {"caregiver_id", "admit_provider_id", "order_provider_id"}  # providers came with release 2


def release(version: str, folder: Path) -> Path:
    """The hand-made hospital with the columns and folders of a release."""
    root = folder / version
    for name, rows in hospital().items():
        columns = [c for c in COLUMNS[name].split() if version != "1.0" or c not in SINCE_2]
        if version == "1.0" and name in ("hosp/patients", "hosp/admissions"):
            name = name.replace("hosp/", "core/")
        if version == "1.0" and name == "core/admissions":
            columns = ["ethnicity" if c == "race" else c for c in columns]
        put(root / f"{name}.csv", columns, rows)
    return root


def put(path: Path, columns: list[str], rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    return extract_mimic_iv(write(hospital(), tmp_path_factory.mktemp("short")))


@pytest.mark.parametrize("version", ["1.0", "2.2", "3.0", "3.1"])
def test_each_release_yields_the_same_cohort_and_its_name(version: str, made: Extraction, tmp_path: Path) -> None:
    folder = release(version, tmp_path)
    list(copy_source("mimic-iv", folder, tmp_path / "copy"))
    for source in (folder, tmp_path / "copy"):
        extraction = extract_mimic_iv(source)
        pd.testing.assert_frame_equal(extraction.frame, made.frame)
        assert extraction.attrition == made.attrition
        assert extraction.provenance["Release"] == version


# ---------------------------------------------------------------- CLIF

CLIF = {
    "patient": "patient_id race_name race_category ethnicity_name ethnicity_category sex_name sex_category birth_date "
    "death_dttm language_name language_category",
    "hospitalization": "patient_id hospitalization_id hospitalization_joined_id admission_dttm discharge_dttm "
    "age_at_admission admission_type_name admission_type_category discharge_name discharge_category county_code",
    "adt": "hospitalization_id hospital_id hospital_type in_dttm out_dttm location_name location_category",
    "vitals": "hospitalization_id recorded_dttm vital_name vital_category vital_value meas_site_name",
    "labs": "hospitalization_id lab_order_dttm lab_collect_dttm lab_result_dttm lab_order_name lab_order_category "
    "lab_name lab_category lab_value lab_value_numeric reference_unit lab_specimen_name lab_specimen_category",
    "medication_admin_continuous": "hospitalization_id med_order_id admin_dttm med_name med_category med_group "
    "med_route_name med_route_category med_dose med_dose_unit mar_action_name mar_action_category",
    "medication_admin_intermittent": "hospitalization_id med_order_id admin_dttm med_name med_category med_group "
    "med_route_name med_route_category med_dose med_dose_unit mar_action_name mar_action_category",
    "respiratory_support": "hospitalization_id recorded_dttm device_name device_id device_category mode_name "
    "mode_category tracheostomy fio2_set lpm_set tidal_volume_set resp_rate_set peep_set",
    "patient_assessments": "hospitalization_id recorded_dttm assessment_name assessment_category assessment_group "
    "numerical_value categorical_value text_value",
    "input": "hospitalization_id recorded_dttm input_name input_category input_group input_volume",
    "output": "hospitalization_id recorded_dttm output_name output_category output_group output_volume",
}
SPELLED = {  # what a category is called in 2.1 and in 3.0
    "Male": "male", "Female": "female", "Expired": "expired", "Home": "home", "IMV": "imv",
    "glucose_fingerstick": "glucose",
}  # fmt: skip
NEW_IN_3 = ("input", "output")


def at(hour: float) -> str:
    return str(pd.Timestamp("2150-03-01", tz="UTC") + pd.Timedelta(hours=hour))


def clif_tables() -> dict[str, Rows]:
    """Two stays of 40 h in the unit; platelets fall at hour 20, so that step 0 begins at hour 4. The first dies."""
    who = [{"hospitalization_id": "h1"}, {"hospitalization_id": "h2"}]
    rows: dict[str, Rows] = {
        "patient": [{"patient_id": "p1", "sex_category": "Male", "death_dttm": at(60)},
                    {"patient_id": "p2", "sex_category": "Female"}],
        "hospitalization": [
            {**who[0], "patient_id": "p1", "age_at_admission": 60, "discharge_dttm": at(60),
             "discharge_category": "Expired"},
            {**who[1], "patient_id": "p2", "age_at_admission": 70, "discharge_dttm": at(90),
             "discharge_category": "Home"}],
        "adt": [{**one, "in_dttm": at(0), "out_dttm": at(40), "location_category": "icu"} for one in who],
        "vitals": [{**one, "recorded_dttm": at(hour), "vital_category": "heart_rate", "vital_value": 80}
                   for one in who for hour in range(0, 40, 2)],
        "labs": [{**one, "lab_collect_dttm": at(hour), "lab_category": "platelet_count", "lab_value_numeric": value}
                 for one in who for hour, value in ((2, 200), (20, 120))],
        "medication_admin_continuous": [
            {**who[0], "med_order_id": "o1", "admin_dttm": at(24), "med_category": "heparin", "med_dose": 1000,
             "med_dose_unit": "units/hr", "mar_action_category": "start"},
            {**who[0], "med_order_id": "o1", "admin_dttm": at(28), "med_category": "heparin", "med_dose": 1000,
             "med_dose_unit": "units/hr", "mar_action_category": "stop"},
            {**who[0], "med_order_id": "o2", "admin_dttm": at(24), "med_category": "sodium_chloride", "med_dose": 100,
             "med_dose_unit": "mL/hr", "mar_action_category": "start"},
            {**who[0], "med_order_id": "o2", "admin_dttm": at(28), "med_category": "sodium_chloride", "med_dose": 0,
             "med_dose_unit": "mL/hr", "mar_action_category": "stop"}],
        "medication_admin_intermittent": [],
        "respiratory_support": [{**who[0], "recorded_dttm": at(13), "device_category": "IMV", "fio2_set": 0.6},
                                {**who[0], "recorded_dttm": at(15), "device_category": "IMV", "fio2_set": 0.6}],
        "patient_assessments": [],
        "input": [{**who[0], "recorded_dttm": at(25), "input_category": "iv_medication", "input_volume": 300},
                  {**who[0], "recorded_dttm": at(25), "input_category": "flush_irrigation_urine", "input_volume": 50}],
        "output": [{**who[0], "recorded_dttm": at(26), "output_group": "urine", "output_volume": 250}],
    }  # fmt: skip
    rows["labs"].append({**who[0], "lab_collect_dttm": at(25), "lab_category": "glucose_fingerstick",
                         "lab_value_numeric": 111})  # fmt: skip
    return rows


def clif(version: str, folder: Path) -> Extraction:
    for name, rows in clif_tables().items():
        if version == "2.1" and name in NEW_IN_3:
            continue
        if version == "3.0":
            rows = [{key: SPELLED.get(str(value), value) for key, value in row.items()} for row in rows]
        put(folder / f"clif_{name}.csv", CLIF[name].split(), rows)
    return extract("clif", folder, ExtractOptions(population="platelets", as_of="end"))


@pytest.mark.parametrize("version", ["2.1", "3.0"])
def test_both_layouts_of_clif_are_read(version: str, tmp_path: Path) -> None:
    made = clif(version, tmp_path)
    frame = made.frame.set_index(["traj", "step"])
    assert made.n_stays == 2
    assert frame["outcome"].groupby("traj").sum().to_dict() == {"h1-1": -1, "h2-1": 1}
    assert frame["Gender"].groupby("traj").first().to_dict() == {"h1-1": 0, "h2-1": 1}
    assert frame.loc[("h1-1", 5), "dose_drip"] == 4000
    assert frame.loc[("h1-1", 5), "Glucose"] == 111
    assert frame.loc["h1-1", "Ventilation"].tolist()[:3] == [0, 0, 1]


def test_fluids_of_a_table_of_input_count_once_and_irrigation_is_neither_intake_nor_urine(tmp_path: Path) -> None:
    old = clif("2.1", tmp_path / "old").frame.set_index(["traj", "step"])
    assert old.loc[("h1-1", 5), "Total Input"] == 400  # of the medication tables: 100 mL/h
    new = clif("3.0", tmp_path / "new").frame.set_index(["traj", "step"])
    assert new.loc[("h1-1", 5), "Total Input"] == 300
    assert new.loc[("h1-1", 5), "Total Output"] == 200
