"""Keys and numbers that cannot be read in the tables that are read whole, and persons of whom too little is known.

What stands there is written, but is no number, so that its row belongs to nobody or says nothing: it is counted. Values
of streams are counted where they are read (`readings`), times where they are used.
"""

from __future__ import annotations

from core.cohort.extract.readings import NO_VALUE
from core.cohort.extract.work import Work, shape

KEYS = ("subject_id", "hadm_id", "stay_id", "anchor_age", "anchor_year", "icd_version")  # whole numbers in MIMIC-IV
OF_NUMBERS = ("mimic-iv", "meds")  # databases whose keys are numbers


def tell_unread(work: Work) -> None:
    """Note the rows of each table, but those of streams, that have a key or a number that cannot be read."""
    streamed = {stream.table for stream in work.concepts.streams.values()}
    for table in work.found:
        read = {} if table in streamed else _columns(work, table)
        if not read:
            continue
        counts = ", ".join(f"count(*) FILTER ({odd}), min({name}) FILTER ({odd})" for name, odd in read.items())
        row = work.db.execute(f"SELECT count(*), {counts} FROM raw_{table}").fetchone()
        assert row is not None
        for i, name in enumerate(read):
            rows, example = row[1 + 2 * i], row[2 + 2 * i]
            said = f"have a {name} that is no number (written like '{shape(str(example))}'); it is taken as missing"
            work.lose(int(rows), int(row[0]), f"rows of {table}", said)


def _columns(work: Work, table: str) -> dict[str, str]:
    """SQL by column of a table: whether something is written there that cannot be read."""
    described = work.concepts.tables[table]
    kinds = dict.fromkeys(KEYS, "ident") if work.concepts.database in OF_NUMBERS else {}
    kinds |= {name: kind for name, kind in described.parsed.items() if kind != "moment"}
    names = [name for name in (*described.required, *described.optional) if name in work.found[table]]
    return {
        name: f"{work.read(table, name, kinds[name])} IS NULL AND lower(trim({name})) NOT IN {NO_VALUE}"
        for name in names
        if name in kinds
    }


def tell_persons(work: Work) -> None:
    """Note the stays of persons without an age or a sex that can be read."""
    row = work.db.execute("""SELECT count(*), count(*) FILTER (age IS NULL), count(*) FILTER (gender IS NULL)
                             FROM stay""").fetchone()
    assert row is not None
    total, ageless, other = map(int, row)
    work.lose(ageless, total, "stays", "are of persons without an age that can be read; they are left out")
    work.lose(other, total, "stays", "are of persons recorded as neither male nor female; their gender is missing")
