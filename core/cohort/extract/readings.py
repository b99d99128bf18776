"""Timed values of the candidates: one scan a stream, codes to concepts, units converted, plausible or not.

They are kept in the order in which they are read, which in the releases is by person: what asks for a few persons then
reads a small part of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from core.cohort.extract.concepts import Concept, Stream
from core.cohort.extract.relation import text, texts
from core.cohort.extract.work import Work, code_of, hours, number, shape
from core.study import StudySpec

ANY = 1e9
# What the SOFA score of an hour needs.
SCORED = (
    "MBP", "Platelets", "Bilirubin", "Creatinine", "fluid removed", "PaO2", "FiO2", "GCS eye", "GCS verbal",
    "GCS motor", "HR", "urine", "ventilator setting", "Weight",
)  # fmt: skip
NO_VALUE = "('', 'na', 'n/a', 'nan', 'null', 'none', '.', '___')"  # what stands for a value that is missing
KEYLESS = "stay_id IS NULL AND subject_id IS NULL"  # of rows of `recorded`: what says whose they are cannot be read
TUBE = "no response-ett"  # a verbal response that a tube prevents


def prepare(work: Work) -> None:
    """Tables `selector` (what each code means) and an empty `recorded`; view `reading`."""
    concepts = work.concepts.concepts
    work.db.execute(f"CREATE TYPE concept AS ENUM ({texts(list(concepts))})")
    work.db.execute("""CREATE TABLE selector (stream VARCHAR, code VARCHAR, concept concept, factor DOUBLE,
                       shift DOUBLE, fraction BOOLEAN, rank TINYINT, low DOUBLE, high DOUBLE, above DOUBLE)""")
    for name, concept in concepts.items():
        low, high = plausible(name, concept, work.study)
        above = -math.inf if concept.above is None else concept.above
        for source in concept.sources:
            for code in source.codes:
                row = [source.stream, code, name, source.factor, source.offset, source.fraction, source.rank]
                work.db.execute("INSERT INTO selector VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [*row, low, high, above])
    work.db.execute("""
        CREATE TABLE recorded AS
        SELECT stay_id, subject_id, NULL::concept AS concept, NULL::DOUBLE AS h, NULL::DOUBLE AS value,
               0::TINYINT AS rank, false AS plausible, false AS tube FROM stay WHERE false""")
    work.db.execute(f"CREATE VIEW reading AS {once_a_minute(work, 'recorded')}")


def once_a_minute(work: Work, rows: str) -> str:
    """SQL: of several values of one minute the mean, the worst one of a concept that is summed up by its worst.

    rows: SQL for rows of `recorded`.
    """
    summed = {"max": "''", "min": "''"}
    for how in summed:
        summed[how] = texts([name for name, c in work.concepts.concepts.items() if c.aggregate == how])
    return f"""
        SELECT stay_id, subject_id, concept, h,
               CASE WHEN concept IN ({summed["max"]}) THEN max(value) WHEN concept IN ({summed["min"]}) THEN min(value)
                    ELSE avg(value) END AS value, rank, plausible, bool_or(tube) AS tube
        FROM {rows} GROUP BY stay_id, subject_id, concept, h, rank, plausible"""


def plausible(name: str, concept: Concept, study: StudySpec) -> tuple[float, float]:
    """The narrower of the concept's range and the study's."""
    low, high = concept.range or (-ANY, ANY)
    if name in study.names:
        column = study.column(name).plausible
        low, high = max(low, column[0]), min(high, column[1])
    return low, high


def streams_of(work: Work, concept: str) -> tuple[str, ...]:
    """Names of the streams that measure a concept."""
    return tuple(dict.fromkeys(source.stream for source in work.concepts.concepts[concept].sources))


def read_streams(work: Work, names: Iterable[str], of_all: bool = False) -> None:
    """Add the values of these streams to `recorded`, for the candidates within their from_h and to_h.

    of_all: platelets of every stay of the source are read as well, for its counts.
    """
    for name in names:
        stream = work.concepts.streams[name]
        if stream.table not in work.found:
            continue
        before, untimed, _, _ = _kept(work)
        work.watch.at(f"reading {stream.table}", before)
        work.db.execute(f"INSERT INTO recorded {_wanted(work, name, stream, of_all)}")
        after, timeless, unread, keyless = _kept(work)
        if after == before and work.number("SELECT count(*) FROM candidate"):
            _tell_nothing(work, stream)
        if keyless:
            said = f"have no {_key(stream)} that can be read; they are left out"
            work.lose(keyless, keyless + after - before, f"rows of {stream.table}", said)
            work.db.execute(f"DELETE FROM recorded WHERE {KEYLESS}")
        if unread:
            _tell_unread(work, stream, unread, after - before)
            work.db.execute("DELETE FROM recorded WHERE value IS NULL")
        if timeless > untimed:
            _tell_timeless(work, name, stream, timeless - untimed, after - before)
            work.db.execute(f"DELETE FROM recorded WHERE h IS NULL AND NOT coalesce({_static(work)}, false)")


def _kept(work: Work) -> tuple[int, int, int, int]:
    """Values of stays kept so far; of them those without a time, and those without a number, to be read; and values
    that are nobody's, their key being none."""
    row = work.db.execute(f"""SELECT count(stay_id), count(stay_id) FILTER (WHERE h IS NULL),
                                     count(stay_id) FILTER (WHERE value IS NULL), count(*) FILTER (WHERE {KEYLESS})
                              FROM recorded""").fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def _key(stream: Stream) -> str:
    """The column that says whose a value is."""
    return stream.column or stream.key


