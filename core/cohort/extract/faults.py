"""An error of the database engine in words: which table it is about, where, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from core.base.errors import ExtractError
from core.cohort.extract.dialect import damaged

FILE = re.compile(r"^\s*file = (.+)$", re.MULTILINE)
LINE = re.compile(r"CSV Error on Line: (\d+)")
COLUMNS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
NOT_UTF8 = re.compile(r"utf-?8|unicode|encod", re.IGNORECASE)
GZIP = re.compile(r"gzip", re.IGNORECASE)


def not_utf8(message: str, names: Iterable[str]) -> frozenset[str]:
    """Which of these files the engine found not to be UTF-8, from its message."""
    return frozenset(name for name in names if name in message) if NOT_UTF8.search(message) else frozenset()


def in_words(error: Exception, source: str, files: Iterable[Path], at: str) -> ExtractError:
    """What to tell of an error of the engine. files: of the source, to find a damaged one; at: what was being done."""
    message = str(error)
    if LINE.search(message):
        return ExtractError(f"{bad_line(message)} Download the table again, or write that row anew.")
    if GZIP.search(message):
        broken = damaged(path for path in files if path.suffix == ".gz")
        if broken is not None:
            return ExtractError(f"{broken} is damaged: it cannot be unpacked to its end. Download the file again.")
    return ExtractError(f"{source} cannot be extracted ({at}): {message.splitlines()[0]}")


def bad_line(message: str, label: str = "", before: int = 0) -> str:
    """A sentence on a line that is no row. label: the table, in place of the file that was read; before: lines of it
    that came before."""
    file, line, columns = FILE.search(message), LINE.search(message), COLUMNS.search(message)
    if columns:
        why = f"it has {columns[2]} columns where the header has {columns[1]}"
    else:
        why = "a quotation mark is not closed" if "unterminated quote" in message else "it does not fit the header"
    where = label or (file[1] if file else "a table")
    at = before + int(line[1]) if line else before
    return f"{where} has a row that cannot be read, at about line {at:,}: {why}."
