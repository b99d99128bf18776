"""MIMIC-IV item numbers, units and diagnosis codes that the extraction reads.

Sources: MIMIC-IV documentation (d_items, d_labitems) and the public concept definitions of the MIMIC code repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.cohort.extract.source import Table

LAYOUT = "MIMIC-IV (the folder with hosp/ and icu/)"
TABLES = {
    "patients": Table("hosp", ("subject_id", "gender", "anchor_age", "anchor_year", "dod")),
    "admissions": Table("hosp", ("subject_id", "hadm_id"), ("deathtime",)),
    "diagnoses_icd": Table("hosp", ("hadm_id", "icd_code", "icd_version")),
    "labevents": Table("hosp", ("subject_id", "itemid", "charttime", "valuenum")),
    "icustays": Table("icu", ("subject_id", "hadm_id", "stay_id", "intime", "outtime")),
    "chartevents": Table("icu", ("subject_id", "stay_id", "itemid", "charttime", "valuenum")),
    "inputevents": Table(
        "icu",
        ("stay_id", "itemid", "starttime", "endtime", "amount", "rate"),
        ("amountuom", "rateuom", "patientweight", "statusdescription"),
    ),
    "outputevents": Table("icu", ("stay_id", "itemid", "charttime", "value")),
    "procedureevents": Table("icu", ("stay_id", "itemid", "starttime", "endtime"), ("statusdescription",)),
    "d_items": Table("icu", ("itemid",), ("unitname",), may_lack=True),
}

# Sepsis by discharge diagnosis: explicit sepsis, severe sepsis, septic shock, and septicemia by organism.
SEPSIS_ICD9 = ("038", "99591", "99592", "78552", "0031", "0202", "0223", "0362", "0545")
SEPSIS_ICD10 = ("A40", "A41", "R652", "A021", "A207", "A227", "A267", "A327", "A392", "A393", "A394", "A427", "A5486",
                "B377", "O85", "T8112", "T8144")  # fmt: skip

PLATELETS = 51265


@dataclass(frozen=True)
class Signal:
    """A measured quantity: value = scale * recorded + offset, kept within the plausible range.

    `items`: item numbers with their (scale, offset); `aggregate` over a step; `plausible` for signals that are no
    state column (the study gives the range of those that are).
    """

    name: str
    table: Literal["chart", "lab"]
    items: dict[int, tuple[float, float]]
    aggregate: Literal["mean", "last", "min", "max"] = "last"
    plausible: tuple[float, float] | None = None


def _signal(
    name: str, table: Literal["chart", "lab"], *items: int, aggregate: Literal["mean", "last"] = "last"
) -> Signal:
    return Signal(name, table, dict.fromkeys(items, (1.0, 0.0)), aggregate)


SAME = (1.0, 0.0)
FAHRENHEIT = (5 / 9, -160 / 9)
POUNDS = (0.45359237, 0.0)
INCHES = (2.54, 0.0)

SIGNALS = (
    # Vital signs: mean of the step, over arterial-line and cuff readings.
    _signal("MBP", "chart", 220052, 220181, 225312, aggregate="mean"),
    _signal("SBP", "chart", 220050, 220179, 225309, aggregate="mean"),
    _signal("DBP", "chart", 220051, 220180, 225310, aggregate="mean"),
    _signal("HR", "chart", 220045, aggregate="mean"),
    Signal("Temperature", "chart", {223761: FAHRENHEIT, 223762: SAME}, "mean"),
    _signal("RR", "chart", 220210, 224690, aggregate="mean"),
    _signal("SpO2", "chart", 220277, aggregate="mean"),
    # Arterial blood gas: the chart items are arterial by name; the laboratory's blood-gas items mix venous samples in.
    _signal("PH", "chart", 223830),
    _signal("PaO2", "chart", 220224),
    _signal("PaCO2", "chart", 220235),
    # Laboratory: last of the step.
    _signal("Hb", "lab", 51222, 50811),
    _signal("Platelets", "lab", PLATELETS),
    _signal("WBC", "lab", 51301),
    _signal("Hematocrit", "lab", 51221, 50810),
    _signal("RDW", "lab", 51277),
    _signal("PTT", "lab", 51275),
    _signal("INR", "lab", 51237),
    _signal("Lactate", "lab", 50813),
    _signal("BaseExcess", "lab", 50802),
    _signal("HCO3", "lab", 50882),
    _signal("Chloride", "lab", 50902, 50806),
    _signal("Sodium", "lab", 50983, 50824),
    _signal("Potassium", "lab", 50971, 50822),
    _signal("Glucose", "lab", 50931, 50809),
    _signal("AnionGap", "lab", 50868),
    _signal("BUN", "lab", 51006),
    _signal("Creatinine", "lab", 50912),
)
STATIC_SIGNALS = (
    Signal("Weight", "chart", {226512: SAME, 224639: SAME, 226531: POUNDS}),
    Signal("Height", "chart", {226730: SAME, 226707: INCHES}),
)
# Needed for the SOFA score only.
SCORE_SIGNALS = (
    Signal("Bilirubin", "lab", {50885: SAME}, "max", (0.0, 100.0)),
    Signal("FiO2", "chart", {223835: SAME}, "last", (0.2, 100.0)),
    Signal("FiO2 of the sample", "lab", {50816: SAME}, "last", (0.2, 100.0)),
    Signal("GCS eye", "chart", {220739: SAME}, "last", (1.0, 4.0)),
    Signal("GCS verbal", "chart", {223900: SAME}, "last", (1.0, 5.0)),
    Signal("GCS motor", "chart", {223901: SAME}, "last", (1.0, 6.0)),
    Signal("Ventilator setting", "chart", {224684: SAME, 220339: SAME}, "max", (1.0, 1500.0)),  # tidal volume, PEEP
)

INVASIVE_VENTILATION, NONINVASIVE_VENTILATION = 225792, 225794
HEPARIN_DRIP, HEPARIN_PROPHYLAXIS = 225152, 225975

# Norepinephrine equivalents: ug/kg/min each, vasopressin per unit/min (Goradia et al. 2021; MIMIC code repository).
NOREPINEPHRINE, EPINEPHRINE, PHENYLEPHRINE, DOPAMINE, VASOPRESSIN, DOBUTAMINE = (
    221906,
    221289,
    221749,
    221662,
    222315,
    221653,
)
EQUIVALENT = {NOREPINEPHRINE: 1.0, EPINEPHRINE: 1.0, PHENYLEPHRINE: 0.1, DOPAMINE: 0.01, VASOPRESSIN: 2.5}

PRE_ADMISSION_INTAKE = 226361  # given before the unit, charted in one sum on arrival
NOT_OUTPUT = (226633, 227510)  # pre-admission output; tube-feed residual, which is measured and given back
IRRIGANT_IN = 227488  # bladder irrigant, subtracted from what comes out
URINE = (226559, 226560, 226561, 226563, 226564, 226565, 226567, 226557, 226558, 226584, 227489)
