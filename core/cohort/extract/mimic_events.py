"""Measurements of the selected stays: unit conversion, plausible range, and one value per step.

All hours are relative to onset. Vital signs are the mean of a step, laboratory values the last of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cohort.extract import mimic_items as items
from core.cohort.extract.mimic_items import Signal
from core.cohort.extract.options import Window
from core.study import StudySpec

if TYPE_CHECKING:
    import duckdb

FIO2_HOURS = 4.0  # an oxygen fraction speaks for blood gases up to this much later


def read_events(db: duckdb.DuckDBPyConnection, window: Window, study: StudySpec) -> dict[str, int]:
    """Tables `event` (stay_id, signal, h, value) and `body` (weight, height); returns implausible values by signal."""
    _item_table(db, study)
    _scan_chart(db, window)
    db.execute("""
        CREATE TABLE converted AS
        SELECT *, value BETWEEN low AND high AS plausible FROM (
            SELECT stay_id, subject_id, signal, h, low, high,
                   CASE WHEN signal LIKE 'FiO2%' AND value <= 1 THEN 100 * value ELSE value * scale + shift END AS value
            FROM (SELECT stay_id, subject_id, itemid, (epoch(time) - epoch(onset)) / 3600 AS h, value
                  FROM lab JOIN selected USING (stay_id)
                  UNION ALL SELECT stay_id, subject_id, itemid, h, value FROM chart)
            JOIN item USING (itemid))
    """)
    db.execute("""CREATE TABLE event AS SELECT stay_id, signal, h, avg(value) AS value FROM converted
                  WHERE plausible AND h IS NOT NULL GROUP BY ALL""")
    _body(db, window)
    db.execute("DROP TABLE chart")
    wrong = db.execute("SELECT signal, count(*) FROM converted WHERE NOT plausible GROUP BY signal ORDER BY signal")
    return {str(name): int(count) for name, count in wrong.fetchall() if name in study.names}


def _item_table(db: duckdb.DuckDBPyConnection, study: StudySpec) -> None:
    db.execute(
        "CREATE TABLE item (itemid INTEGER, signal VARCHAR, scale DOUBLE, shift DOUBLE, low DOUBLE, high DOUBLE, "
        "fixed BOOLEAN)"
    )
    for signal in (*items.SIGNALS, *items.STATIC_SIGNALS, *items.SCORE_SIGNALS):
        bounds = signal.plausible
        if bounds is None:
            bounds = study.column(signal.name).plausible if signal.name in study.names else (-1e9, 1e9)
        for item, (scale, shift) in signal.items.items():
            row = [item, signal.name, scale, shift, *bounds, signal in items.STATIC_SIGNALS]
            db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _scan_chart(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `chart`: one scan of chartevents, by far the largest table; body measures of any stay of the patient."""
    signals = (*items.SIGNALS, *items.STATIC_SIGNALS, *items.SCORE_SIGNALS)
    wanted = sorted({item for s in signals if s.table == "chart" for item in s.items})
    db.execute(f"""
        CREATE TABLE chart AS
        SELECT reading.stay_id, reading.subject_id, itemid, value, (epoch(time) - epoch(onset)) / 3600 AS h
        FROM (SELECT TRY_CAST(stay_id AS BIGINT) AS stay_id, TRY_CAST(subject_id AS BIGINT) AS subject_id,
                     TRY_CAST(itemid AS INTEGER) AS itemid, TRY_CAST(charttime AS TIMESTAMP) AS time,
                     TRY_CAST(valuenum AS DOUBLE) AS value
              FROM raw_chartevents
              WHERE itemid IN ({", ".join(f"'{item}'" for item in wanted)}) AND valuenum IS NOT NULL) AS reading
        JOIN item USING (itemid) LEFT JOIN selected ON selected.stay_id = reading.stay_id
        WHERE value IS NOT NULL AND CASE WHEN fixed THEN reading.subject_id IN (SELECT subject_id FROM selected)
              ELSE h >= {window.read_from} AND h < {window.end} END
    """)