def _tell_nothing(work: Work, stream: Stream) -> None:
    """A table that yields nothing at all is a fault that must not pass for a quiet ward."""
    rows = work.number(f"SELECT count(*) FROM raw_{stream.table}")
    if rows:
        work.lose(rows, rows, f"rows of {stream.table}", "hold no wanted code, or are of no stay that may enter")
    else:
        work.losses.append(f"{stream.table} has no rows.")


def _tell_unread(work: Work, stream: Stream, unread: int, total: int) -> None:
    """Values that are no numbers, and how one of them is written."""
    row = work.db.execute(f"SELECT min({stream.value}) FROM raw_{stream.table} WHERE {_unread(work, stream)}")
    reason = f"have a {stream.value} that is no number (written like '{shape(str(row.fetchall()[0][0]))}')"
    work.lose(unread, total, f"rows of {stream.table}", f"{reason}; they are left out")


def _unread(work: Work, stream: Stream) -> str:
    """SQL: whether something is written where a number should be."""
    value = work.read(stream.table, stream.value, "number")
    return f"({value} IS NULL AND coalesce(lower(trim({stream.value})), '') NOT IN {NO_VALUE})"


def _tell_timeless(work: Work, name: str, stream: Stream, timeless: int, total: int) -> None:
    written = work.db.execute(f"""SELECT any_value({stream.time}) FROM raw_{stream.table}
                                  WHERE {_time(work, stream)} IS NULL""").fetchall()[0][0]
    work.unreadable(timeless, total, stream.table, stream.time, written or "")


def _static(work: Work) -> str:
    """SQL: whether a concept stays the same, so that it needs no time."""
    return f"concept IN ({texts([name for name, concept in work.concepts.concepts.items() if concept.static])})"


def count_implausible(work: Work) -> None:
    """How many values each state column lost to its plausible range."""
    refused = "(SELECT * FROM recorded WHERE NOT plausible AND stay_id IN (SELECT stay_id FROM candidate))"
    rows = work.db.execute(f"""SELECT concept::VARCHAR AS name, count(*) FROM ({once_a_minute(work, refused)})
                               GROUP BY name ORDER BY name""").fetchall()
    work.implausible.update({name: int(count) for name, count in rows if name in work.study.names})


