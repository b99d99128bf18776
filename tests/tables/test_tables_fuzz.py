"""`check_cohort` answers any table with a report, and planted faults never go unseen."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import CohortError
from core.cohort import CohortReport, check_cohort, load_cohort, make_cohort, report_text
from core.study import StudySpec, load_study

QUIET = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = ["traj", "step", "age", "female", "Lactate", "vent", "score", "action", "outcome", "dose", "hours", "_imputed"]


class Mute:
    """An object without text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**64, -0.0, Mute(), pd.NA, pd.NaT, b"\xff", decimal.Decimal("1.5"), 1 + 2j]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["1,234", "NA", "1e5", " 7 ", "0x10", "inf", "True", "\ud800", "12abc"]),
    st.dates(dt.date(1, 1, 1)),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 8))
    names = draw(st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=3), st.integers()), max_size=14))
    columns = []
    for _ in names:
        cell = draw(st.sampled_from([SCALARS, st.integers(-2, 4), st.floats(), st.sampled_from(["a", "1", ""])]))
        columns.append(pd.Series([draw(cell) for _ in range(rows)], dtype=object))
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(rows))
    frame.columns = pd.Index(names, dtype=object)
    if draw(st.booleans()):
        with contextlib.suppress(UnicodeEncodeError):  # pandas cannot hold lone surrogates as strings
            return frame.infer_objects()
    return frame


@QUIET
@given(frame=tables())
def test_any_table_gets_a_report(frame: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(frame, study)
    assert isinstance(report, CohortReport)
    assert isinstance(report_text(report), str)
    assert CohortReport.from_json(json.loads(json.dumps(report.to_json()))).ok == report.ok
    if report.ok:
        assert not make_cohort(frame, study).frame.isna().any(axis=None)
    else:
        with pytest.raises(CohortError, match="problem"):
            make_cohort(frame, study)


@QUIET
@given(kind=st.sampled_from(["csv", "csv.gz", "parquet"]), data=st.data())
def test_damaged_files_are_refused_or_read_but_never_crash(
    kind: str, data: st.DataObject, table: pd.DataFrame, study: StudySpec
) -> None:
    good = {"csv": lambda: table.to_csv(index=False).encode(), "parquet": table.to_parquet}
    content = bytearray(gzip.compress(good["csv"](), mtime=0) if kind == "csv.gz" else good[kind]())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        cohort = load_cohort(
            io.BytesIO(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])), study
        )
    except CohortError as error:
        assert str(error)  # noqa: PT017 - both endings are right, so `raises` does not fit
    else:
        assert cohort.n_patients


ODD = {
    "no columns": pd.DataFrame(index=range(3)),
    "nothing": pd.DataFrame(),
    "levels": pd.DataFrame(np.zeros((2, 2)), columns=pd.MultiIndex.from_tuples([("traj", "a"), ("step", "b")])),
    "index levels": pd.DataFrame({"traj": [1, 2]}, index=pd.MultiIndex.from_tuples([(0, 0), (0, 0)])),
    "not even names": pd.DataFrame([[1, 2, 3]], columns=[np.nan, None, ("traj",)]),
}
DTYPES = {
    "datetime": pd.to_datetime(["2020-01-01", None]),
    "timedelta": pd.to_timedelta([1, 2], unit="h"),
    "period": pd.period_range("2020", periods=2, freq="D"),
    "interval": pd.interval_range(0, 2),
    "complex": np.array([1j, 2]),
    "sparse": pd.arrays.SparseArray([0, 1]),
    "category": pd.Categorical(["x", None]),
    "uint64": np.array([2**64 - 1, 0], dtype=np.uint64),
    "float16": np.array([np.inf, np.nan], dtype=np.float16),
    "Int64": pd.array([1, None], dtype="Int64"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "string": pd.array(["1", None], dtype="string"),
    "arrow": pd.array([1, None], dtype="int64[pyarrow]"),
    "arrow decimal": pd.array([decimal.Decimal("1.25"), None], dtype="object"),
    "bytes": np.array([b"1", b"\xff"], dtype=object),
    "records": np.array([{"a": 1}, [1, 2]], dtype=object),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables(name: str, study: StudySpec) -> None:
    assert not check_cohort(ODD[name], study).ok


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("column", ["traj", "step", "Lactate", "action", "outcome", "dose"])
def test_any_dtype_in_any_column(dtype: str, column: str, study: StudySpec) -> None:
    base = {"traj": [1, 1], "step": [0, 1], "age": [50, 50], "female": [0, 0], "Lactate": [1, 1], "vent": [0, 0]}
    frame = pd.DataFrame({**base, "score": [1, 1], "action": [0, 1], "outcome": [0, 1], "dose": [0, 1]})
    frame[column] = DTYPES[dtype]
    report = check_cohort(frame, study)
    assert report.problems
    assert report_text(report)


@QUIET
@given(
    row=st.integers(0, 199),
    column=st.sampled_from(load_study().names),
    value=st.sampled_from([-1e6, 1e9, np.inf, "text", "1,5"]),
    shuffle=st.integers(0, 10),
)
def test_a_planted_fault_is_found_in_the_file_s_own_order(row: int, column: str, value: object, shuffle: int) -> None:
    frame = _icu_table().sample(frac=1, random_state=shuffle).reset_index(drop=True)
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    assert (row + 1, column) in {(p.row, p.column) for p in check_cohort(frame).errors}


def _icu_table() -> pd.DataFrame:
    """50 stays of 4 steps in the ICU study, all values in the middle of their plausible ranges."""
    study = load_study()
    frame = pd.DataFrame({"traj": np.repeat(np.arange(50), 4), "step": np.tile(np.arange(4), 50)})
    for column in study.columns:
        frame[column.name] = 0.0 if column.binary else float(np.mean(column.plausible))
    return frame.assign(action=0, outcome=np.where(frame["step"] == 3, np.where(frame["traj"] % 3, 1, -1), 0))
