"""Tables written in other ways than a release writes them: read, or refused by their name with the remedy."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, copy_source, extract_mimic_iv
from core.cohort.extract.dialect import damaged, read_header
from core.cohort.extract.source import connect
from tests.cohort.hospital import Rows, at, given, hospital, write


def said(extraction: Extraction, words: str) -> int:
    return sum(words in loss for loss in extraction.losses)


def test_semicolons_a_saved_index_and_words_for_numbers_are_read(tmp_path: Path) -> None:
    tables = hospital()
    for row in tables["hosp/admissions"]:
        row |= {"hospital_expire_flag": 0, "dischtime": at(60)}
    tables["hosp/patients"][0]["dod"] = ""
    tables["hosp/admissions"][0]["hospital_expire_flag"] = 1
    plain = extract_mimic_iv(write(tables, tmp_path / "plain"))
    for row in tables["hosp/admissions"]:
        row["hospital_expire_flag"] = str(bool(row["hospital_expire_flag"]))
    for row in tables["hosp/patients"]:
        row["gender"] = {"M": "male", "F": "Female"}[str(row["gender"])]
    other = write(tables, tmp_path / "other")
    frame = pd.read_csv(other / "icu" / "inputevents.csv", dtype=str)
    frame.to_csv(other / "icu" / "inputevents.csv", sep=";")
    made = extract_mimic_iv(other)
    pd.testing.assert_frame_equal(made.frame, plain.frame)
    assert made.frame.groupby("traj")["outcome"].last().tolist() == [-1, 1]


@pytest.mark.parametrize("end", ["", "soon", at(20)])
def test_a_drip_without_an_end_is_no_bolus_of_its_amount(tmp_path: Path, end: str) -> None:
    tables = hospital()
    drip = given(1, 21, 27, 225152, 16_000, 1000, amountuom="units", rateuom="units/hour")
    tables["icu/inputevents"] += [{**drip, "endtime": end}]
    extraction = extract_mimic_iv(write(tables, tmp_path))
    assert set(extraction.frame["traj"]) == {60}
    assert said(extraction, "1 of 7 rows of inputevents have no readable endtime or end before they start") == 1
    assert said(extraction, "of the kinds that count cannot be resolved into units") == 1


def test_numbers_that_are_none_are_counted(tmp_path: Path) -> None:
    tables = hospital()
    lab = tables["hosp/labevents"][-1]
    tables["hosp/labevents"] += [{**lab, "itemid": 50813, "valuenum": value} for value in ("2,5", "", "NaN")]
    extraction = extract_mimic_iv(write(tables, tmp_path))
    assert any(loss.startswith("1 of ") for loss in extraction.losses)
    assert said(extraction, "rows of labevents have a valuenum that is no number (written like '9,9')") == 1
    assert np.isnan(extraction.frame["Lactate"]).all()


def test_where_nobody_is_left_the_platelets_that_were_read_are_told(tmp_path: Path) -> None:
    tables = hospital()
    tables["hosp/labevents"] = [
        {**row, "valuenum": 1000 * float(str(row["valuenum"]))} for row in tables["hosp/labevents"]
    ]
    with pytest.raises(ExtractError, match="platelet counts that were read lie between 90000 and 300000 x 10"):
        extract_mimic_iv(write(tables, tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), ("a,b\n".encode("utf-16"), "may be UTF-16"), (b"a,b\r1,2\r", "carriage return alone"),
     (b"a,b,A\n", "two columns named a"), (gzip.compress(b"a,b\n", mtime=0), "call it t.csv.gz"),
     (b"a," + 200_000 * b"b", "cannot be read as a CSV table: field larger than")],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ExtractError, match=words):
        read_header(tmp_path / "t.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_header_says_what_parts_its_columns(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "t.csv").write_text(delimiter.join(("", "Stay_ID", '"itemid"')) + "\r\n", encoding="utf-8-sig")
    header = read_header(tmp_path / "t.csv")
    assert (header.names, header.delimiter) == (("unnamed 0", "stay_id", "itemid"), delimiter)


@pytest.mark.parametrize(("row", "why"), [("1,2\n", "2 columns where"), ('1,"2,3\n', "quotation mark is not closed")])
def test_a_broken_row_is_told_with_its_file_and_line(tmp_path: Path, row: str, why: str) -> None:
    source = write(hospital(), tmp_path / "source")
    table = source / "icu" / "inputevents.csv"
    table.write_text(table.read_text() + row)
    words = rf"inputevents.csv has a row that cannot be read, at about line 8: .*{why}"
    with pytest.raises(ExtractError, match=words):
        extract_mimic_iv(source)
    with pytest.raises(ExtractError, match=words):
        list(copy_source("mimic-iv", source, tmp_path / "copy"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    source = write(hospital(), tmp_path)
    table = source / "icu" / "chartevents.csv.gz"
    assert damaged([table]) is None
    table.write_bytes(table.read_bytes() + b"\x1e" + gzip.compress(b"1,2\n")[1:])  # a second member without its sign
    with pytest.raises(ExtractError, match=r"chartevents\.csv\.gz is damaged"):
        extract_mimic_iv(source)
    table.rename(table.with_name("chartevents.csv.zip"))
    with pytest.raises(ExtractError, match=r"chartevents\.csv\.zip is not one of them, unpack or rename it"):
        extract_mimic_iv(source)


def test_stays_taken_a_few_at_a_time_are_the_same_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = hospital()
    for name in ("icu/icustays", "icu/chartevents", "icu/inputevents", "icu/outputevents", "icu/procedureevents"):
        for row in tables[name]:  # the first person's stay gets the higher number
            row["stay_id"] = 99 if row["stay_id"] == 10 else row["stay_id"]
    source = write(tables, tmp_path)
    together = extract_mimic_iv(source)
    monkeypatch.setattr("core.cohort.extract.portions.TOGETHER", 1)
    apart = extract_mimic_iv(source)
    assert together.frame["traj"].unique().tolist() == [60, 99]
    pd.testing.assert_frame_equal(apart.frame, together.frame)
    pd.testing.assert_frame_equal(apart.ages, together.ages)
    assert (apart.attrition, apart.implausible) == (together.attrition, together.implausible)


# ---------------------------------------------------------------- times and codes in other spellings

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
ANYWHERE = ("hosp/labevents", "icu/chartevents", "icu/inputevents", "icu/outputevents", "icu/icustays")


ODD = {"itemid": "{} ", "stay_id": " {}.0", "subject_id": "{}.00 ", "valuenum": " {} "}


def rewritten(names: tuple[str, ...], column: str, how: Callable[[str], str]) -> dict[str, Rows]:
    """The hospital with the cells of `column` written anew; every column of times where it is "time"."""
    tables = hospital()
    for name in names:
        for row in tables[name]:
            for key, cell in row.items():
                if key == column or (column == "time" and TIME.fullmatch(str(cell))):
                    row[key] = how(str(cell))
    return tables


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    return extract_mimic_iv(write(hospital(), tmp_path_factory.mktemp("plain")))


def in_cairo(time: str) -> str:
    return (pd.Timestamp(time) + pd.Timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S") + "+02:00"


def test_times_with_a_zone_are_the_same_cohort_and_told(tmp_path: Path, plain: Extraction) -> None:
    source = write(rewritten((*ANYWHERE, "icu/procedureevents"), "time", in_cairo), tmp_path / "source")
    list(copy_source("mimic-iv", source, tmp_path / "copy"))
    made, copied = extract_mimic_iv(source), extract_mimic_iv(tmp_path / "copy")
    assert "All times carry a zone and are taken as universal time." in made.notes
    assert (copied.losses, copied.notes) == (made.losses, made.notes)
    for one in (made, copied):
        pd.testing.assert_frame_equal(one.frame, plain.frame)


def test_spaces_and_points_in_codes_keys_and_times_are_the_same_cohort(tmp_path: Path, plain: Extraction) -> None:
    tables = rewritten(ANYWHERE, "time", lambda time: f" {time}  ")
    for name in ANYWHERE:
        for row in tables[name]:
            row |= {key: how.format(row[key]) for key, how in ODD.items() if key in row}
    source = write(tables, tmp_path / "source")
    list(copy_source("mimic-iv", source, tmp_path / "copy"))
    for one in (source, tmp_path / "copy"):
        made = extract_mimic_iv(one)
        pd.testing.assert_frame_equal(made.frame, plain.frame)
        assert made.losses == plain.losses


def test_days_without_an_hour_are_told(tmp_path: Path, plain: Extraction) -> None:
    tables = rewritten(("hosp/labevents",), "charttime", lambda time: time[:10])
    words = "Rows of labevents have a charttime that is a day without an hour: it is its midnight."
    assert words in extract_mimic_iv(write(tables, tmp_path)).notes
    assert words not in plain.notes


def test_times_are_told_in_universal_time_wherever_the_machine_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    db = connect(tmp_path, 1.0, 1)
    assert db.execute("SELECT TIMESTAMPTZ '2150-07-01 10:00:00+02'::VARCHAR").fetchall() == [
        ("2150-07-01 08:00:00+00",)
    ]


def test_keys_numbers_persons_and_a_zone_in_one_table_are_told(tmp_path: Path, plain: Extraction) -> None:
    tables = rewritten(("icu/outputevents",), "time", in_cairo)
    for name in ("hosp/labevents", "icu/chartevents"):
        tables[name] += [{**tables[name][0], key: "?"} for key in ("subject_id", "stay_id") if key in tables[name][0]]
    tables["icu/outputevents"] += [{**tables["icu/outputevents"][0], key: "a lot"} for key in ("stay_id", "value")]
    tables["icu/inputevents"] += [{**tables["icu/inputevents"][0], key: ""} for key in ("stay_id", "itemid")]
    tables["hosp/diagnoses_icd"].append({**tables["hosp/diagnoses_icd"][0], "icd_version": "X"})
    tables["hosp/patients"][1] |= {"gender": "unknown", "anchor_age": ""}
    keys = {"subject_id": 1, "emar_id": "1-1"}
    tables["hosp/emar"] = [{**keys, "charttime": at(22), "medication": "Heparin", "event_txt": "Administered"}]
    tables["hosp/emar_detail"] = [{**keys, "dose_given": "5,000", "dose_given_unit": "UNIT"}]
    made = extract_mimic_iv(write(tables, tmp_path))
    pd.testing.assert_frame_equal(made.frame, plain.frame)
    words = "universal time: outputevents.charttime. Those of labevents.charttime, emar.charttime, icustays.intime, "
    assert sum(words in note for note in made.notes) == 1
    assert set(made.losses) - set(plain.losses) == {
        "1 of 7 stays are of persons recorded as neither male nor female; their gender is missing.",
        "1 of 7 rows of patients have no anchor_age that can be read; it is taken as missing.",
        "1 of 7 stays are of persons without an age that can be read; they are left out.",
        "1 of 8 rows of inputevents have no stay_id that can be read; it is taken as missing.",
        "1 of 8 rows of inputevents have no itemid that can be read; it is taken as missing.",
        "1 of 6 rows of outputevents have no stay_id that can be read (written like 'a aaa'); it is taken as missing.",
        "1 of 6 rows of outputevents have no value that can be read (written like 'a aaa'); it is taken as missing.",
        "1 of 8 rows of diagnoses_icd have no icd_version that can be read (written like 'a'); it is taken as missing.",
        "1 of 22 rows of chartevents have no stay_id that can be read; they are left out.",
        "1 of 13 rows of labevents have no subject_id that can be read; they are left out.",
        "1 of 1 entries of heparin in emar have a dose_given that is no number; that dose is left out.",
    }
