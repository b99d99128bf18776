"""Files of every kind, good and broken: what is read, and what the refusal says."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import CohortError
from core.cohort import Cohort, Origin, load_cohort, read_table
from core.study import StudySpec
from core.tables import sniff


def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def parquet(table: pd.DataFrame, metadata: dict[bytes, bytes] | None = None) -> bytes:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    out = io.BytesIO()
    pq.write_table(arrow.replace_schema_metadata(metadata), out)
    return out.getvalue()


def upload(data: bytes, name: str = "upload.bin") -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def refused(data: bytes, rule: str, study: StudySpec, name: str = "cohort.csv") -> str:
    """Text of the refusal, whose first problem breaks the rule."""
    with pytest.raises(CohortError) as caught:
        load_cohort(upload(data, name), study)
    report = caught.value.report
    assert report is not None
    assert not report.ok
    assert report.errors[0].rule == rule, str(caught.value)
    return str(caught.value)


def test_all_formats_give_the_same_cohort(table: pd.DataFrame, study: StudySpec, tmp_path: Path) -> None:
    text = csv(table)
    files = {"a.csv": text, "a.csv.gz": gzip.compress(text), "a.parquet": parquet(table)}
    seen = set()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        for source in (tmp_path / name, str(tmp_path / name), upload(data, name), io.BytesIO(data)):
            cohort = load_cohort(source, study)
            assert not cohort.report.problems
            seen.add(cohort.data_hash)
    seen.add(load_cohort(io.StringIO(text.decode()), study).data_hash)
    assert len(seen) == 1


def test_the_cohort_is_what_it_promises(table: pd.DataFrame, study: StudySpec) -> None:
    cohort = load_cohort(upload(csv(table.assign(dose=0.5, hours=1.0).sample(frac=1, random_state=1))), study)
    frame = cohort.frame
    assert list(frame) == ["traj", "step", "age", "female", "Lactate", "vent", "score", "action", "outcome"]
    assert {str(frame[name].dtype) for name in study.names} == {"float32"}
    assert str(frame["action"].dtype) == "int64"
    expected = table.astype(frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(frame, expected)
    assert cohort.patients.tolist() == ["1", "2", "3", "10"]
    assert cohort.outcomes.tolist() == [1, -1, 1, -1]
    assert cohort.lengths.tolist() == [3, 2, 4, 2]
    assert cohort.imputed is not None
    assert not cohort.imputed.any()
    assert cohort.extra is not None
    assert list(cohort.extra) == ["dose", "hours"]
    assert cohort.origin == Origin()


def test_text_keys_stay_text_and_sort_as_people_count(table: pd.DataFrame, study: StudySpec) -> None:
    table["traj"] = "p" + table["traj"].astype(str)
    assert load_cohort(upload(parquet(table)), study).patients.tolist() == ["p1", "p2", "p3", "p10"]


def test_large_integer_keys_are_exact(table: pd.DataFrame, study: StudySpec) -> None:
    table["traj"] += 2**60
    assert load_cohort(upload(csv(table)), study).patients.tolist() == [str(2**60 + i) for i in (1, 2, 3, 10)]


def test_a_file_object_is_read_from_its_beginning(table: pd.DataFrame, study: StudySpec) -> None:
    file = upload(csv(table))
    file.read()
    assert load_cohort(file, study).n_patients == 4
    assert load_cohort(file, study).n_patients == 4


def test_columns_are_mapped(table: pd.DataFrame, study: StudySpec) -> None:
    file = upload(csv(table.rename(columns={"traj": "stay", "outcome": "alive"})))
    assert load_cohort(file, study, columns={"stay": "traj", "alive": "outcome"}).n_patients == 4


def test_byte_order_mark_semicolons_and_windows_lines(table: pd.DataFrame, study: StudySpec) -> None:
    text = table.to_csv(index=False, sep=";", lineterminator="\r\n")
    cohort = load_cohort(upload(b"\xef\xbb\xbf" + text.encode()), study)
    assert cohort.n_patients == 4
    assert [p.message for p in cohort.report.warnings] == ["the columns are separated by semicolons; read as such."]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending(table: pd.DataFrame, study: StudySpec, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sniff, "MAX_COLUMNS", 9)
    assert load_cohort(upload(table.to_csv(index=False, lineterminator=ending).encode()), study).n_patients == 4


def test_na_and_empty_are_missing_values(table: pd.DataFrame, study: StudySpec) -> None:
    text = csv(table).decode().splitlines()
    text[2] = text[2].replace("1.5", "NA")
    text[3] = text[3].replace("2.0", "")
    cohort = load_cohort(upload("\n".join(text).encode()), study)
    assert cohort.imputed is not None
    assert np.flatnonzero(cohort.imputed[:, study.index("Lactate")]).tolist() == [1, 2]
    assert cohort.frame["Lactate"][:3].tolist() == [1, 1, 1]


def test_the_name_may_be_wrong(table: pd.DataFrame, study: StudySpec) -> None:
    for data, name in ((parquet(table), "a.csv"), (csv(table), "a.parquet"), (gzip.compress(csv(table)), "a.csv")):
        cohort = load_cohort(upload(data, name), study)
        assert [p.rule for p in cohort.report.warnings] == ["name-and-content"]
    assert not load_cohort(upload(csv(table), "cohort.txt"), study).report.problems


def test_a_type_that_breaks_late_in_a_long_file_is_found(study: StudySpec) -> None:
    n = 30_000
    table = pd.DataFrame(
        {"traj": np.repeat(np.arange(n), 2), "step": [0, 1] * n, "outcome": [0, 1] * (n - 1) + [0, -1]}
    )
    table = table.assign(age=50.0, female=0, Lactate=1.0, vent=0, score=3, action=0, filler="x" * 300)
    table["Lactate"] = table["Lactate"].astype(object)
    table.loc[2 * n - 2, "Lactate"] = "1,234"
    message = refused(csv(table), "not-a-number", study)
    assert f"row {2 * n - 1}, column 'Lactate': '1,234' is not a number." in message


def test_every_error_is_in_one_message(table: pd.DataFrame, study: StudySpec) -> None:
    table.loc[4, "action"] = 9
    message = refused(csv(table.assign(Lactate=-1).drop(columns="vent")), "missing-column", study)
    assert message.startswith("the cohort has 3 kinds of problem:\n- column 'vent': the column is missing.")
    assert "row 1, column 'Lactate': -1 is impossible" in message
    assert "row 5, column 'action': 9 is no dose bin." in message


def test_a_long_list_ends_with_how_many_more() -> None:
    message = refused(b"traj,step\n1,0\n1,1\n", "missing-column", None)  # type: ignore[arg-type]
    assert message.endswith("... and 18 more.")
    assert message.startswith("the cohort has 38 kinds of problem:")
    assert message.count("\n- ") == 20


BROKEN = [
    (b"", "empty-file", "the file is empty (0 bytes)"),
    (b"\n\n", "empty-file", "no header line"),
    (gzip.compress(b"", mtime=0), "empty-file", "unpacks to nothing"),
    (b"PK\x03\x04rest", "unknown-format", "a ZIP archive or an Excel workbook. Save the table as CSV"),
    (pickle.dumps({"a": 1}), "unknown-format", "a Python pickle, which is never opened"),
    ("traj,step\n1,0\n".encode("utf-16"), "encoding", "UTF-16 text"),
    (b"traj,step\n1,\x000\n", "encoding", "byte 13 is 0"),
    (
        b"traj,step\n1,0\nM\xfcller,1\n",
        "encoding",
        "byte 16 (line 3) is 0xfc, which is not UTF-8. Save the file as UTF-8.",
    ),
    (gzip.compress(b"traj,step\n" * 5000, mtime=0)[:-20], "broken-file", "cut off before its end"),
    (b"\x1f\x8b" + bytes(30), "broken-file", "the gzip file is damaged"),
    (b"PAR1 this is no parquet file PAR1", "broken-file", "the Parquet file cannot be read"),
]


@pytest.mark.parametrize(("data", "rule", "text"), BROKEN)
def test_what_is_no_table_is_refused_in_words(data: bytes, rule: str, text: str, study: StudySpec) -> None:
    assert text in refused(data, rule, study)


def test_header_only(table: pd.DataFrame, study: StudySpec) -> None:
    for data in (csv(table.head(0)), csv(table.head(0)).strip(), parquet(table.head(0))):
        assert "the table has no data rows" in refused(data, "no-rows", study)


def test_rows_of_another_length_are_listed(study: StudySpec) -> None:
    message = refused(b"a,b,c\n1,2,3\n1,2\n1,2,3\n1,2,3,4\n", "row-length", study)
    assert message.splitlines() == [
        "row 2, the row has 2 values, the header names 3 columns. "
        "Quote values that hold the separator, and fill in missing ones.",
        "row 4, the row has 4 values, the header names 3 columns. "
        "Quote values that hold the separator, and fill in missing ones.",
    ]


def test_paths_that_cannot_be_read(study: StudySpec, tmp_path: Path) -> None:
    for source, text in (
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "is a folder"),
        ("bad\0name.csv", "cannot be read"),
        (17, "neither a path nor an open file"),
    ):
        with pytest.raises(CohortError, match=text):
            load_cohort(source, study)  # type: ignore[arg-type]


def _saved(folder: Path, data: bytes) -> Path:
    path = folder / "cohort.csv"
    path.write_bytes(data)
    return path


def test_caps_on_bytes_rows_and_columns(
    table: pd.DataFrame, study: StudySpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sniff, "UPLOADED", sniff.Limits(sniff.UPLOADED.bytes, 10))
    assert "at most 10" in refused(parquet(table), "too-large", study)
    assert "at most 10" in refused(csv(table), "too-large", study)
    assert load_cohort(_saved(tmp_path, csv(table)), study).n_patients == 4  # one's own file has other limits
    monkeypatch.setattr(sniff, "UPLOADED", sniff.Limits(2000, 1000))
    monkeypatch.setattr(sniff, "MAX_COLUMNS", 5)
    assert "columns" in refused(csv(table), "too-large", study)
    assert "larger than" in refused(b"x" * 2001, "too-large", study)
    assert "unpacks to more than" in refused(gzip.compress(b"x" * 100_000), "too-large", study)


def test_repeated_values_are_counted_by_the_memory_that_they_take(
    study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sniff, "UPLOADED", sniff.Limits(1_000_000, 1_000_000))
    data = parquet(pd.DataFrame({"traj": np.zeros(200_000)}))
    assert len(data) < 10_000
    assert "unpacks to more than" in refused(data, "too-large", study)


def test_lines_that_end_in_a_carriage_return_alone_are_counted(
    table: pd.DataFrame, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sniff, "UPLOADED", sniff.Limits(sniff.UPLOADED.bytes, 10))
    assert "at most 10" in refused(csv(table).replace(b"\n", b"\r"), "too-large", study)


def test_gzip_of_several_members(table: pd.DataFrame, study: StudySpec) -> None:
    text = csv(table)
    cohort = load_cohort(upload(gzip.compress(text[:50]) + gzip.compress(text[50:]) + b"\0" * 5), study)
    assert cohort.n_patients == 4


ORIGINS = [
    (b'{"schema_version":1,"origin":{"kind":"simulated","like":"eicu","n_patients":4,"seed":7}}', ("simulated", 4, 7)),
    (b'{"schema_version":1,"origin":{"kind":"simulated","like":"<b>","n_patients":4,"seed":7}}', ("recorded", 0, 0)),
    (b'{"schema_version":1,"origin":{"kind":"simulated","like":"eicu","n_patients":-4}}', ("recorded", 0, 0)),
    (b'{"schema_version":9,"origin":{"kind":"simulated"}}', ("recorded", 0, 0)),
    (b'{"schema_version":1,"origin":{"kind":"simulated","extra":1}}', ("recorded", 0, 0)),
    (b'{"schema_version":1,"origin":[]}', ("recorded", 0, 0)),
    (b"\xff\xfe not json", ("recorded", 0, 0)),
    (b"[" * 100_000, ("recorded", 0, 0)),
]


@pytest.mark.parametrize(("metadata", "expected"), ORIGINS)
def test_origin_comes_from_valid_metadata_only(
    table: pd.DataFrame, study: StudySpec, metadata: bytes, expected: tuple[str, int, int]
) -> None:
    origin = load_cohort(upload(parquet(table, {b"phenopolicy": metadata})), study).origin
    assert (origin.kind, origin.n_patients, origin.seed) == expected


def test_parquet_with_repeated_and_nested_columns_is_a_problem_list(table: pd.DataFrame, study: StudySpec) -> None:
    arrow = pa.Table.from_pandas(table.drop(columns="vent"), preserve_index=False)
    arrow = arrow.append_column("vent", pa.array([[1], [2, 3]] * 5 + [None])).append_column("score", arrow["score"])
    out = io.BytesIO()
    pq.write_table(arrow, out)
    message = refused(out.getvalue(), "duplicate-column", study)
    assert "column 'vent': '" in message


def test_read_table_does_not_check(table: pd.DataFrame) -> None:
    raw = read_table(upload(b"x,y\n1,a\n", "z.csv"))
    assert raw.frame.to_dict("list") == {"x": ["1"], "y": ["a"]}


def test_dropped_rows_leave_positions_intact(table: pd.DataFrame, study: StudySpec) -> None:
    single = table.iloc[[4]].assign(traj=0, step=0)
    cohort: Cohort = load_cohort(upload(csv(pd.concat([table, single]))), study)
    assert cohort.patients.tolist() == ["1", "2", "3", "10"]
    assert [e.patients for e in cohort.report.attrition] == [0, 1]
    assert cohort.frame["step"].tolist() == table["step"].tolist()
