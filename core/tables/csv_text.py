"""From the bytes of a CSV file to a table of text: every cell as it was written, none of them typed.

What a cell means depends on what its column is used for, which the reader cannot know: "007" is a key or the number 7.
"""

from __future__ import annotations

import codecs
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from core.tables.report import Problem
from core.tables.sniff import Budget, raise_for, refuse
from core.tables.values import MISSING_TEXT

MAX_HEADER = 1 << 20  # bytes
MAX_BROKEN_LINES = 20  # listed
BLOCK = 8 << 20
CELL = 16  # bytes that a cell takes beside its text: offsets and marks, twice while a column is handed over
BOM = b"\xef\xbb\xbf"
NULLS = sorted({form for text in MISSING_TEXT for form in (text, text.upper(), text.capitalize())} | {"NaN", "NaT"})
POINT_DECIMAL = r"^\s*[-+]?[0-9]*\.[0-9]+\s*$"
COMMA_DECIMAL = r"^\s*[-+]?[0-9]*,[0-9]+\s*$"
COMMA_NUMBER = r"^\s*[-+]?[0-9]*(,[0-9]+)?([eE][-+]?[0-9]+)?\s*$"
THOUSANDS = r"^\s*[-+]?[1-9][0-9]{0,2},[0-9]{3}\s*$"  # may be one thousand and more as well as a decimal


def read_csv(data: bytes, budget: Budget) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """The table, all columns text, and what was noted: the separator, and decimal commas read as points.

    Raises `CohortError` for what is no text, too large, empty, or has rows of unequal length (each listed by row).
    """
    start = len(BOM) if data.startswith(BOM) else 0
    _check_text(data)
    header = re.split(rb"[\r\n]", data[start : start + MAX_HEADER], maxsplit=1)[0]
    delimiter = max(",;\t|", key=lambda mark: header.count(mark.encode()))
    rows, columns = max(data.count(b"\n"), data.count(b"\r")), header.count(delimiter.encode()) + 1
    budget.check(rows, columns, len(data) + CELL * rows * columns)
    if not header.strip():
        refuse("empty-file", "the file has no header line.", "The first line must name the columns.")
    if len(header) == len(data) - start:
        data += b"\n"  # the parser wants an end even of a file that is a header alone
    try:
        table = _parse(data, delimiter)
    except pa.ArrowInvalid as error:
        _explain_broken_lines(data, delimiter, str(error))
    if delimiter == ",":
        return _to_pandas(table), ()
    name = {";": "semicolons", "\t": "tabs", "|": "bars"}[delimiter]
    noted = Problem("delimiter", f"the columns are separated by {name}; read as such.", severity="warning")
    table, commas = _with_points(table)
    return _to_pandas(table), (noted, *commas)


def _check_text(data: bytes) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        refuse("encoding", "the file is UTF-16 text (byte 1).", "Save it as UTF-8.")
    if (zero := data.find(b"\0")) >= 0:
        refuse("encoding", f"the file is not text: byte {zero + 1} is 0.", "Save the table as CSV (UTF-8) or Parquet.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, len(data), BLOCK):  # in parts, since decoded text takes up to four times the bytes
        part = data[begin : begin + BLOCK]
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(part, final=begin + BLOCK >= len(data))
        except UnicodeDecodeError as error:
            _refuse_byte(data, begin - waiting + error.start)


def _refuse_byte(data: bytes, place: int) -> None:
    line = data.count(b"\n", 0, place) + 1
    message = f"byte {place + 1} (line {line}) is 0x{data[place]:02x}, which is not UTF-8."
    refuse("encoding", message, "Save the file as UTF-8.", max(line - 1, 0) or None)


def _parse(data: bytes, delimiter: str, broken: list[pa_csv.InvalidRow] | None = None) -> pa.Table:
    """Every cell as text; `broken` collects rows of another length (one thread)."""

    def collect(row: pa_csv.InvalidRow) -> str:
        assert broken is not None
        broken.append(row)
        return "skip"

    parsing = pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=None if broken is None else collect)
    nothing = pa_csv.ReadOptions(block_size=BLOCK, use_threads=False)
    names = pa_csv.open_csv(
        pa.BufferReader(data), nothing, pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=lambda _: "skip")
    ).schema.names
    return pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(use_threads=broken is None, block_size=BLOCK),
        parse_options=parsing,
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, null_values=NULLS, strings_can_be_null=True
        ),
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


def _with_points(table: pa.Table) -> tuple[pa.Table, tuple[Problem, ...]]:
    """The table with decimal commas written as points, where that is how the whole file writes decimals.

    Left alone where a number has a point, or where every comma might part thousands: "1,234".
    """
    numeric, changed, sure = [], [], False
    for i, column in enumerate(table.columns):
        if _any(column, POINT_DECIMAL):
            return table, ()
        if _any(column, COMMA_DECIMAL):
            numeric.append(i)
    for i in numeric:
        column = table.column(i)
        if pc.all(pc.match_substring_regex(column, COMMA_NUMBER)).as_py():
            changed.append(i)
            sure = sure or pc.sum(pc.match_substring_regex(column, COMMA_DECIMAL)) != pc.sum(
                pc.match_substring_regex(column, THOUSANDS)
            )
    if not sure:
        return table, ()
    for i in changed:
        points = pc.replace_substring(table.column(i), ",", ".")
        table = table.set_column(i, table.field(i), points)
    message = f"decimals are written with a comma in {len(changed)} columns; read as such."
    return table, (Problem("decimal-comma", message, severity="warning", count=len(changed)),)


def _any(column: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Column by column, so that repeated names do no harm."""
    columns = {i: pd.Series(pd.array(table.column(i), dtype="str")) for i in range(table.num_columns)}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)
    frame.columns = pd.Index(table.column_names, dtype=object)
    return frame
