"""Read a table from CSV, gzipped CSV or Parquet; nothing in it is executed or unpickled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.cohort.cohort import Origin
from core.tables.kept_report import read_report
from core.tables.origin import read_origin
from core.tables.report import CohortReport, Problem
from core.tables.sniff import GIB, Limits, limits_of, raise_for, read_content, refuse
from core.tables.values import MISSING_TEXT

MAX_COLUMNS = 2_000
MAX_HEADER = 1 << 20  # bytes
MAX_BROKEN_LINES = 20  # listed
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as the file holds it, unchecked.

    `origin` and `earlier`, what was left out and mended before it was saved, come from Parquet metadata; `warnings`
    are about the file.
    """

    frame: pd.DataFrame
    origin: Origin = field(default_factory=Origin)
    warnings: tuple[Problem, ...] = ()
    earlier: CohortReport = field(default_factory=CohortReport)


def read_table(source: str | Path | IO[Any]) -> RawTable:
    """Read a path or file object (bytes or text, with or without `.name`) without checking what is in it.

    Raises `CohortError` where the file is no table: missing, empty, too large, of another format, not UTF-8, cut off,
    or with rows of unequal length (each listed by row).
    """
    content, limits = read_content(source), limits_of(source)
    if content.kind == "parquet":
        frame, metadata = _read_parquet(content.data, limits)
        return RawTable(frame, read_origin(metadata), content.warnings, read_report(metadata))
    frame, warnings = _read_csv(content.data, limits)
    return RawTable(frame, Origin(), content.warnings + warnings)


def _read_parquet(data: bytes, limits: Limits) -> tuple[pd.DataFrame, Mapping[bytes, bytes] | None]:
    """The table and the schema's metadata."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        n_rows, n_columns = file.metadata.num_rows, len(file.schema_arrow.names)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        # repeated values take no room in the file, but 8 bytes each in memory
        _check_size(n_rows, n_columns, max(size, 8 * n_rows * n_columns), limits)
        metadata = file.schema_arrow.metadata
        frame = _columns_of(file)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:200]
        refuse("broken-file", f"the Parquet file cannot be read ({reason}).", "Write it again.")
    return frame, metadata


def _columns_of(file: pq.ParquetFile) -> pd.DataFrame:
    """All columns, one after another, so that no more than one is held twice; at once where names are not unique."""
    names = file.schema_arrow.names
    nested = any(pa.types.is_nested(kind) for kind in file.schema_arrow.types) or any("." in name for name in names)
    if nested or len(set(names)) < len(names):
        return _to_pandas(file.read())
    columns = {name: file.read(columns=[name]).column(0).to_pandas(date_as_object=False) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(file.metadata.num_rows), copy=False)


def _check_size(rows: int, columns: int, size: int, limits: Limits) -> None:
    if rows > limits.rows:
        refuse("too-large", f"the file has {rows:,} rows; at most {limits.rows:,} are read.", "Split it.")
    if columns > MAX_COLUMNS:
        refuse(
            "too-large", f"the file has {columns:,} columns; at most {MAX_COLUMNS:,} are read.", "Drop unused columns."
        )
    if size > limits.bytes:
        refuse("too-large", f"the file unpacks to more than {limits.bytes / GIB:g} GiB.", "Split it.")


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Column by column, so that repeated names and foreign pandas metadata do no harm."""
    columns = [table.column(i).to_pandas(date_as_object=False).reset_index(drop=True) for i in range(table.num_columns)]
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows), copy=False)
    frame.columns = pd.Index(table.column_names, dtype=object)
    return frame


def _read_csv(data: bytes, limits: Limits) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    start = len(BOM) if data.startswith(BOM) else 0
    _check_text(data)
    header = re.split(rb"[\r\n]", data[start : start + MAX_HEADER], maxsplit=1)[0]
    delimiter = max(",;\t|", key=lambda mark: header.count(mark.encode()))
    _check_size(max(data.count(b"\n"), data.count(b"\r")), header.count(delimiter.encode()) + 1, len(data), limits)
    if not header.strip():
        refuse("empty-file", "the file has no header line.", "The first line must name the columns.")
    if len(header) == len(data) - start:
        data += b"\n"  # the parser wants an end even of a file that is a header alone
    warnings: tuple[Problem, ...] = ()
    if delimiter != "," and header.count(delimiter.encode()):
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[delimiter]
        warnings = (Problem("delimiter", f"the columns are separated by {name}; read as such.", severity="warning"),)
    try:
        table = _parse(data, delimiter)
    except pa.ArrowInvalid as error:
        _explain_broken_lines(data, delimiter, str(error))
    return _to_pandas(table), warnings


def _check_text(data: bytes) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        refuse("encoding", "the file is UTF-16 text (byte 1).", "Save it as UTF-8.")
    if (zero := data.find(b"\0")) >= 0:
        refuse("encoding", f"the file is not text: byte {zero + 1} is 0.", "Save the table as CSV (UTF-8) or Parquet.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start + 1} (line {line}) is 0x{data[error.start]:02x}, which is not UTF-8."
        refuse("encoding", message, "Save the file as UTF-8.", max(line - 1, 0) or None)


def _parse(data: bytes, delimiter: str, broken: list[pa_csv.InvalidRow] | None = None) -> pa.Table:
    """Parse with types inferred over the whole file; `broken` collects rows of another length (one thread)."""

    def collect(row: pa_csv.InvalidRow) -> str:
        assert broken is not None
        broken.append(row)
        return "skip"

    nulls = sorted({form for text in MISSING_TEXT for form in (text, text.upper(), text.capitalize())} | {"NaN", "NaT"})
    return pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(use_threads=broken is None, block_size=8 << 20),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter, invalid_row_handler=collect if broken is not None else None
        ),
        convert_options=pa_csv.ConvertOptions(null_values=nulls, strings_can_be_null=True),
    )


def _explain_broken_lines(data: bytes, delimiter: str, reason: str) -> None:
    """Name the rows that have another number of values than the header."""
    broken: list[pa_csv.InvalidRow] = []
    try:
        _parse(data, delimiter, broken)
    except pa.ArrowInvalid as error:
        reason = str(error)
    if not broken:
        refuse(
            "broken-file", f"the CSV cannot be read ({reason.splitlines()[0][:200]}).", "Check quotes and separators."
        )
    raise_for(
        tuple(
            Problem(
                "row-length",
                f"the row has {row.actual_columns} values, the header names {row.expected_columns} columns.",
                None if row.number is None else row.number - 1,
                remedy="Quote values that hold the separator, and fill in missing ones.",
                count=len(broken),
            )
            for row in broken[:MAX_BROKEN_LINES]
        )
    )
