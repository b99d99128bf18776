"""Times that carry a zone, or no hour: by which rule they were read is told, where a source has such.

A time with a zone is taken as universal time, one without as it stands, and a day alone as its midnight. A column is
written in one way as a rule, so that its first rows tell.
"""

from __future__ import annotations

from core.cohort.extract.work import Work, plain_time

FIRST = 10_000  # rows of a table that are looked at
ENDINGS = ("time", "_dttm")  # of the names of columns that hold times of day


def clocks(work: Work) -> tuple[str, ...]:
    """Sentences on the columns whose times carry a zone, beside those that carry none, and those that hold days."""
    zoned, bare, said = [], [], []
    for table in work.found:
        for column in _columns(work, table):
            rows, of_zone, of_day = _seen(work, table, column)
            if of_zone:
                zoned.append(f"{table}.{column}")
            if of_zone < rows:
                bare.append(f"{table}.{column}")
            if of_day:
                said.append(f"Rows of {table} have a {column} that is a day without an hour: it is its midnight.")
    if zoned and bare:
        said.append(
            f"Times with a zone are taken as universal time: {', '.join(zoned)}. Those of {', '.join(bare)} carry none "
            f"and are taken as they stand: hours between the two are wrong where they are not universal time."
        )
    elif zoned:
        said.append("All times carry a zone and are taken as universal time.")
    return tuple(said)


def _columns(work: Work, table: str) -> list[str]:
    described = work.concepts.tables[table]
    there = work.found[table]
    return [name for name in (*described.required, *described.optional) if name.endswith(ENDINGS) and name in there]


def _seen(work: Work, table: str, column: str) -> tuple[int, int, int]:
    """Of the first rows with a time: how many, with a zone, without an hour. What a copy holds as read is plain."""
    row = work.db.execute(f"""
        SELECT count(*) FILTER (WHERE written <> '' OR time IS NOT NULL),
               count(*) FILTER (WHERE time IS NOT NULL AND length(written) > 10 AND NOT {plain_time("written")}
                                AND regexp_matches(written, '(Z|[+-][0-9:]+|[A-Za-z/_]+)$')),
               count(*) FILTER (WHERE time IS NOT NULL AND length(written) BETWEEN 1 AND 10)
        FROM (SELECT coalesce(trim("{column}"), '') AS written, {work.read(table, column, "moment")} AS time
              FROM raw_{table} LIMIT {FIRST})""").fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])
