"""What the parts of one extraction share: the open database, the settings, and what was lost on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.base.errors import ExtractError
from core.cohort.extract.concepts import Concepts, Kind
from core.cohort.extract.options import ExtractOptions, Window
from core.cohort.extract.wanted import read_column
from core.cohort.extract.watch import Watch
from core.study import StudySpec

if TYPE_CHECKING:
    import duckdb

LONGEST_SHAPE = 20  # characters
MOST_UNREADABLE = 0.5  # of a table's times; above this the table is in another format, and no cohort comes from it


@dataclass
class Work:
    """One extraction under way. Tables of the database between its parts (hours count from admission to the unit):

    stay       stay_id, subject_id, hadm_id, intime, los, leave, age, gender, weight, height, coded, died, death, fault
    candidate  the stays whose values are read: stay_id, subject_id, hadm_id, intime, from_h, to_h
    recorded   stay_id, subject_id, concept, h, value, rank, plausible, tube: as they stand in the source, in its order
    reading    the same with one value a minute (a view: for few concepts or few stays)
    measured   the readings of some stays, `running`, `drained` and `supported` their drugs, output and ventilation
    entry      drugs and fluids given: stay_id, agent, kind, s, e, amount, amount_unit, rate, rate_unit, weight
    output     stay_id, h, ml, urine          ventilation  stay_id, s, e, kind
    selected   the stays of the cohort, with `origin`, their onset
    """

    db: duckdb.DuckDBPyConnection
    concepts: Concepts
    options: ExtractOptions
    study: StudySpec
    window: Window
    found: dict[str, set[str]]  # columns of each table that is there
    watch: Watch = field(default_factory=Watch)
    clocks: tuple[str, ...] = ()  # what there is to say of zones and of days without an hour
    losses: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    implausible: dict[str, int] = field(default_factory=dict)

    def read(self, table: str, column: str, kind: Kind) -> str:
        """SQL: a column of a source's table as `kind`; a columnar copy holds it so, other sources as text."""
        held = read_column(column, kind)
        return f'"{held}"' if held in self.found.get(table, ()) else PARSERS[kind](column)

    def number(self, sql: str) -> int:
        """The single number that a query yields."""
        row = self.db.execute(sql).fetchone()
        return int(row[0] or 0) if row else 0

    def lose(self, rows: int, of: int, what: str, reason: str) -> None:
        """Note that `rows` of `of` were lost, where any were."""
        if rows:
            self.losses.append(f"{rows:,} of {of:,} {what} {reason}.")

    def unreadable(self, rows: int, of: int, table: str, column: str, example: object = "") -> None:
        """Note times that cannot be read; `ExtractError` where they are most of the table."""
        given = f" (written like '{shape(str(example))}')" if example else ""
        said = f"{rows:,} of {of:,} rows of {table} have a {column} that cannot be read{given}"
        if rows > MOST_UNREADABLE * of:
            raise ExtractError(
                f"{said}; times are written YYYY-MM-DD HH:MM:SS. Write them so, or download the table again."
            )
        if rows:
            self.losses.append(f"{said}; they are left out.")


def shape(text: str) -> str:
    """How something is written, and not what: digits become 9, letters a.

    Notes leave with the cohort and its report, and what stands where a number or time should be may be a person's.
    """
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))[:LONGEST_SHAPE]


# A cast passes over spaces around what it reads by itself; trim takes twice the time of the cast.


def ident(column: str) -> str:
    """SQL: a whole number, also where it is written 220045.0; NULL where it is none."""
    return f"TRY_CAST({column} AS BIGINT)"


def moment(column: str) -> str:
    """SQL: a time; NULL where it cannot be read. One with a zone becomes universal time, a day alone its midnight.

    A cast to TIMESTAMP would pass over the zone; one that heeds it takes five times as long, and is for other times
    than plain ones.
    """
    zoned = f"CAST(TRY_CAST(trim({column}) AS TIMESTAMPTZ) AS TIMESTAMP)"  # the session's own zone is UTC
    short = f"WHEN {plain_time(column)} THEN TRY_CAST({column} AS TIMESTAMP)"
    return f"CASE {short} WHEN isfinite({zoned}) THEN {zoned} END"


def plain_time(column: str) -> str:
    """SQL: whether a time is written as releases write it, YYYY-MM-DD HH:MM:SS, without a zone."""
    return f"(length({column}) < 20 AND {column} LIKE '%:__:__')"


def number(column: str) -> str:
    """SQL: a number; NULL where it is none, or not finite."""
    value = f"TRY_CAST({column} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def flag(column: str) -> str:
    """SQL: whether a column says yes: 1, 1.0, true, t, yes or y; false where it says nothing."""
    return f"coalesce(regexp_matches(lower(trim({column})), '^(1(\\.0*)?|t|true|y|yes)$'), false)"


def code_of(column: str) -> str:
    """SQL: a code as text, without spaces around it, 220045.0 as 220045."""
    odd = f"contains({column}, ' ') OR contains({column}, '.')"
    return f"CASE WHEN {odd} THEN regexp_replace(trim({column}), '\\.0+$', '') ELSE {column} END"


PARSERS: dict[Kind, Callable[[str], str]] = {"ident": ident, "moment": moment, "number": number}


def hours(time: str, since: str) -> str:
    """SQL: hours between two times."""
    return f"((epoch({time}) - epoch({since})) / 3600)"
