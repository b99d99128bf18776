"""Faults that real tables have, one a test: each is mended, counted or refused in words, never taken for a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, ExtractOptions, extract_mimic_iv
from tests.cohort.hospital import Rows, at, given, hospital, measured, write

OPTIONS = {"as_of": "end", "heparin_subcutaneous": True}


def extracted(tables: dict[str, Rows], folder: Path, **options: object) -> Extraction:
    return extract_mimic_iv(write(tables, folder), ExtractOptions.build({**OPTIONS, **options}))


def stay(extraction: Extraction, subject: int = 1) -> pd.DataFrame:
    return extraction.frame[extraction.frame["traj"] == 10 * subject].set_index("hours")


def said(extraction: Extraction, words: str) -> int:
    return sum(words in loss for loss in extraction.losses)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(("item", "name"), [(220045, "HR"), (220210, "RR"), (220052, "MBP")])
def test_zero_is_no_vital_sign(tmp_path: Path, item: int, name: str) -> None:
    tables = hospital()
    tables["icu/chartevents"] += [measured(1, 21, item, 0), measured(1, 22.5, item, 42)]
    before = stay(extracted(hospital(), tmp_path / "before"))[name].loc[0]
    extraction = extracted(tables, tmp_path / "after")
    assert stay(extraction)[name].loc[0] == pytest.approx(np.nanmean([60, 80, 42]) if name == "MBP" else 42)
    assert extraction.implausible[name] == 1 + (name == "MBP")
    assert name == "MBP" or np.isnan(before)


def test_finger_stick_glucose_fills_in_for_the_laboratory(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/labevents"] += [measured(1, 21, 50931, 100), measured(1, 25, 50809, 90)]
    tables["icu/chartevents"] += [measured(1, h, 225664, value) for h, value in ((22, 300), (26, 250), (29, 180))]
    glucose = stay(extracted(tables, tmp_path))["Glucose"]
    assert glucose.loc[[0, 4, 8]].tolist() == [100, 90, 180]  # laboratory, then the analyser, then the finger stick


def test_a_blood_gas_analyser_counts_where_the_laboratory_is_missing(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/labevents"] += [measured(1, 21, 50983, 140), measured(1, 23, 50824, 134), measured(1, 25, 50824, 135)]
    assert stay(extracted(tables, tmp_path))["Sodium"].loc[[0, 4]].tolist() == [140, 135]


def test_base_excess_is_arterial(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/labevents"].append(measured(1, 21, 50802, -9))  # of any specimen
    tables["icu/chartevents"].append(measured(1, 25, 224828, -3))
    excess = stay(extracted(tables, tmp_path))["BaseExcess"]
    assert np.isnan(excess.loc[0])
    assert excess.loc[4] == -3


def test_what_dialysis_removed_left_the_body(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/chartevents"] += [measured(1, 21, 226457, 250), measured(1, 22, 226499, 1000)]
    assert stay(extracted(tables, tmp_path))["Total Output"].loc[0] == 400 + 1250


def test_an_oxygen_flow_is_no_fraction(tmp_path: Path) -> None:
    tables = hospital()
    for row in tables["icu/chartevents"]:
        if row["itemid"] == 223835:
            row["valuenum"] = 6  # litres a minute: 90 mmHg / 6 % would be a ratio of 1,500
    with_flow = stay(extracted(tables, tmp_path / "flow"))["SOFA"]
    for row in tables["icu/chartevents"]:
        if row["itemid"] == 223835:
            row["valuenum"] = 60
    with_percent = stay(extracted(tables, tmp_path / "percent"))["SOFA"]
    assert with_percent.loc[4] - with_flow.loc[4] == 3  # 150 mmHg while ventilated


# ---------------------------------------------------------------- drugs


@pytest.mark.parametrize(
    ("unit", "weight", "rate"), [("mg/kg/min", 1, 0.05), ("mg/kg/min", 80, 50), ("mcg/kg/min", 80, 0.05)]
)
def test_milligrams_with_a_weight_of_one_are_micrograms(tmp_path: Path, unit: str, weight: float, rate: float) -> None:
    tables = hospital()
    more = {"rateuom": unit, "patientweight": weight}
    tables["icu/inputevents"] = [given(1, 32, 36, 221906, 1, 0.05, **more)]
    assert stay(extracted(tables, tmp_path))["Vasopressor"].loc[12] == pytest.approx(rate)


@pytest.mark.parametrize(("amount", "dose"), [(4000, 4000), (4, 4000), (4_000_000, 4000), (3000, 4000), (1000, 1000)])
def test_an_amount_against_its_rate(tmp_path: Path, amount: float, dose: float) -> None:
    tables = hospital()
    row = given(1, 32, 36, 225152, amount, 1000, amountuom="units", rateuom="units/hour")
    tables["icu/inputevents"] = [row]
    extraction = extracted(tables, tmp_path)
    contradicted = not 0.5 <= amount / 4000 <= 2
    assert stay(extraction)["dose"].loc[12] == (dose if contradicted else amount)
    assert extraction.counts["heparin_contradicted"] == contradicted
    assert said(extraction, "1 of 1 entries of heparin contradict themselves") == contradicted


def test_heparin_by_kind_counts_where_it_is_switched_on(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/inputevents"] = [
        given(1, 20, 22, 225152, 2000, 1000), given(1, 24.5, 24.51, 225152, 5000), given(1, 28.5, 29, 225975, 1),
    ]  # fmt: skip
    tables["icu/chartevents"].append(measured(1, 34, 224145, 400))
    folder = write(tables, tmp_path)
    rows = stay(extract_mimic_iv(folder, ExtractOptions(as_of="end")))
    for kind, step, dose in (("drip", 0, 2000), ("bolus", 4, 5000), ("subcutaneous", 8, 5000), ("circuit", 12, 400)):
        assert rows[f"dose_{kind}"].sum() == rows[f"dose_{kind}"].loc[step] == dose
        switches = {f"heparin_{other}": other == kind for other in ("drip", "bolus", "subcutaneous", "circuit")}
        alone = stay(extract_mimic_iv(folder, ExtractOptions.build({"as_of": "end", **switches})))
        assert alone["dose"].sum() == alone["dose"].loc[step] == dose
    assert rows["dose"].loc[0:].tolist() == [2000, 5000, 0, 0, 0]
    assert rows["action"].loc[0:].tolist() == [1, 2, 0, 0, 0]


def test_heparin_of_the_medication_record_stands_on_its_own_switch(tmp_path: Path) -> None:
    tables = hospital()
    for i, (name, dose, event) in enumerate((("Heparin", 5000, "Administered"),
                                             ("Heparin Flush (10 units/ml)", 50, "Flushed"),
                                             ("Heparin", 5000, "Not Given"))):  # fmt: skip
        tables.setdefault("hosp/emar", []).append(
            {"subject_id": 1, "emar_id": i, "charttime": at(21), "medication": name, "event_txt": event})  # fmt: skip
        tables.setdefault("hosp/emar_detail", []).append({"emar_id": i, "dose_given": dose, "dose_given_unit": "UNIT"})
    folder = write(tables, tmp_path)
    without = stay(extract_mimic_iv(folder, ExtractOptions(as_of="end")))
    assert without["dose_emar"].loc[0] == 5000
    assert without["dose_flush"].loc[0] == 50
    assert without["dose"].loc[0] == 3000
    with_emar = stay(extract_mimic_iv(folder, ExtractOptions(as_of="end", heparin_emar=True)))
    assert with_emar["dose"].loc[0] == 8000


def test_identical_rows_of_infusions_are_taken_once(tmp_path: Path) -> None:
    tables = hospital()
    rows = [{**row, "orderid": i} for i, row in enumerate(tables["icu/inputevents"])]
    tables["icu/inputevents"] = rows + rows[:2]
    extraction = extracted(tables, tmp_path)
    assert stay(extraction)["dose"].loc[0:4].tolist() == [3000, 3000]
    assert said(extraction, "2 of 8 rows of inputevents are identical to another and are taken once") == 1


# ---------------------------------------------------------------- the score


@pytest.mark.parametrize(("kind", "begin", "points"), [(225794, 9, 2), (225792, 9, 0), (225792, 11, 2)])
def test_a_verbal_response_counts_unless_a_tube_is_in(tmp_path: Path, kind: int, begin: float, points: int) -> None:
    """A scale of 3 + 1 + 6 at hour 10: under a mask, with a tube, and an hour before the tube."""
    tables = hospital()
    scale = (220739, 223900, 223901)
    tables["icu/procedureevents"] = [{"stay_id": 10, "itemid": kind, "starttime": at(begin), "endtime": at(20)}]
    tables["icu/chartevents"] = [row for row in tables["icu/chartevents"] if row["itemid"] not in (*scale, 220339)]
    tables["icu/chartevents"] += [measured(1, 10, item, part) for item, part in zip(scale, (3, 1, 6), strict=True)]
    assert stay(extracted(tables, tmp_path))["SOFA"].loc[-12] == points


def test_the_text_of_a_tube_is_read(tmp_path: Path) -> None:
    sofa = {}
    for text in ("No Response", "No Response-ETT"):
        tables = hospital()
        tables["icu/procedureevents"][0] |= {"stay_id": 70}
        tables["icu/chartevents"] = [{**row, "value": row["valuenum"]} for row in tables["icu/chartevents"]
                                    if row["itemid"] not in (220339, 220739, 223900, 223901)]  # fmt: skip
        tables["icu/chartevents"].append({**measured(1, 36, 223900, 1), "value": text})
        sofa[text] = stay(extracted(tables, tmp_path / text.replace(" ", "")))["SOFA"].loc[16]
    assert sofa["No Response"] - sofa["No Response-ETT"] == 2  # 4 + 1 + 6 = 11 without a tube


def test_parts_of_the_coma_scale_need_not_share_a_minute(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/chartevents"] = [
        row for row in tables["icu/chartevents"] if row["itemid"] not in (220739, 223900, 223901)
    ]
    tables["icu/chartevents"] += [measured(1, 8, 220739, 2), measured(1, 10, 223901, 5), measured(1, 11, 223900, 4)]
    assert stay(extracted(tables, tmp_path))["SOFA"].loc[-12] == 2  # 2 + 4 + 5 = 11


def test_respiration_is_judged_when_the_gas_was_drawn(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/procedureevents"] = [{"stay_id": 10, "itemid": 225792, "starttime": at(26), "endtime": at(30)}]
    tables["icu/chartevents"] = [
        row for row in tables["icu/chartevents"] if row["itemid"] not in (220339, 220739, 223900, 223901)
    ]
    before = stay(extracted(tables, tmp_path / "later"))["SOFA"]  # the tube came an hour after the gas
    tables["icu/procedureevents"][0]["starttime"] = at(24.5)
    during = stay(extracted(tables, tmp_path / "during"))["SOFA"]
    assert during.loc[4] - before.loc[4] == 1  # a ratio of 150: 2 points breathing, 3 ventilated


@pytest.mark.parametrize(("hours", "points"), [((2, 12, 23.5), 3), ((2, 23.5), 3), ((23.5,), 3), ((12,), 0)])
def test_urine_of_a_day_is_scaled_to_the_hours_charted(tmp_path: Path, hours: tuple[float, ...], points: int) -> None:
    """300 mL, however it is charted over 23 h, is 313 mL a day; of 12 h nothing is known about a day."""
    tables = hospital()
    tables["hosp/labevents"] = [row for row in tables["hosp/labevents"] if row["itemid"] != 50912]
    none = stay(
        extracted(
            {**tables, "icu/outputevents": [{"stay_id": 10, "itemid": 226559, "charttime": at(1), "value": 5}]},
            tmp_path / "none",
        )
    )
    tables["icu/outputevents"] = [
        {"stay_id": 10, "itemid": 226559, "charttime": at(hour), "value": 300 / len(hours)} for hour in hours
    ]
    assert stay(extracted(tables, tmp_path / "some"))["SOFA"].loc[0] - none["SOFA"].loc[0] == points


def test_no_urine_charted_as_zero_is_anuria(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/labevents"] = [row for row in tables["hosp/labevents"] if row["itemid"] != 50912]
    rows = [{"stay_id": 10, "itemid": 226559, "charttime": at(hour), "value": 0} for hour in range(1, 40, 2)]
    with_zeros = stay(extracted({**tables, "icu/outputevents": rows}, tmp_path / "zeros"))["SOFA"]
    with_one = stay(extracted({**tables, "icu/outputevents": rows[:1]}, tmp_path / "one"))["SOFA"]
    assert with_zeros.loc[4] - with_one.loc[4] == 4


def test_pressors_beyond_the_score_count_by_option_and_the_notes_say_so(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/inputevents"] = [given(1, 20, 24, 221749, 1, 2.0)]  # phenylephrine
    folder = write(tables, tmp_path)
    ours = extract_mimic_iv(folder, ExtractOptions(as_of="end"))
    reference = extract_mimic_iv(folder, ExtractOptions(as_of="end", sofa="reference"))
    assert stay(ours)["SOFA"].loc[0] - stay(reference)["SOFA"].loc[0] == 4 - 1  # a pressure of 60 is one
    assert any("this is our choice" in note for note in ours.notes)
    assert any("as in the public reference concepts" in note for note in reference.notes)


@pytest.mark.parametrize(("begin", "end", "points"), [(21.2, 21.8, 1), (21.2, 22.0, 4), (22.0, 22.9, 1)])
def test_the_reference_counts_a_rate_that_runs_at_an_hours_end(
    tmp_path: Path, begin: float, end: float, points: int
) -> None:
    """A pressure of 60 is one point; ours is the highest rate whenever it ran."""
    tables, saline = hospital(), given(1, 22, 26, 225158, 1000, 250)
    folder = write({**tables, "icu/inputevents": [saline, given(1, begin, end, 221906, 1, 0.2)]}, tmp_path / "with")
    none = stay(extracted({**tables, "icu/inputevents": [saline]}, tmp_path / "none"))
    for sofa, more in (("standard", 3), ("reference", points - 1)):
        scored = stay(extract_mimic_iv(folder, ExtractOptions.build({"as_of": "end", "sofa": sofa})))
        assert scored["SOFA"].loc[0] - none["SOFA"].loc[0] == more


def test_of_two_results_of_one_minute_the_worse_is_scored(tmp_path: Path) -> None:
    """Bilirubin 1.0 and 2.5 are two points, their mean of 1.75 would be one; a laboratory value is their mean."""
    tables = hospital()
    labs = tables["hosp/labevents"]
    without = stay(extracted(tables, tmp_path / "without"))
    tables["hosp/labevents"] = [*labs, *(measured(1, 21, item, v) for item in (50885, 50813) for v in (1.0, 2.5))]
    scored = stay(extracted(tables, tmp_path / "with"))
    assert scored["SOFA"].loc[0] - without["SOFA"].loc[0] == 2
    assert scored["Lactate"].loc[0] == 1.75


# ---------------------------------------------------------------- persons and times


def test_a_death_before_admission_decides_nothing(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/patients"][0]["dod"] = "2143-06-01"
    extraction = extracted(tables, tmp_path)
    assert sorted(set(extraction.frame["traj"])) == [60]
    line = next(line for line in extraction.attrition if line.reason == "a recorded death before admission to the unit")
    assert line.patients == 1


def test_a_time_of_death_before_admission_decides_nothing(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/patients"][0]["dod"] = ""
    tables["hosp/admissions"][0]["deathtime"] = at(-30)
    extraction = extracted(tables, tmp_path)
    assert sorted(set(extraction.frame["traj"])) == [60]


def test_a_death_in_hospital_without_a_time_is_a_death_at_discharge(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/patients"][0]["dod"] = ""
    for row in tables["hosp/admissions"]:
        row |= {"hospital_expire_flag": int(row["subject_id"] == 1), "dischtime": at(60)}
    extraction = extracted(tables, tmp_path)
    assert stay(extraction)["outcome"].iloc[-1] == -1
    assert said(extraction, "1 of 7 stays are of persons who died in hospital at no time given") == 1


def test_persons_and_stays_that_stand_twice_are_taken_once(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/patients"] += tables["hosp/patients"][:3]
    tables["icu/icustays"] += tables["icu/icustays"][:1]
    tables["hosp/admissions"] += tables["hosp/admissions"][:2]
    extraction = extracted(tables, tmp_path)
    pd.testing.assert_frame_equal(extraction.frame, extracted(hospital(), tmp_path / "once").frame)
    assert said(extraction, "3 of 10 rows of patients repeat a subject_id") == 1
    assert said(extraction, "1 of 8 rows of icustays repeat a stay_id") == 1


def test_one_cell_without_a_time_costs_its_stay(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/icustays"][0]["intime"] = "not charted"
    extraction = extracted(tables, tmp_path)
    assert sorted(set(extraction.frame["traj"])) == [60]
    assert said(extraction, "1 of 7 stays have no readable intime (10); they are left out") == 1


@pytest.mark.parametrize(
    ("table", "column"),
    [("icu/chartevents", "charttime"), ("hosp/labevents", "charttime"), ("icu/inputevents", "starttime"),
     ("icu/inputevents", "endtime"), ("icu/outputevents", "charttime"),
     ("icu/icustays", "intime"), ("hosp/patients", "dod")],
)  # fmt: skip
def test_times_of_a_spreadsheet_are_refused_with_their_number(tmp_path: Path, table: str, column: str) -> None:
    tables = hospital()
    for row in tables[table]:
        if row[column]:
            row[column] = pd.Timestamp(row[column]).strftime("%m/%d/%Y %H:%M")
    with pytest.raises(
        ExtractError, match=rf"(\d+) of \1 rows of {table.split('/')[1]} have a {column} that cannot be read"
    ):
        extracted(tables, tmp_path)


def test_a_few_times_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    tables = hospital()
    tables["icu/chartevents"].append({**measured(1, 21, 220045, 99), "charttime": "soon"})
    extraction = extracted(tables, tmp_path)
    assert np.isnan(stay(extraction)["HR"].loc[0])
    assert (
        said(
            extraction,
            "rows of chartevents have a charttime that cannot be read (written like 'aaaa'); they are left out",
        )
        == 1
    )


def test_item_numbers_with_a_decimal_point_are_the_same_items(tmp_path: Path) -> None:
    tables = hospital()
    for name in (
        "icu/chartevents",
        "hosp/labevents",
        "icu/inputevents",
        "icu/outputevents",
        "icu/procedureevents",
        "icu/d_items",
    ):
        tables[name] = [{**row, "itemid": f"{row['itemid']}.0"} for row in tables[name]]
    tables["icu/icustays"] = [
        {**row, "stay_id": f"{row['stay_id']}.0", "subject_id": f"{row['subject_id']}.0"}
        for row in tables["icu/icustays"]
    ]
    made = extracted(tables, tmp_path / "decimal").frame
    pd.testing.assert_frame_equal(made, extracted(hospital(), tmp_path / "plain").frame)


def test_a_table_in_latin_1_is_read_and_said(tmp_path: Path) -> None:
    folder = write(hospital(), tmp_path)
    plain = extract_mimic_iv(folder, ExtractOptions.build(OPTIONS))
    table = folder / "icu" / "inputevents.csv"
    first, *rest = table.read_text().splitlines()
    table.write_bytes(
        "\n".join([f"{first},ordercategorydescription", *(f"{line},37 °C" for line in rest)]).encode("latin-1")
    )
    extraction = extract_mimic_iv(folder, ExtractOptions.build(OPTIONS))
    pd.testing.assert_frame_equal(extraction.frame, plain.frame)
    assert said(extraction, "inputevents.csv is not UTF-8; it was read as Latin-1") == 1
