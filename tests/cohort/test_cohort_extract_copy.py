"""A columnar copy yields the cohort of its source, whatever form that has, and a copy that was stopped goes on."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.__main__ import main
from core.base.errors import ExtractError
from core.base.types import Progress
from core.cohort.extract import Extraction, copy_source, extract, table_copy
from core.cohort.extract.blocks import GZIP_FILE, blocks
from core.cohort.extract.manifest import read_manifest
from tests.cohort.hospital import hospital, measured, write

duckdb = pytest.importorskip("duckdb")


def copied(source: Path, folder: Path, database: str = "mimic-iv") -> list[Progress]:
    return list(copy_source(database, source, folder))


def same(one: Extraction, other: Extraction) -> None:
    """Equal in all but the words that name the source."""
    pd.testing.assert_frame_equal(one.frame, other.frame)
    pd.testing.assert_frame_equal(one.ages, other.ages)
    assert (one.attrition, one.counts, one.losses, one.implausible) == (
        other.attrition, other.counts, other.losses, other.implausible)  # fmt: skip
    assert one.notes == other.notes
    words = [{**e.provenance, "Source": ""} for e in (one, other)]
    assert words[0] == words[1]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-made hospital as files, with codes that no concept names, one that became a number, a time that is
    none."""
    made = hospital()
    made["icu/chartevents"] += [measured(1, hour, 229_999, 1) for hour in range(40)]
    made["icu/chartevents"].append({**measured(1, 6, 220_045, 91), "itemid": "220045.0"})
    made["icu/chartevents"].append({**measured(1, 6, 220_045, 92), "charttime": "soon"})
    return write(made, tmp_path_factory.mktemp("release") / "3.1")


@pytest.fixture(scope="module")
def made(tables: Path) -> Extraction:
    return extract("mimic-iv", tables)


