"""Keys are text as it was written, equal only when equal, in every format and for every study."""

from __future__ import annotations

import decimal
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cohort import Cohort, load_cohort
from core.registry import load_registry, save_registry, simulate_registry
from core.study import StudySpec
from core.tables.keys import natural_order, read_keys

KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"'), min_size=1, max_size=6)


def load(table: pd.DataFrame, study: StudySpec, kind: str) -> Cohort:
    out = io.BytesIO()
    if kind == "csv":
        out.write(table.to_csv(index=False).encode())
    else:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), out)
    return load_cohort(out, study)


def renamed(table: pd.DataFrame, names: list[object]) -> pd.DataFrame:
    """The table with these keys in place of 1, 2, 3, 10."""
    return table.assign(traj=table["traj"].map(dict(zip((1, 2, 3, 10), names, strict=True))))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    "names",
    [
        ["7", "007", "0x7", "7.00"],
        ["11111111111111110000", "11111111111111110001", "11111111111111110002", "11111111111111110003"],
        ["1e5", "1E5", "100000", "100000.0"],
        ["p2", "p10", "P2", "p02"],
        ["1.1", "1.10", "1.100", "1.2"],
        ["true", "True", "-0", "0"],
        ["Zoë", "Zoe", "病人", "a b"],
        ["2020-01-01", "2020-1-1", "01.01.2020", "1/1/20"],
    ],
)
def test_keys_are_shown_as_written_and_never_merged(
    table: pd.DataFrame, study: StudySpec, names: list[object], kind: str
) -> None:
    cohort = load(renamed(table, names), study, kind)
    assert sorted(cohort.patients) == sorted(names)
    assert cohort.n_patients == 4
    order = [["7", "007"].index(key) for key in cohort.patients if key in ("7", "007")]
    assert order == sorted(order)


def test_whole_numbers_of_any_type_keep_every_digit(table: pd.DataFrame, study: StudySpec) -> None:
    for kind in ("int64", "uint64"):
        names = [2**53, 2**53 + 1, 2**62, 2**62 + 1]
        frame = renamed(table, names).astype({"traj": kind})  # type: ignore[arg-type]
        assert load(frame, study, "parquet").patients.tolist() == [str(name) for name in names]
    exact = [decimal.Decimal(10**25 + i) for i in range(4)]
    assert load(renamed(table, list(exact)), study, "parquet").patients.tolist() == [str(key) for key in exact]


def test_whole_numbers_that_a_gap_made_decimal_lose_the_point(table: pd.DataFrame, study: StudySpec) -> None:
    subject = table["traj"].where(table["traj"] != 2).astype(float)
    for kind in ("csv", "parquet"):
        cohort = load(table.assign(subject=subject), study, kind)
        assert cohort.subjects.tolist() == ["1", "", "3", "10"]


def test_the_point_stays_where_dropping_it_would_merge() -> None:
    assert read_keys(pd.Series(["12.0", "12.00"])).names.tolist() == ["12.0", "12.00"]
    assert read_keys(pd.Series(["12.0", "13"])).names.tolist() == ["12.0", "13"]
    assert read_keys(pd.Series(["12.0", "13.0", None])).names.tolist() == ["12", "13"]


def test_keys_that_a_float_may_have_merged_are_doubted(table: pd.DataFrame, study: StudySpec) -> None:
    frame = table.assign(subject=2.0**53 + table["traj"])
    warning = next(p for p in load(frame, study, "parquet").report.warnings if p.rule == "rounded-keys")
    assert warning.column == "subject"
    assert "2^53" in warning.message
    assert "Save them as text or as whole numbers." in warning.remedy


def test_keys_that_differ_in_blanks_alone_are_kept_and_named(table: pd.DataFrame, study: StudySpec) -> None:
    cohort = load(renamed(table, ["a", "a ", "b", "c"]), study, "csv")
    assert cohort.patients.tolist() == ["a", "a ", "b", "c"]
    warning = next(p for p in cohort.report.warnings if p.rule == "blanks-in-keys")
    assert "2 (first: 'a' and 'a ')" in warning.message


@settings(max_examples=200, deadline=None)
@given(keys=st.lists(KEYS | st.integers(0, 10**25).map(str), min_size=1, max_size=12))
def test_two_rows_have_one_key_exactly_when_their_texts_are_equal(keys: list[str]) -> None:
    read = read_keys(pd.Series(keys, dtype=object))
    for i, one in enumerate(keys):
        for j, other in enumerate(keys):
            if not read.missing[i] and not read.missing[j]:
                assert (read.code[i] == read.code[j]) == (one == other)
    shown = read.names[read.code[~read.missing]]
    written = [key for key, gone in zip(keys, read.missing, strict=True) if not gone]
    assert shown.tolist() == written or all(key.partition(".")[2].strip("0") == "" for key in written)


def test_bytes_and_broken_text_stay_apart() -> None:
    keys = pd.Series([b"a", b"\xff", b"\xfe", "\ud800", "\ud801", "a"], dtype=object)
    assert read_keys(keys).code.tolist() == [
        read_keys(keys).code[0],
        *read_keys(keys).code[1:5],
        read_keys(keys).code[0],
    ]
    assert len(read_keys(keys).names) == 5


@settings(max_examples=100, deadline=None)
@given(numbers=st.lists(st.integers(-(10**22), 10**22), unique=True, max_size=20))
def test_whole_numbers_sort_as_numbers(numbers: list[int]) -> None:
    names = np.array([str(number) for number in numbers], dtype=object)
    assert [int(name) for name in names[natural_order(names)]] == sorted(numbers)


def test_text_sorts_as_people_count() -> None:
    names = np.array(["ward 10", "ward 9", "ward 9b", "Ward 1", "007", "7", "8"], dtype=object)
    assert names[natural_order(names)].tolist() == ["7", "007", "8", "Ward 1", "ward 9", "ward 9b", "ward 10"]


def test_patients_of_a_registry_are_text_too(tmp_path: Path) -> None:
    cohort, _ = simulate_registry(6, seed=0)
    names = {str(i + 1): name for i, name in enumerate(["7", "007", "0x7", "1e2", "100", "9" * 21])}
    frame = cohort.frame.assign(patient=cohort.frame["patient"].map(names))
    frame.to_csv(tmp_path / "r.csv", index=False)
    loaded = load_registry(tmp_path / "r.csv")
    assert sorted(loaded.patients) == sorted(names.values())
    for ending in ("parquet", "csv.gz"):
        assert (
            load_registry(save_registry(loaded, tmp_path / f"r.{ending}")).patients.tolist() == loaded.patients.tolist()
        )
