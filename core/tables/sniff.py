"""From an upload or a path to plain bytes of a known format; the content decides, the name only hints."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

from core.base.errors import CohortError
from core.tables.report import CohortReport, Problem

MIB = 1024**2
GIB = 1024**3
CHUNK = 1 << 20
MAX_COLUMNS = 2_000
FREE_BYTES = 48 * MIB  # that any file may unpack to, however small it is
ROW = 64  # bytes that checking a row takes, however narrow it is
RATIO = 64  # bytes of memory that each byte of a file may unpack to beyond that
SAVE_AS = "Save the table as CSV (UTF-8), gzipped CSV or Parquet."
COPY_AGAIN = "Copy or download the gzip file again, or give the plain CSV."
FOREIGN = {  # magic bytes of what people try to upload by mistake
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x80\x03": "a Python pickle, which is never opened",
    b"\x80\x04": "a Python pickle, which is never opened",
    b"\x80\x05": "a Python pickle, which is never opened",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"SQLite": "an SQLite database",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}


@dataclass(frozen=True)
class Limits:
    """How much is read: bytes of the file, and of the table that it unpacks to, and rows of the table."""

    bytes: int
    rows: int


UPLOADED = Limits(2 * GIB, 10_000_000)  # a file object: somebody else's file
OWN = Limits(32 * GIB, 100_000_000)  # a path: the file of whoever runs the program


def limits_of(source: str | Path | IO[Any]) -> Limits:
    """Limits for a path or a file object."""
    return OWN if isinstance(source, (str, Path)) else UPLOADED


@dataclass(frozen=True)
class Budget:
    """What a file may unpack to, whatever it says of itself: `rows`, and `bytes` of memory.

    Tables shrink to a tenth or a fiftieth of their size when they are packed. A file that unpacks to far more than
    that is no table of patients, and is refused before it fills the memory.
    """

    bytes: int
    rows: int

    @classmethod
    def of(cls, packed: int, limits: Limits) -> Budget:
        """Budget of a file of so many bytes."""
        return cls(min(limits.bytes, FREE_BYTES + RATIO * packed), limits.rows)

    def check(self, rows: int, columns: int, size: int) -> None:
        """Raise a `CohortError` for a table beyond the budget; `size` is the memory that it takes, in bytes."""
        if rows > self.rows:
            refuse("too-large", f"the file has {rows:,} rows; at most {self.rows:,} are read.", "Split it.")
        if columns > MAX_COLUMNS:
            message = f"the file has {columns:,} columns; at most {MAX_COLUMNS:,} are read."
            refuse("too-large", message, "Drop unused columns.")
        self.check_bytes(size + ROW * rows)

    def check_bytes(self, size: int) -> None:
        """Raise a `CohortError` where so many bytes of memory are beyond the budget."""
        if size > self.bytes:
            message = f"the file unpacks to more than {_words(self.bytes)}, too much for a file of its size."
            refuse("too-large", message, "Split it, or drop columns that the study does not use.")


@dataclass(frozen=True, eq=False)
class Content:
    """Unpacked bytes of a file, their format, and what reading them may take."""

    data: bytes
    kind: Literal["csv", "parquet"]
    budget: Budget
    warnings: tuple[Problem, ...] = ()


def refuse(rule: str, message: str, remedy: str, row: int | None = None) -> NoReturn:
    """Raise a `CohortError` about a file as a whole."""
    raise_for((Problem(rule, message, row, remedy=remedy),))


def raise_for(problems: tuple[Problem, ...]) -> NoReturn:
    """Raise a `CohortError` that lists the problems of a file that could not be read as a table."""
    text = "\n".join(str(problem) for problem in problems)
    raise CohortError(text, CohortReport(problems, (), {"rows": 0, "patients": 0}))


def read_content(source: str | Path | IO[Any]) -> Content:
    """Bytes of a path or file object, unpacked and recognized; `CohortError` says why they cannot be a table."""
    name, data = _load(source)
    if not data:
        refuse("empty-file", "the file is empty (0 bytes).", SAVE_AS)
    warnings: list[Problem] = []
    budget = Budget.of(len(data), limits_of(source))
    packed = data[:2] == b"\x1f\x8b"
    if packed:
        data = _unpack(data, budget)
        if not data:
            refuse("empty-file", "the gzip file unpacks to nothing.", SAVE_AS)
    for magic, what in FOREIGN.items():
        if data.startswith(magic):
            refuse("unknown-format", f"the file is {what}.", SAVE_AS)
    kind: Literal["csv", "parquet"] = "parquet" if data[:4] == b"PAR1" else "csv"
    found = "csv.gz" if packed and kind == "csv" else kind
    claimed = _claimed(name)
    if claimed and claimed != found:
        message = f"the name ends as {claimed}, the content is {found}; it was read as {found}."
        warnings.append(Problem("name-and-content", message, severity="warning"))
    return Content(data, kind, budget, tuple(warnings))


def _load(source: str | Path | IO[Any]) -> tuple[str, bytes]:
    """Name and bytes; a file object is read from its beginning."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            if path.is_dir():
                refuse("no-file", f"{path} is a folder.", "Give the path of one file.")
            with path.open("rb") as file:
                _check_bytes(os.fstat(file.fileno()).st_size, OWN.bytes)
                return path.name, file.read()
        except FileNotFoundError:
            refuse("no-file", f"{path} does not exist.", "Give the path of a .csv, .csv.gz or .parquet file.")
        except (OSError, ValueError) as error:
            refuse("no-file", f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", "Check the path.")
    if not hasattr(source, "read"):
        refuse(
            "no-file", f"{type(source).__name__} is neither a path nor an open file.", "Give a path or a file object."
        )
    if hasattr(source, "seekable") and source.seekable():
        source.seek(0)
    return str(getattr(source, "name", "")), _capped(source, UPLOADED.bytes)


def _capped(file: IO[Any], most: int) -> bytes:
    data = file.read(most + 1)
    if isinstance(data, str):
        data = data.encode("utf-8")
    _check_bytes(len(data), most)
    return bytes(data)


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        refuse("too-large", f"the file is larger than {_words(most)}.", "Split it, or save it as Parquet.")


def _words(size: int) -> str:
    return f"{size / GIB:g} GiB" if size >= GIB else f"{size / MIB:,.3g} MiB"


def _unpack(data: bytes, budget: Budget) -> bytes:
    """Gunzip all members, with a cap on the result; nothing but NUL bytes may follow the last one."""
    out, place = io.BytesIO(), 0
    try:
        while place < len(data):
            if not data.startswith(b"\x1f\x8b", place):
                _check_padding(data, place)
                break
            place = _unpack_member(data, place, out, budget)
    except zlib.error as error:
        where = "" if not place else f", in the part that begins at byte {place + 1}"
        refuse("broken-file", f"the gzip file is damaged ({error}){where}.", COPY_AGAIN)
    return out.getvalue()


def _unpack_member(data: bytes, place: int, out: IO[bytes], budget: Budget) -> int:
    """Write what the member at `place` holds; returns where it ends."""
    engine = zlib.decompressobj(wbits=31)
    while not engine.eof:
        chunk = engine.unconsumed_tail
        if not chunk:
            chunk, place = data[place : place + CHUNK], place + CHUNK
            if not chunk:
                refuse("broken-file", "the gzip file is cut off before its end.", COPY_AGAIN)
        out.write(engine.decompress(chunk, CHUNK))
        budget.check_bytes(out.tell())
    return min(place, len(data)) - len(engine.unused_data)


def _check_padding(data: bytes, place: int) -> None:
    """Tape drives pad with NUL bytes; anything else behind a gzip member is a damaged member or foreign."""
    if data.count(0, place) < len(data) - place:
        message = f"the gzip file is damaged: what follows byte {place} is neither gzip nor padding."
        refuse("broken-file", message, COPY_AGAIN)


def _claimed(name: str) -> str:
    """Format that a file name promises, "" where it promises none."""
    lowered = name.lower()
    for ending, kind in ((".csv.gz", "csv.gz"), (".csv", "csv"), (".parquet", "parquet"), (".pq", "parquet")):
        if lowered.endswith(ending):
            return kind
    return ""
