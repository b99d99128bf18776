"""What an extraction needs of a table: its described columns, and of a table of codes only the concepts' rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.cohort.extract.concepts import Concepts, Kind


@dataclass(frozen=True)
class Wanted:
    """Columns by name, and where `code` names one, only the rows whose code is among `codes`.

    parsed: columns that a columnar copy holds as read, and what each is read as.
    """

    columns: tuple[str, ...]
    code: str = ""
    codes: tuple[str, ...] = ()
    parsed: Mapping[str, Kind] = field(default_factory=dict)


def read_column(column: str, kind: Kind) -> str:
    """Name of the column of a copy that holds what `column` was read as."""
    return f"{column} as {kind}"


def wanted(concepts: Concepts, table: str) -> Wanted:
    """What `table` must yield. The largest tables of a release are streams of codes, most of which no concept names."""
    described = concepts.tables[table]
    columns = (*described.required, *described.optional)
    streams = {name: stream.code for name, stream in concepts.streams.items() if stream.table == table}
    if len(set(streams.values())) != 1 or not all(streams.values()):
        return Wanted(columns, parsed=described.parsed)
    sources = [source for concept in concepts.concepts.values() for source in concept.sources]
    codes = {code for source in sources if source.stream in streams for code in source.codes}
    return Wanted(columns, next(iter(streams.values())), tuple(sorted(codes)), described.parsed)
