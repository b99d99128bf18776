"""A table of an EHR database where it lies, and the SQL that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Relation:
    """A table where it lies: SQL that yields its rows, its columns by lower-case name, and the name to call it by."""

    sql: str
    columns: Mapping[str, str]
    label: str


class Source(Protocol):
    """Where tables lie; `label` names it in messages, `looked_for` what a table is called there."""

    @property
    def label(self) -> str: ...

    @property
    def looked_for(self) -> str: ...

    def find(self, folder: str, name: str) -> Relation | None:
        """The table, or None."""
        ...


def serves(schema: str, folder: str) -> bool:
    """Whether a schema stands for a folder of the release: hosp, mimiciv_hosp, main or public."""
    return schema.lower() in (folder, "main", "public") or (bool(folder) and schema.lower().endswith(f"_{folder}"))


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: tuple[str, ...] | list[str]) -> str:
    """A SQL list of string literals; one that fits nothing where there are none."""
    return ", ".join(map(text, values)) or "NULL"