def parts(folder: Path) -> dict[str, int]:
    """Each part with its time of change."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.rglob("*.parquet"))}


def test_a_copy_of_files_yields_their_cohort_and_holds_only_the_wanted_rows(
    tables: Path, made: Extraction, tmp_path: Path
) -> None:
    last = copied(tables, tmp_path / "copy")[-1]
    extraction = extract("mimic-iv", tmp_path / "copy")
    same(extraction, made)
    assert extraction.provenance["Release"] == "3.1"
    assert "columnar copy of 2" in extraction.provenance["Source"]
    rows = duckdb.execute(
        f"SELECT count(*), count(*) FILTER (itemid = '229999'), count(*) FILTER (itemid = '220045.0')"
        f" FROM '{tmp_path}/copy/icu/chartevents/*.parquet'"
    ).fetchone()
    written = sum(1 for name in hospital().values() for _ in name) + 42
    assert last.fraction == 1.0
    assert last.metrics["rows"] == written
    assert last.metrics["kept"] == written - 40
    assert rows == (len(hospital()["icu/chartevents"]) + 2, 0, 0), "codes are held in one spelling"
    texts = duckdb.execute(f"SELECT charttime FROM '{tmp_path}/copy/icu/chartevents/*.parquet'").fetchall()
    assert [text for (text,) in texts if text is not None] == ["soon"]  # the others are held as times


def test_copies_of_parquet_and_of_a_duckdb_file_yield_the_same_cohort(
    tables: Path, made: Extraction, tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "mimic.duckdb")) as db:
        for path in sorted(tables.glob("*/*.csv*")):
            folder, name = path.parent.name, path.name.split(".")[0]
            (tmp_path / "parquet" / folder).mkdir(parents=True, exist_ok=True)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS mimiciv_{folder}")
            db.execute(f"CREATE TABLE mimiciv_{folder}.{name} AS SELECT * FROM read_csv('{path}', all_varchar=true)")
            db.execute(f"COPY mimiciv_{folder}.{name} TO '{tmp_path}/parquet/{folder}/{name}.parquet'")
    for source in ("parquet", "mimic.duckdb"):
        copied(tmp_path / source, tmp_path / f"copy of {source}")
        extraction = extract("mimic-iv", tmp_path / f"copy of {source}")
        pd.testing.assert_frame_equal(extraction.frame, made.frame)
        assert extraction.losses == made.losses


@pytest.mark.parametrize(("database", "folder"), [("mimic-iv", "mimic-iv-demo"), ("eicu", "eicu-demo"),
                                                  ("meds", "mimic-iv-demo/meds")])  # fmt: skip
def test_a_copy_of_the_open_demo_yields_its_cohort(
    database: str, folder: str, shared_data: Path, tmp_path: Path
) -> None:
    if not (shared_data / folder).is_dir():
        pytest.skip(f"{folder} is not in {shared_data}")
    copied(shared_data / folder, tmp_path / "copy", database)
    same(extract(database, tmp_path / "copy"), extract(database, shared_data / folder))


def test_a_file_in_latin_1_is_copied_as_it_is_read(tables: Path, tmp_path: Path) -> None:
    made = hospital()
    made["icu/d_items"].append({"itemid": 1, "unitname": "°C"})
    write(made, tmp_path / "latin")
    path = next((tmp_path / "latin" / "icu").glob("d_items.csv*"))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        text = file.read()
    with opened(path, "wb") as file:
        file.write(text.decode("utf-8").encode("latin-1"))
    copied(tmp_path / "latin", tmp_path / "copy")
    extraction = extract("mimic-iv", tmp_path / "copy")
    same(extraction, extract("mimic-iv", tmp_path / "latin"))
    assert f"{path.name} is not UTF-8; it was read as Latin-1." in extraction.losses


# ---------------------------------------------------------------- stopped copies


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_copy, "BLOCK_BYTES", 400)
    monkeypatch.setattr("core.cohort.extract.blocks.CHUNK", 100)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("after", [1, 4, 9, 16])
def test_a_copy_that_was_stopped_goes_on_with_the_next_part(
    tables: Path, made: Extraction, tmp_path: Path, after: int
) -> None:
    under_way = copy_source("mimic-iv", tables, tmp_path / "copy")
    for _ in range(after):
        next(under_way)
    under_way.close()
    with pytest.raises(ExtractError, match=r"was not finished. Run extract cache .* again. It goes on where it"):
        extract("mimic-iv", tmp_path / "copy")
    before = parts(tmp_path / "copy")
    assert before
    last = copied(tables, tmp_path / "copy")[-1]
    assert before.items() <= parts(tmp_path / "copy").items()  # none was written again
    same(extract("mimic-iv", tmp_path / "copy"), made)
    whole = copied(tables, tmp_path / "whole")[-1]
    assert last.metrics == whole.metrics
    assert len(before) < len(parts(tmp_path / "whole"))
    assert sum("chartevents" in name for name in parts(tmp_path / "whole")) > 3


@pytest.mark.usefixtures("small_blocks")
def test_a_part_that_was_cut_short_is_written_again(
    tables: Path, made: Extraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []

    def fails(old: Path, new: Path) -> None:
        renamed.append(str(new))
        if len(renamed) == 7:
            raise OSError("No space left on device")
        os.rename(old, new)

    monkeypatch.setattr(table_copy.os, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        copied(tables, tmp_path / "copy")
    monkeypatch.undo()
    copied(tables, tmp_path / "copy")
    same(extract("mimic-iv", tmp_path / "copy"), made)
    assert not [path for path in (tmp_path / "copy").rglob(".*") if path.name != ".lock"]


def test_only_a_table_whose_file_changed_is_copied_again(tables: Path, tmp_path: Path) -> None:
    made = hospital()
    write(made, tmp_path / "source")
    copied(tmp_path / "source", tmp_path / "copy")
    before = parts(tmp_path / "copy")
    made["icu/outputevents"].append({"stay_id": 10, "itemid": 226559, "charttime": "2150-03-02 01:00:00", "value": 7})
    changed = next((tmp_path / "source" / "icu").glob("outputevents.csv*"))
    times = {path: path.stat() for path in (tmp_path / "source").rglob("*.csv*")}
    write(made, tmp_path / "source")
    for path, about in times.items():
        if path != changed:
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    copied(tmp_path / "source", tmp_path / "copy")
    after = parts(tmp_path / "copy")
    assert {name for name in after if after[name] != before[name]} == {"icu/outputevents/part-00000.parquet"}
    same(extract("mimic-iv", tmp_path / "copy"), extract("mimic-iv", tmp_path / "source"))


# ---------------------------------------------------------------- what is refused


def test_what_is_no_copy_or_another_one_is_refused(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(ExtractError, match="holds what is no copy of a database; name an empty or a new folder"):
        copied(tables, tmp_path / "other")
    copied(tables, tmp_path / "copy")
    with pytest.raises(ExtractError, match=r"is a copy of mimic-iv from .*; name another folder for"):
        copied(tmp_path / "elsewhere", tmp_path / "copy")
    with pytest.raises(ExtractError, match="is a copy of mimic-iv; extract mimic-iv from it"):
        extract("meds", tmp_path / "copy")


def test_a_copy_with_fewer_codes_than_the_concepts_name_now_is_refused(tables: Path, tmp_path: Path) -> None:
    copied(tables, tmp_path / "copy")
    manifest = read_manifest(tmp_path / "copy")
    assert manifest is not None
    fewer = manifest.tables["labevents"].model_copy(update={"codes": manifest.tables["labevents"].codes[1:]})
    manifest.model_copy(update={"tables": {**manifest.tables, "labevents": fewer}}).write(tmp_path / "copy")
    with pytest.raises(ExtractError, match=r"copied for fewer codes of hosp/labevents\.csv.* than the concepts name"):
        extract("mimic-iv", tmp_path / "copy")
    copied(tables, tmp_path / "copy")
    assert extract("mimic-iv", tmp_path / "copy").n_stays


def test_a_damaged_manifest_and_a_damaged_file_are_named(tables: Path, tmp_path: Path) -> None:
    copied(tables, tmp_path / "copy")
    (tmp_path / "copy" / "copy.json").write_text('{"database": "mimic-iv"}')
    with pytest.raises(ExtractError, match=r"copy\.json is damaged: copy\.json: key 'source' is missing"):
        extract("mimic-iv", tmp_path / "copy")
    write(hospital(), tmp_path / "cut")
    path = next(tmp_path.glob("cut/*/*.csv.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ExtractError, match=rf"{path.name} cannot be read as a CSV table: .*Download the file again"):
        copied(tmp_path / "cut", tmp_path / "copy of cut")


def test_the_command_line_copies_and_then_extracts(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extract", "cache", str(tables), "--out", str(tmp_path / "copy"), "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "rows read" in said
    assert "now reads this copy" in said
    assert main(["extract", "mimic-iv", str(tmp_path / "copy"), "--out", str(tmp_path / "x.parquet")]) == 0
    assert "columnar copy" in capsys.readouterr().out
    assert main(["extract", "cache", str(tmp_path / "none"), "--out", str(tmp_path / "y")]) == 2
    assert "is not a folder" in capsys.readouterr().err


# ---------------------------------------------------------------- blocks of lines

CELL = st.text(alphabet='ab",\n', max_size=6)


def read_back(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=12), size=st.integers(1, 40), chunk=st.integers(1, 30),
    ended=st.booleans(), packed=st.sampled_from([None, GZIP_FILE, gzip.GzipFile]),
)  # fmt: skip
def test_blocks_are_whole_records_and_any_can_be_the_first(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    size: int,
    chunk: int,
    ended: bool,
    packed: type[gzip.GzipFile] | None,
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\n").writerows([("x", "y"), *rows])
    whole = text.getvalue() if ended else text.getvalue().removesuffix("\n")
    path = folder / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(whole.encode()) if packed else whole.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.cohort.extract.blocks.CHUNK", chunk)
        patch.setattr("core.cohort.extract.blocks.GZIP_FILE", packed)
        found = list(_read(path, 0, size, folder / "block"))
        assert "".join(block for block, _, _ in found) == whole[len("x,y\n") :]
        for i, (block, end, lines) in enumerate(found):
            records = read_back(block)
            told = all("\n" not in cell for record in records for cell in record)
            assert lines == len(records) if told else lines in (None, len(records))
            again = "".join(text for text, _, _ in _read(path, end, size, folder / "block"))
            assert again == "".join(text for text, _, _ in found[i + 1 :])
    records = [record for block, _, _ in found for record in read_back(block)]
    assert records == read_back(whole)[1:]


def _read(path: Path, start: int, size: int, into: Path) -> Iterator[tuple[str, int, int | None]]:
    for block in blocks(path, start, size, into):
        yield into.read_bytes().decode(), block.end, block.lines
