"""A table of an EHR database where it lies, and the SQL that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.cohort.extract.wanted import Wanted


@dataclass(frozen=True)
class Csv:
    """A CSV file, compressed or not: the names in its header, how its text is encoded, what parts its columns."""

    path: Path
    names: tuple[str, ...]
    latin: bool = False
    delimiter: str = ","

    def rows(self, path: Path | None = None) -> str:
        """SQL that yields its rows as text; path: a file of some of its lines, without the header."""
        columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in self.names)
        encoding = "latin-1" if self.latin else "utf-8"
        return (
            f"read_csv({text(str(path or self.path))}, columns={{{columns}}}, header={str(path is None).lower()}, "
            f"auto_detect=false, delim={text(self.delimiter)}, quote='\"', encoding='{encoding}')"
        )


def _lies_ready() -> None:
    """What most tables need before they are read."""


@dataclass(frozen=True)
class Relation:
    """A table where it lies: SQL that yields its rows, its columns by lower-case name, and the name to call it by.

    file: what holds it on this machine. csv: how, where it is one CSV file. fetch: call it before the SQL is used.
    """

    sql: str
    columns: Mapping[str, str]
    label: str
    file: Path | None = None
    csv: Csv | None = None
    fetch: Callable[[], None] = _lies_ready

    def select(self, names: Iterable[str], rows: str = "", as_is: Iterable[str] = ()) -> str:
        """SQL: these columns as text, NULL where the table has none; rows: other SQL that yields rows of the table.

        as_is: columns that are not made text, and left out where the table has none.
        """
        fields = [
            f'CAST("{self.columns[name]}" AS VARCHAR) AS "{name}"'
            if name in self.columns
            else f'NULL::VARCHAR AS "{name}"'
            for name in names
        ]
        fields += [f'"{name}"' for name in as_is if name in self.columns]
        return f"SELECT {', '.join(fields)} FROM {rows or self.sql}"


class Source(Protocol):
    """Where tables lie; `label` names it in messages, `looked_for` what a table was looked for as.

    side_by_side: whether several tables can be fetched at once.
    """

    @property
    def side_by_side(self) -> bool: ...

    @property
    def label(self) -> str: ...

    def looked_for(self, folder: str, name: str) -> str: ...

    def find(self, folder: str, name: str, need: Wanted) -> Relation | None:
        """The table, or None; a source from afar fetches no more than `need`."""
        ...


class Schemas:
    """The tables of a database with schemas: named as the folders of a release, or mimiciv_hosp, main, public."""

    def __init__(self, columns: Iterable[tuple[str, str, str]]) -> None:
        """columns: schema, table and name of every column."""
        self._columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in columns:
            self._columns.setdefault((schema, table), []).append(column)

    def find(self, folder: str, name: str) -> tuple[str, str, list[str]] | None:
        """Schema, table and columns as they are spelled."""
        for (schema, table), columns in self._columns.items():
            if table.lower() == name.lower() and _serves(schema, folder):
                return schema, table, columns
        return None


def _serves(schema: str, folder: str) -> bool:
    return schema.lower() in (folder, "main", "public") or (bool(folder) and schema.lower().endswith(f"_{folder}"))


def hidden(source: str | Path) -> str:
    """The source without a password."""
    return re.sub(r"//[^@/]*@", "//", str(source))


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: tuple[str, ...] | list[str]) -> str:
    """A SQL list of string literals; one that fits nothing where there are none."""
    return ", ".join(map(text, values)) or "NULL"