def _wanted(work: Work, name: str, stream: Stream, of_all: bool) -> str:
    """SQL: the stream's wanted values that are numbers, in hours from admission to the unit, as rows of `recorded`.

    Of a candidate that is not `whole` only what the SOFA score needs is wanted; what stays the same, from other stays
    of the person as well.
    """
    clock = {"timestamp": hours("t", "who.intime"), "minutes": "t / 60", "seconds": "t / 3600"}[stream.clock]
    if stream.delay:  # no later than discharge, where the hour was charted before it
        clock = f"greatest(least({clock} + {stream.delay}, who.los - 0.01), {clock})"
    person = _person(work, stream)
    whose = f"wanted AND (whole OR {_static(work)} OR concept IN ({texts(SCORED)}))"
    everyone = "OR concept = 'Platelets'" if of_all else ""
    elsewhere = f"OR ({_static(work)} AND person IN (SELECT subject_id FROM candidate))" if person else ""
    return f"""
        SELECT stay_id, CASE WHEN id IS NOT NULL THEN coalesce(subject_id, person) END, concept, h, value, rank,
               value BETWEEN low AND high AND value > above, tube
        FROM (SELECT id, who.stay_id, who.subject_id, person, concept, {clock} AS h, rank, low, high, above, tube,
                     CASE WHEN fraction AND raw.value > 0 AND raw.value <= 1 THEN 100 * raw.value
                          ELSE raw.value * factor + shift END AS value,
                     (h IS NULL OR (h >= from_h AND h < to_h)) AND (({whose}) {everyone}) AS inside
              FROM ({_rows(work, name, stream, person or "NULL")}) AS raw
              JOIN (SELECT * FROM selector WHERE stream = {text(name)}) USING (code)
              LEFT JOIN {"stay" if of_all else "candidate"} AS who ON who.{stream.key} = id
              WHERE raw.value IS NOT NULL OR raw.unread)
        WHERE (stay_id IS NOT NULL AND inside) {elsewhere} OR id IS NULL"""


def _person(work: Work, stream: Stream) -> str:
    """SQL: whose value it is, beside the stay that it is recorded for; "" where the table does not say."""
    if stream.key != "stay_id" or "subject_id" not in work.found[stream.table]:
        return ""
    return work.read(stream.table, "subject_id", "ident")


def _time(work: Work, stream: Stream) -> str:
    return work.read(stream.table, stream.time, "moment" if stream.clock == "timestamp" else "number")


def _rows(work: Work, name: str, stream: Stream, person: str) -> str:
    """SQL: rows of a stream as id, person, code, t, value, tube, and whether what stands there is no number."""
    key = _key(stream)
    kind = work.db.execute(f"SELECT typeof(any_value({stream.key})) FROM stay").fetchall()[0][0]
    keyed = work.read(stream.table, key, "ident") if kind == "BIGINT" else f"nullif(trim({key}), '')"
    first = f"SELECT {keyed} AS id, {person} AS person, {_time(work, stream)} AS t"
    codes = [code for source in _sources(work, name).values() for code in source]
    if not stream.code:  # one column a concept
        return " UNION ALL ".join(
            f"{first}, {text(code)} AS code, {number(f'{chr(34)}{code}{chr(34)}')} AS value, false AS tube, "
            f'false AS unread FROM raw_{stream.table} WHERE "{code}" IS NOT NULL'
            for code in dict.fromkeys(codes)
            if code in work.found[stream.table]
        )
    verbal = texts(_sources(work, name).get("GCS verbal", []))
    code = code_of(stream.code)
    tube = f"CASE WHEN {code} IN ({verbal}) THEN lower({stream.text}) LIKE '{TUBE}%' ELSE false END"
    tube = f"coalesce({tube}, false)" if stream.text else "false"
    value = work.read(stream.table, stream.value, "number")
    return f"""SELECT *, coalesce(recorded, CASE WHEN tube THEN 1 END) AS value, unread AND NOT tube AS unread
               FROM ({first}, {code} AS code, {value} AS recorded, {tube} AS tube,
                            {_unread(work, stream)} AS unread
                     FROM raw_{stream.table} WHERE {code} IN ({texts(codes)}))"""


def _sources(work: Work, stream: str) -> dict[str, list[str]]:
    """Codes of each concept in a stream."""
    return {
        name: [code for source in concept.sources if source.stream == stream for code in source.codes]
        for name, concept in work.concepts.concepts.items()
    }
