"""A hand-made hospital in the MIMIC-IV layout, with known answers."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pandas as pd

Rows = list[dict[str, object]]
ADMISSION = pd.Timestamp("2150-03-01 00:00:00")


def at(hour: float) -> str:
    """Time as the tables write it, `hour` hours after admission to the unit."""
    return str(ADMISSION + pd.Timedelta(hours=hour))


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
        for item, hour, value in [(226559, 21, 100), (227489, 23, 900), (227488, 23, 600), (226633, 22, 4000)]
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
