"""What the columns of a cohort are in one database: concept -> stream, codes, unit, range and aggregate,
    from a TOML file.

The files lie in `data/concepts`, one a database. A concept that is a look-up stands there alone; what is none
(infusions
shared out over steps, oxygenation, coma scale, urine of a day, suspicion of infection) is code, and finds its codes
there.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import ConfigError
from core.base.shipped import shipped

CONCEPTS = shipped("concepts")
Kind = Literal["ident", "moment", "number"]


class Table(Config):
    """A table of the database: its folder or schema, the columns it must have, and those used where present."""

    folders: tuple[str, ...] = ("",)
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    may_lack: bool = False  # the whole table may be missing; it is then empty
    files: tuple[str, ...] = ()  # names the table may have instead of its own
    parsed: dict[str, Kind] = Field(default_factory=dict)  # columns that a columnar copy holds as read
    made: bool = False  # not read but made from other tables


class Stream(Config):
    """Timed values of a table, one a row (`code` names the column that says what) or one a column (`code` empty).

    clock: how the time is written: a date and time, or minutes or seconds since the admission to the unit.
    """

    table: str
    key: Literal["stay_id", "subject_id", "hadm_id"]
    column: str = ""  # the key's column where it has another name
    code: str = ""
    time: str
    value: str = ""
    text: str = ""
    clock: Literal["timestamp", "minutes", "seconds"] = "timestamp"
    delay: float = 0.0  # hours from the time given to when the value was known


class Selector(Config):
    """Codes of a stream and how their values become the concept's unit: factor * recorded + offset.

    fraction: values up to 1 are fractions and count as percent. rank: of the sources that measured in a step, those of
    the lowest rank are used.
    """

    stream: str
    codes: tuple[str, ...]
    factor: float = 1.0
    offset: float = 0.0
    fraction: bool = False
    rank: int = 0


class Concept(Config):
    """A measured quantity; values outside `range`, or not above `above`, are refused and counted."""

    sources: tuple[Selector, ...] = Field(alias="from")
    aggregate: Literal["mean", "last", "min", "max", "first", "median"] = "last"
    range: tuple[float, float] | None = None
    above: float | None = None
    static: bool = False


class Concepts(Config):
    """One database; build it with `load_concepts`."""

    schema_version: Literal[1]
    database: str
    layout: str
    remarks: tuple[str, ...] = ()  # what is particular to the database, told with every cohort
    outcome: Literal["days", "icu", "hospital"] = "days"
    tables: dict[str, Table]
    streams: dict[str, Stream]
    concepts: dict[str, Concept]
    heparin: dict[str, tuple[str, ...]]
    pressors: dict[str, tuple[str, ...]]
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    events: dict[str, str] = Field(default_factory=dict)  # code prefixes of a stream of events (MEDS)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, stream in self.streams.items():
            if stream.table not in self.tables:
                raise ValueError(f"stream '{name}' reads table '{stream.table}', which is not described")
        for name, concept in self.concepts.items():
            for source in concept.sources:
                if source.stream not in self.streams:
                    raise ValueError(f"concept '{name}' names stream '{source.stream}', which is not described")
        return self

    def group(self, name: str) -> tuple[str, ...]:
        """Codes of a named group, none where the database has no such thing."""
        return self.groups.get(name, ())


@cache
def load_concepts(name: str | Path) -> Concepts:
    """A shipped file by the database's name ("mimic-iv"), or any TOML file; `ConfigError` says what is wrong in it."""
    path = name if isinstance(name, Path) else CONCEPTS / f"{name.replace('-', '_')}.toml"
    values = _read(path)
    if "like" in values:
        values = _like(_read(CONCEPTS / f"{values.pop('like').replace('-', '_')}.toml"), values)
    try:
        return Concepts.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, f"concepts {path.name}")) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"concepts {path} cannot be read: {error}.") from None


def _like(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """One file on top of another, whose tables its reader makes from its own."""
    made = {name: {**table, "made": True} for name, table in base["tables"].items()}
    merged = {
        key: {**base[key], **values.get(key, {})} for key in ("streams", "concepts", "heparin", "pressors", "groups")
    }
    return {**base, **values, **merged, "tables": {**made, **values["tables"]}}
