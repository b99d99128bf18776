"""Timed values of the candidates: one scan a stream, codes to concepts, units converted, plausible or not."""

from __future__ import annotations

import math
from collections.abc import Iterable

from core.cohort.extract.concepts import Concept, Stream
from core.cohort.extract.relation import text, texts
from core.cohort.extract.wanted import spelled
from core.cohort.extract.work import Work, hours, ident, moment, number
from core.study import StudySpec

ANY = 1e9
TUBE = "no response-ett"  # a verbal response that a tube prevents


def prepare(work: Work) -> None:
    """Tables `selector` (what each code means) and an empty `reading`."""
    work.db.execute("""CREATE TABLE selector (stream VARCHAR, code VARCHAR, concept VARCHAR, factor DOUBLE, shift
    DOUBLE,
                       fraction BOOLEAN, rank INTEGER, low DOUBLE, high DOUBLE, above DOUBLE, static BOOLEAN,
                       worst VARCHAR)""")
    for name, concept in work.concepts.concepts.items():
        low, high = plausible(name, concept, work.study)
        above = -math.inf if concept.above is None else concept.above
        for source in concept.sources:
            for code in spelled(source.codes):
                row = [source.stream, code, name, source.factor, source.offset, source.fraction, source.rank]
                row += [low, high, above, concept.static, concept.aggregate]
                work.db.execute("INSERT INTO selector VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    work.db.execute("""
        CREATE TABLE reading AS
        SELECT stay_id, subject_id, NULL::VARCHAR AS concept, NULL::DOUBLE AS h, NULL::DOUBLE AS value, 0 AS rank,
               false AS plausible, false AS tube FROM stay WHERE false""")


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


def read_streams(work: Work, names: Iterable[str], who: str, platelets_of_all: bool = False) -> None:
    """Add the values of these streams to `reading`, for the stays of table `who` within their from_h and to_h.

    Of several values of one minute the mean counts, the worst one of a concept that is summed up by its worst.
    platelets_of_all: platelets of every stay of the source are read as well, for its counts.
    """
    for name in names:
        stream = work.concepts.streams[name]
        if stream.table not in work.found:
            continue
        work.watch.at(f"reading {stream.table}", work.number("SELECT count(*) FROM reading"))
        _stage(work, name, stream, who, platelets_of_all)
        _check_times(work, stream)
        work.db.execute("""
            INSERT INTO reading
            SELECT stay_id, subject_id, concept, h,
                   CASE any_value(worst) WHEN 'max' THEN max(value) WHEN 'min' THEN min(value) ELSE avg(value) END,
                   rank, value BETWEEN low AND high AND value > above, bool_or(tube)
            FROM (SELECT * REPLACE (CASE WHEN fraction AND value > 0 AND value <= 1 THEN 100 * value
                                         ELSE value * factor + shift END AS value) FROM staged)
            WHERE h IS NOT NULL OR static GROUP BY ALL
        """)
        work.db.execute("DROP TABLE staged")


def count_implausible(work: Work) -> None:
    """How many values each state column lost to its plausible range."""
    rows = work.db.execute("""SELECT concept, count(*) FROM reading WHERE NOT plausible AND stay_id IN
                              (SELECT stay_id FROM candidate) GROUP BY concept ORDER BY concept""").fetchall()
    work.implausible.update({name: int(count) for name, count in rows if name in work.study.names})


def _stage(work: Work, name: str, stream: Stream, who: str, platelets_of_all: bool) -> None:
    """Table `staged`: the stream's wanted values that are numbers, in hours from admission to the unit."""
    key = stream.column or stream.key
    kind = work.db.execute(f"SELECT typeof(any_value({stream.key})) FROM stay").fetchall()[0][0]
    keyed = ident(key) if kind == "BIGINT" else f"trim({key})"
    clock = {"timestamp": hours("t", "who.intime"), "minutes": "t / 60", "seconds": "t / 3600"}[stream.clock]
    if stream.delay:  # no later than discharge, where the hour was charted before it
        clock = f"greatest(least({clock} + {stream.delay}, who.los - 0.01), {clock})"
    parsed = moment(stream.time) if stream.clock == "timestamp" else number(stream.time)
    person = "subject_id" if "subject_id" in work.found[stream.table] and stream.key == "stay_id" else "NULL"
    someone = ident("person") if person != "NULL" else "NULL"
    everyone = "OR (concept = 'Platelets')" if platelets_of_all else ""
    statics = f"OR (static AND {someone} IN (SELECT subject_id FROM {who}))" if person != "NULL" else ""
    work.db.execute(f"""
        CREATE TABLE staged AS
        SELECT who.stay_id, coalesce(who.subject_id, {someone}) AS subject_id, concept,
               {clock} AS h, t IS NULL AS timeless, written, value, tube, factor, shift, fraction, rank,
               low, high, above, static, worst
        FROM (SELECT *, {keyed} AS id FROM ({_rows(work, name, stream, parsed, person)})) AS raw
        JOIN (SELECT * FROM selector WHERE stream = {text(name)}) USING (code)
        LEFT JOIN {"stay" if platelets_of_all else who} AS who ON who.{stream.key} = raw.id
        WHERE value IS NOT NULL AND ((who.stay_id IS NOT NULL AND (h IS NULL OR (h >= who.from_h AND h < who.to_h))
              AND (who.stay_id IN (SELECT stay_id FROM {who}) {everyone})) {statics})
    """)


def _rows(work: Work, name: str, stream: Stream, parsed: str, person: str) -> str:
    """SQL: rows of a stream as key, person, code, t (parsed), written (as it stands), value, tube."""
    key = stream.column or stream.key
    codes = [
        code for (code,) in work.db.execute("SELECT DISTINCT code FROM selector WHERE stream = ?", [name]).fetchall()
    ]
    if not stream.code:  # one column a concept
        held = [code for code in codes if code in work.found[stream.table]]
        return " UNION ALL ".join(
            f"SELECT {key}, NULL AS person, {text(code)} AS code, {parsed} AS t, {stream.time} AS written, "
            f"{number(f'{chr(34)}{code}{chr(34)}')} AS value, false AS tube "
            f'FROM raw_{stream.table} WHERE "{code}" IS NOT NULL'
            for code in held
        )
    tube = f"lower({stream.text}) LIKE '{TUBE}%'" if stream.text else "false"
    value = f"coalesce({number(stream.value)}, CASE WHEN {tube} THEN 1 END)"
    filled = f"({stream.value} IS NOT NULL OR coalesce({tube}, false))"
    return f"""SELECT {key}, {person} AS person, {stream.code} AS code, {parsed} AS t, {stream.time}
        AS written,
                      {value} AS value, coalesce({tube}, false) AS tube
               FROM raw_{stream.table} WHERE {stream.code} IN ({texts(codes)}) AND {filled}"""


def _check_times(work: Work, stream: Stream) -> None:
    row = work.db.execute("""SELECT count(*) FILTER (WHERE timeless), count(*), any_value(written)
        FILTER (WHERE timeless)
                             FROM staged WHERE stay_id IS NOT NULL""").fetchone()
    assert row is not None
    work.unreadable(int(row[0]), int(row[1]), stream.table, stream.time, row[2] or "")
