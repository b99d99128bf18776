"""Keys and numbers that cannot be read in the tables that are read whole, and persons of whom too little is known.

A row with such a key belongs to nobody, and one with such a number says nothing: both are counted. Values of streams
are counted where they are read (`readings`), most times where they are used.
"""

from __future__ import annotations

from core.cohort.extract.concepts import Kind
from core.cohort.extract.readings import NO_VALUE
from core.cohort.extract.work import Work, shape

# Whole numbers in MIMIC-IV.
KEYS = ("subject_id", "hadm_id", "stay_id", "itemid", "anchor_age", "anchor_year", "icd_version")
TIMES = {  # of MIMIC-IV's tables, beside those that are counted where they are used
    "admissions": ("deathtime", "dischtime"),
    "microbiologyevents": ("chartdate", "charttime"),
    "emar": ("charttime",),
}
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
            rows, example = int(row[1 + 2 * i]), shape(str(row[2 + 2 * i] or ""))
            written = f" (written like '{example}')" if example.strip() else ""
            said = f"have no {name} that can be read{written}; it is taken as missing"
            work.lose(rows, int(row[0]), f"rows of {table}", said)


def _columns(work: Work, table: str) -> dict[str, str]:
    """SQL by column of a table: whether it cannot be read. A number may be missing, a key may not."""
    described = work.concepts.tables[table]
    kinds: dict[str, Kind] = dict.fromkeys(KEYS, "ident") if work.concepts.database in OF_NUMBERS else {}
    kinds |= dict.fromkeys(TIMES.get(table, ()), "moment")
    kinds |= {name: kind for name, kind in described.parsed.items() if kind != "moment"}
    names = [name for name in (*described.required, *described.optional) if name in work.found[table]]
    written = {name: "true" if name in KEYS else f"lower(trim({name})) NOT IN {NO_VALUE}" for name in names}
    return {
        name: f"{work.read(table, name, kinds[name])} IS NULL AND {written[name]}" for name in names if name in kinds
    }


def tell_persons(work: Work) -> None:
    """Note the stays of persons without an age or a sex that can be read."""
    row = work.db.execute("""SELECT count(*), count(*) FILTER (age IS NULL), count(*) FILTER (gender IS NULL)
                             FROM stay""").fetchone()
    assert row is not None
    total, ageless, other = map(int, row)
    work.lose(ageless, total, "stays", "are of persons without an age that can be read; they are left out")
    work.lose(other, total, "stays", "are of persons recorded as neither male nor female; their gender is missing")
