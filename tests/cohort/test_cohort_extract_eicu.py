"""eICU: known totals of the open demo through its hourly tables,
and made-up tables in the layout of the full release."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, ExtractOptions, extract

COUNTS = {
    "stays": 2520, "patients": 1841, "hospitals": 186, "older_than_89": 98, "died_in_unit": 126,
    "died_in_hospital": 212,
    "sepsis": 384, "sepsis_low_platelets": 150, "heparin_drip": 95, "heparin_rows_in_units/hr": 774,
    "heparin_rows_in_ml/hr": 1431, "heparin_rows_in_units/kg/hr": 15, "heparin_rows_in_unknown": 1,
    "heparin_rows_in_no unit": 278 + 4, "heparin_orders_by_name": 804, "heparin_stays_by_name": 460,
    "heparin_orders_by_code_or_name": 1400, "heparin_stays_by_code_or_name": 632,
}  # fmt: skip


@pytest.fixture(scope="module")
def demo(shared_data: Path) -> Path:
    folder = shared_data / "eicu-demo"
    if not folder.is_dir():
        pytest.skip(f"the eICU demo is not in {folder}")
    return folder


def test_demo_totals_are_the_known_ones(demo: Path) -> None:
    extraction = extract("eicu", demo)
    assert {name: extraction.counts[name] for name in COUNTS} == COUNTS
    left = {line.reason: line.patients_left for line in extraction.attrition}
    assert left["no platelets below 150 from 24 h before admission"] == 150
    assert left["heparin given that cannot be resolved into units"] == extraction.n_stays == 142
    assert any("cannot be resolved into units" in loss for loss in extraction.losses)
    resolved = extract("eicu", demo, ExtractOptions(heparin_units_per_ml=50))
    assert 142 < resolved.n_stays <= 150
    assert (resolved.frame["action"] > 0).sum() > (extraction.frame["action"] > 0).sum()
    assert any("RDW" in line and "--study" in line for line in extraction.lines())


# ---------------------------------------------------------------- the full release, made up

BALANCE = "flowsheet|Flowsheet Cell Labels|I&O"


def put(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)


def ward(folder: Path, infusions: list[dict[str, object]], orders: list[dict[str, object]] | None = None) -> Path:
    """Stays 1 (dies in the unit, platelets fall at hour 10) and 2 (of no recorded outcome); minutes from admission."""
    stay = {"uniquepid": "002-1", "hospitalid": 7, "hospitaladmitoffset": -60, "hospitaldischargeyear": 2014}
    put(folder, "patient", [
        {"patientunitstayid": 1, **stay, "gender": "Female", "age": "> 89", "unitdischargeoffset": 2400,
         "admissionweight": 50, "admissionheight": 160,
         "unitdischargestatus": "Expired", "hospitaldischargestatus": "Expired"},
        {"patientunitstayid": 2, **stay, "uniquepid": "002-2", "gender": "Male", "age": "40",
         "unitdischargeoffset": 2400,
         "unitdischargestatus": "", "hospitaldischargestatus": "Alive"},
    ])  # fmt: skip
    for_both = lambda **row: [{"patientunitstayid": stay, **row} for stay in (1, 2)]  # noqa: E731
    put(folder, "diagnosis", for_both(diagnosisstring="infectious diseases|systemic/other infections|septic shock"))
    put(folder, "lab", [row for offset, value in ((60, 200), (600, 90)) for row in for_both(
        labresultoffset=offset, labname="platelets x 1000", labresult=value)])  # fmt: skip
    put(folder, "vitalPeriodic", [row for offset in range(0, 2400, 5) for row in for_both(
        observationoffset=offset, heartrate=80, systemicmean=60, sao2=97, respiration=18)])  # fmt: skip
    put(folder, "nurseCharting", [row for name, value in (("Eyes", 3), ("Verbal", 4), ("Motor", 6)) for row in for_both(
        nursingchartoffset=700, nursingchartcelltypevalname=name, nursingchartvalue=value)])  # fmt: skip
    put(folder, "intakeOutput", [
        *for_both(intakeoutputoffset=660, cellpath=f"{BALANCE}|Intake (ml)|Crystalloids", celllabel="NS",
                  cellvaluenumeric=500),
        *for_both(intakeoutputoffset=670, cellpath=f"{BALANCE}|Output (ml)|Urine", celllabel="Urine",
                  cellvaluenumeric=120),
    ])  # fmt: skip
    put(folder, "respiratoryCare", for_both(ventstartoffset=840, ventendoffset=1000))
    put(folder, "infusiondrug", [{"patientunitstayid": 1, **row} for row in infusions] or [
        {"patientunitstayid": 1, "infusionoffset": 0, "drugname": "Saline", "drugrate": 1}])  # fmt: skip
    if orders is not None:
        put(folder, "medication", [{"patientunitstayid": 1, **row} for row in orders])
    return folder


def rate(offset: int, name: str, value: object, **more: object) -> dict[str, object]:
    return {"infusionoffset": offset, "drugname": name, "drugrate": value, **more}


def doses(extraction: Extraction) -> dict[int, float]:
    return {
        int(hour): dose for hour, dose in zip(extraction.frame["hours"], extraction.frame["dose"], strict=True) if dose
    }


def test_values_ages_and_outcomes(tmp_path: Path) -> None:
    extraction = extract("eicu", ward(tmp_path, []), ExtractOptions(as_of="end"))
    assert set(extraction.frame["traj"]) == {1}
    assert {line.reason: line.patients for line in extraction.attrition}["no recorded outcome"] == 1
    rows = extraction.frame.set_index("hours")
    assert rows["Age"].iloc[0] == 90
    assert rows["outcome"].iloc[-1] == -1
    assert (rows.loc[0, "Platelets"], rows.loc[0, "Weight"], rows.loc[0, "HR"]) == (90, 50, 80)
    assert (rows.loc[0, "Total Input"], rows.loc[0, "Total Output"]) == (500, 120)
    assert rows["Ventilation"].loc[[0, 4, 8]].tolist() == [0, 1, 0]
    assert rows.loc[0, "SOFA"] == 2 + 1 + 1  # platelets, pressure, a coma scale of 13
    hospital = extract("eicu", tmp_path, ExtractOptions(outcome="hospital"))
    assert set(hospital.frame["traj"]) == {1, 2}
    with pytest.raises(ExtractError, match="eICU does not follow patients after discharge"):
        extract("eicu", tmp_path, ExtractOptions(outcome="days"))
    with pytest.raises(ExtractError, match="population sepsis-3 needs antibiotics and cultures"):
        extract("eicu", tmp_path, ExtractOptions(population="sepsis-3"))


@pytest.mark.parametrize(
    ("infusions", "given"),
    [
        ([rate(600, "Heparin (units/hr)", 1000), rate(720, "Heparin (units/hr)", 0)], {0: 2000}),
        ([rate(600, "Heparin (units/kg/hr)", 12), rate(720, "Heparin (units/hr)", 0)], {0: 12 * 50 * 2}),
        ([rate(600, "heparin (units/hr)", 1000), rate(720, "Heparin (units/hr)", 500),
          rate(960, "Heparin (units/hr)", "OFF")],
         {0: 3000, 4: 1000}),
        ([rate(600, "Heparin (ml/hr)", 20, drugamount=25000, volumeoffluid=250),
          rate(720, "Heparin (ml/hr)", 0)], {0: 4000}),
        ([rate(600, "Volume (ml) Heparin-heparin 25,000 units in 0.45 % sodium chloride 500 mL infusion (ml/hr)", 20),
          rate(720, "Heparin (units/hr)", 0)], {0: 2000}),
        ([rate(600, "Heparin (units/hr)", 100)], {0: 400, 4: 400, 8: 400}),  # stands 12 h at most
    ],
)  # fmt: skip
def test_infusions_in_mixed_units(tmp_path: Path, infusions: list[dict[str, object]], given: dict[int, float]) -> None:
    assert doses(extract("eicu", ward(tmp_path, infusions))) == pytest.approx(given)


@pytest.mark.parametrize("name", ["Heparin (ml/hr)", "Heparin ()", "Heparin", "Heparin (Unknown)"])
def test_a_rate_without_concentration_or_unit_is_never_zero(tmp_path: Path, name: str) -> None:
    folder = ward(tmp_path, [rate(600, name, 20), rate(720, name, 0)])
    with pytest.raises(ExtractError, match="heparin given that cannot be resolved into units: 0 left"):
        extract("eicu", folder)
    if name == "Heparin (ml/hr)":
        assert doses(extract("eicu", folder, ExtractOptions(heparin_units_per_ml=50))) == {0: 2000}


def test_orders_by_code_and_by_name(tmp_path: Path) -> None:
    order = {"drugstartoffset": 600, "drugstopoffset": 1560, "frequency": "Q8H", "drugordercancelled": "No"}
    orders = [
        {**order, "drugname": "", "drughiclseqno": 2810, "dosage": "5,000 Units", "routeadmin": "SUBCUT"},
        {
            **order,
            "drugname": "HEPARIN FLUSH",
            "drughiclseqno": "",
            "dosage": "10 Units",
            "routeadmin": "IV",
            "frequency": "once",
        },
        {**order, "drugname": "ASPIRIN", "drughiclseqno": 1820, "dosage": "81", "routeadmin": "PO"},
        {
            **order,
            "drugname": "heparin",
            "drughiclseqno": 2810,
            "dosage": "5000",
            "routeadmin": "SC",
            "drugordercancelled": "Yes",
        },
    ]
    extraction = extract("eicu", ward(tmp_path, [], orders))
    frame = extraction.frame.set_index("hours")
    given = frame["dose_subcutaneous"]
    assert given[given > 0].to_dict() == {0: 5000, 8: 5000, 16: 5000}
    assert frame["dose_flush"].sum() == 10
    assert frame["dose"].sum() == 0
    assert (extraction.counts["heparin_orders_by_name"], extraction.counts["heparin_orders_by_code_or_name"]) == (2, 3)
    assert isinstance(extraction.frame["subject"].iloc[0], str)
    assert not np.isnan(extraction.ages.loc[5, "age: HR"])
    assert isinstance(extraction.frame, pd.DataFrame)