def _body(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `body`: first weight of the stay, up to the window's end; first height of any stay of the patient."""
    db.execute(f"""
        CREATE TABLE body AS
        WITH weights AS (SELECT stay_id, arg_min(value, h) AS weight FROM event
                         WHERE signal = 'Weight' AND h < {window.end} GROUP BY stay_id),
        heights AS (SELECT subject_id, median(value) AS height FROM converted
                    WHERE signal = 'Height' AND plausible GROUP BY subject_id)
        SELECT stay_id, weight, height FROM selected
        LEFT JOIN weights USING (stay_id) LEFT JOIN heights USING (subject_id)
    """)


def step_measurements(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `measured`: one row per stay and step k with a column per signal, and the ingredients of the SOFA score."""
    signals = [*items.SIGNALS, *(s for s in items.SCORE_SIGNALS if s.name in ("Bilirubin",))]
    columns = [
        f"{_aggregate(signal)} FILTER (WHERE signal = '{signal.name}') AS \"{signal.name}\"" for signal in signals
    ]
    columns += [
        "min(value) FILTER (WHERE signal = 'MBP') AS \"lowest MBP\"",
        "min(value) FILTER (WHERE signal = 'Platelets') AS \"lowest Platelets\"",
        "max(value) FILTER (WHERE signal = 'Creatinine') AS \"highest Creatinine\"",
        "count(*) FILTER (WHERE signal = 'Ventilator setting') > 0 AS \"ventilator set\"",
    ]
    db.execute(f"""
        CREATE TABLE measured AS
        SELECT stay_id, {step_of("h", window)} AS k, {", ".join(columns)}
        FROM event WHERE h >= {window.read_from} AND h < {window.end} GROUP BY stay_id, k
    """)
    _oxygenation(db, window)
    _coma(db, window)


def step_of(hours: str, window: Window) -> str:
    """SQL for the step index of a time in hours from onset (negative before the window)."""
    return f"CAST(floor(({hours} - ({window.start})) / {window.step}) AS INTEGER)"


def _aggregate(signal: Signal) -> str:
    return {"mean": "avg(value)", "last": "arg_max(value, h)", "max": "max(value)", "min": "min(value)"}[
        signal.aggregate
    ]


def _oxygenation(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `oxygenation`: lowest PaO2/FiO2 of a step in mmHg, where the oxygen fraction of the gas is known."""
    db.execute(f"""
        CREATE TABLE oxygenation AS
        WITH gas AS (SELECT stay_id, h, value FROM event WHERE signal = 'PaO2'),
        fraction AS (SELECT stay_id, h AS since, avg(value) AS value FROM event WHERE signal LIKE 'FiO2%' GROUP BY ALL)
        SELECT gas.stay_id, {step_of("gas.h", window)} AS k, min(100 * gas.value / fraction.value) AS "PaO2/FiO2"
        FROM gas ASOF JOIN fraction ON gas.stay_id = fraction.stay_id AND gas.h >= fraction.since
        WHERE gas.h - since <= {FIO2_HOURS} AND gas.h >= {window.read_from} AND gas.h < {window.end} GROUP BY ALL
    """)


def _coma(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `coma`: lowest Glasgow Coma Scale of a step, and the lowest of the readings with any verbal response.

    The three parts count where they were charted together.
    """
    db.execute(f"""
        CREATE TABLE coma AS
        SELECT stay_id, {step_of("h", window)} AS k, min(scale) AS coma,
               min(scale) FILTER (WHERE verbal > 1) AS "coma, speaking"
        FROM (SELECT stay_id, h, sum(value) AS scale, min(value) FILTER (WHERE signal = 'GCS verbal') AS verbal
              FROM event WHERE starts_with(signal, 'GCS') GROUP BY stay_id, h HAVING count(*) = 3)
        WHERE h >= {window.read_from} AND h < {window.end} GROUP BY stay_id, k
    """)
