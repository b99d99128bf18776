"""Tables written in other ways than a release writes them: read, or refused by their name with the remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, copy_source, extract_mimic_iv
from core.cohort.extract.dialect import damaged, read_header
from tests.cohort.hospital import at, given, hospital, write


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
