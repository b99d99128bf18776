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

GIB = 1024**3
CHUNK = 1 << 20
SAVE_AS = "Save the table as CSV (UTF-8), gzipped CSV or Parquet."
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
    """How much is read: bytes of the file, and of what a compressed one unpacks to, and rows of its table."""

    bytes: int
    rows: int


UPLOADED = Limits(2 * GIB, 10_000_000)  # a file object: somebody else's file
OWN = Limits(32 * GIB, 100_000_000)  # a path: the file of whoever runs the program


def limits_of(source: str | Path | IO[Any]) -> Limits:
    """Limits for a path or a file object."""
    return OWN if isinstance(source, (str, Path)) else UPLOADED


@dataclass(frozen=True, eq=False)
class Content:
    """Unpacked bytes of a file and their format."""

    data: bytes
    kind: Literal["csv", "parquet"]
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
    packed = data[:2] == b"\x1f\x8b"
    if packed:
        data = _unpack(data, limits_of(source).bytes)
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
    return Content(data, kind, tuple(warnings))


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
        refuse("too-large", f"the file is larger than {most / GIB:g} GiB.", "Split it, or save it as Parquet.")


def _unpack(data: bytes, most: int) -> bytes:
    """Gunzip (all members) with a cap on the result."""
    out, stream = io.BytesIO(), io.BytesIO(data)
    try:
        engine = zlib.decompressobj(wbits=31)
        while chunk := engine.unconsumed_tail or engine.unused_data + stream.read(CHUNK):
            if engine.eof:
                if not chunk.startswith(b"\x1f\x8b"):
                    break  # padding after the last member
                engine = zlib.decompressobj(wbits=31)
            out.write(engine.decompress(chunk, CHUNK))
            if out.tell() > most:
                refuse("too-large", f"the file unpacks to more than {most / GIB:g} GiB.", "Split it.")
    except zlib.error as error:
        refuse("broken-file", f"the gzip file is damaged ({error}).", "Compress it again, or give the plain CSV.")
    if not engine.eof:
        refuse("broken-file", "the gzip file is cut off before its end.", "Copy or download it again.")
    return out.getvalue()


def _claimed(name: str) -> str:
    """Format that a file name promises, "" where it promises none."""
    lowered = name.lower()
    for ending, kind in ((".csv.gz", "csv.gz"), (".csv", "csv"), (".parquet", "parquet"), (".pq", "parquet")):
        if lowered.endswith(ending):
            return kind
    return ""
