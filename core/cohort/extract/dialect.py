"""How a CSV table is written: the names in its header and what parts its columns; or why it is no such table."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import ExtractError

DELIMITERS = ",;\t|"
GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
CHUNK = 4 << 20  # bytes


@dataclass(frozen=True)
class Header:
    """Column names in lower case, in their order; a column without a name, such as a saved index, is `unnamed 0`."""

    names: tuple[str, ...]
    delimiter: str


def read_header(path: Path) -> Header:
    """Of a CSV file, compressed or not; `ExtractError` says what it is instead."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
        if packed and path.suffix != ".gz":
            raise ExtractError(f"{path} is compressed with gzip; call it {path.name}.gz, or unpack it.")
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            line = file.readline()
    except (OSError, EOFError, zlib.error) as error:
        raise ExtractError(f"{path} cannot be read as a CSV table: {error}. Download the file again.") from None
    if not line.strip():
        raise ExtractError(f"{path} is empty, or begins with an empty line. Download the file again.")
    if line.startswith(UTF_16) or b"\0" in line:
        raise ExtractError(f"{path} is no text in UTF-8; it may be UTF-16. Save it as UTF-8.")
    header = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    if "\r" in header:
        raise ExtractError(f"{path} ends its lines with a carriage return alone; save it with the line ends of Unix.")
    delimiter = max(DELIMITERS, key=header.count)  # the first of them where none occurs
    try:
        names = next(csv.reader([header], delimiter=delimiter))
    except csv.Error as error:  # a first line longer than any header
        raise ExtractError(f"{path} cannot be read as a CSV table: {error}. Download the file again.") from None
    return Header(_names(path, names), delimiter)


def _names(path: Path, header: Iterable[str]) -> tuple[str, ...]:
    names = [name.strip().lower() or f"unnamed {i}" for i, name in enumerate(header)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExtractError(f"{path} has two columns named {', '.join(twice)}; rename or remove one.")
    return tuple(names)


def damaged(files: Iterable[Path]) -> Path | None:
    """The first of these gzip files that cannot be unpacked to its end; None where all can."""
    for path in files:
        try:
            with gzip.open(path, "rb") as file:
                while file.read(CHUNK):
                    pass
        except (OSError, EOFError, zlib.error):
            return path
    return None
