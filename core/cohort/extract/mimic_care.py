"""Drugs, fluids and ventilation of the selected stays, shared out over the steps they overlap.

An entry over [s, e) gives step k the part overlap(k) / (e - s) of its amount, and the rate times overlap(k) / step.
Pushes and subcutaneous doses count in the step in which they start.

Units where the record has none: heparin drips in units (rates up to 60 units/kg/h, larger ones units/h), prophylaxis in
doses of `prophylaxis_units`, vasopressors in ug/kg/min, vasopressin in units/h, fluids by the unit of d_items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cohort.extract import mimic_items as items
from core.cohort.extract.mimic_events import step_of
from core.cohort.extract.options import ExtractOptions, Window

if TYPE_CHECKING:
    import duckdb

HIGHEST_WEIGHT_BASED_RATE = 60  # units/kg/h of heparin; usual drips run at 10-20 units/kg/h, or 500-2500 units/h
KEPT = "coalesce(lower(statusdescription), '') <> 'rewritten'"


def read_care(db: duckdb.DuckDBPyConnection, options: ExtractOptions, window: Window) -> int:
    """Table `given` (drugs and fluids by stay and step); returns heparin entries left out for want of a usable unit."""
    _infusions(db, window)
    db.execute(f"""
        CREATE TABLE standard AS
        SELECT *, CASE WHEN itemid IN ({items.HEPARIN_DRIP}, {items.HEPARIN_PROPHYLAXIS})
                       THEN {_heparin_units(options)} END AS heparin,
               {_milliliters()} AS ml, {_standard_rate()} AS speed
        FROM infusion
    """)
    _share_out(db, window)
    heparin = f"itemid IN ({items.HEPARIN_DRIP}, {items.HEPARIN_PROPHYLAXIS})"
    unknown = db.execute(f"SELECT count(*) FROM standard WHERE heparin IS NULL AND {heparin}").fetchone()
    assert unknown is not None
    return int(unknown[0])


def _infusions(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `infusion`: entries that touch the window, in hours from onset; prophylactic doses act at their start."""
    db.execute(f"""
        CREATE TABLE infusion AS
        SELECT *, CASE WHEN itemid = {items.HEPARIN_PROPHYLAXIS} THEN s ELSE greatest(s, coalesce(stop, s)) END AS e
        FROM (
            SELECT stay_id, itemid, (epoch(starttime) - epoch(onset)) / 3600 AS s,
                   (epoch(endtime) - epoch(onset)) / 3600 AS stop, amount, rate,
                   lower(trim(coalesce(amountuom, unitname))) AS amount_unit, lower(trim(rateuom)) AS rate_unit,
                   coalesce(CASE WHEN charted_weight > 1 THEN charted_weight END, body.weight) AS weight
            FROM (SELECT TRY_CAST(stay_id AS BIGINT) AS stay_id, TRY_CAST(itemid AS INTEGER) AS itemid,
                         TRY_CAST(starttime AS TIMESTAMP) AS starttime, TRY_CAST(endtime AS TIMESTAMP) AS endtime,
                         TRY_CAST(amount AS DOUBLE) AS amount, TRY_CAST(rate AS DOUBLE) AS rate, amountuom, rateuom,
                         TRY_CAST(patientweight AS DOUBLE) AS charted_weight
                  FROM raw_inputevents WHERE {KEPT})
            JOIN selected USING (stay_id) LEFT JOIN body USING (stay_id)
            LEFT JOIN (SELECT TRY_CAST(itemid AS INTEGER) AS itemid, any_value(unitname) AS unitname
                       FROM raw_d_items GROUP BY ALL) USING (itemid))
        WHERE s < {window.end} AND greatest(s, coalesce(stop, s)) >= {window.read_from}
    """)


def _heparin_units(options: ExtractOptions) -> str:
    """SQL: heparin units of an entry, from its amount, else its rate and duration; NULL where the unit is foreign."""
    by_weight = f"(rate_unit = 'units/kg/hour' OR (rate_unit IS NULL AND rate <= {HIGHEST_WEIGHT_BASED_RATE}))"
    return f"""CASE
        WHEN amount < 0 THEN 0
        WHEN amount_unit = 'dose' OR (amount_unit IS NULL AND itemid = {items.HEPARIN_PROPHYLAXIS} AND amount <= 10)
            THEN amount * {options.prophylaxis_units}
        WHEN amount IS NOT NULL AND coalesce(amount_unit, 'units') IN ('units', 'unit') THEN amount
        WHEN {by_weight} THEN rate * weight * (e - s)
        WHEN coalesce(rate_unit, 'units/hour') = 'units/hour' THEN rate * (e - s)
        WHEN rate_unit = 'units/min' THEN rate * 60 * (e - s) END"""


def _milliliters() -> str:
    """SQL: volume of an entry in mL; 0 for drugs recorded by mass, whose fluid has its own entry."""
    return f"""CASE
        WHEN itemid = {items.PRE_ADMISSION_INTAKE} OR amount <= 0 THEN 0
        WHEN amount_unit = 'ml' THEN amount
        WHEN amount_unit = 'l' THEN 1000 * amount
        WHEN amount_unit = 'ounces' THEN 29.5735 * amount ELSE 0 END"""


def _standard_rate() -> str:
    """SQL: rate of a vasoactive drug in ug/kg/min, of vasopressin in units/min; NULL for other items."""
    drugs = ", ".join(str(item) for item in (*items.EQUIVALENT, items.DOBUTAMINE) if item != items.VASOPRESSIN)
    return f"""CASE
        WHEN rate <= 0 THEN NULL
        WHEN itemid = {items.VASOPRESSIN} THEN CASE
            WHEN rate_unit = 'units/min' THEN rate
            WHEN coalesce(rate_unit, 'units/hour') = 'units/hour' THEN rate / 60 END
        WHEN itemid IN ({drugs}) THEN CASE
            WHEN coalesce(rate_unit, 'mcg/kg/min') = 'mcg/kg/min' THEN rate
            WHEN rate_unit = 'mcg/kg/hour' THEN rate / 60
            WHEN rate_unit = 'mg/kg/min' THEN rate * 1000
            WHEN rate_unit = 'mcg/min' THEN rate / weight
            WHEN rate_unit = 'mg/hour' THEN rate * 1000 / 60 / weight END
        END"""


def _pieces(table: str, window: Window) -> str:
    """SQL: rows of `table` (s, e in hours) once per overlapped step, with overlap in hours and share of the entry."""
    first = f"greatest({step_of('s', window)}, {-window.lead})"
    before_end = f"CAST(ceil((e - ({window.start})) / {window.step}) AS INTEGER) - 1"
    last = f"least(greatest({before_end}, {step_of('s', window)}), {window.n_steps - 1})"
    begin = f"({window.start} + k * {window.step})"
    return f"""
        SELECT *, CASE WHEN e > s THEN overlap / (e - s) ELSE 1 END AS share FROM (
            SELECT *, greatest(least(e, {begin} + {window.step}) - greatest(s, {begin}), 0) AS overlap
            FROM (SELECT *, unnest(range({first}, {last} + 1)) AS k FROM {table}))"""


def _share_out(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    factor = "CASE itemid " + " ".join(f"WHEN {item} THEN {f}" for item, f in items.EQUIVALENT.items()) + " END"
    pressors = [item for item in items.EQUIVALENT if item != items.DOPAMINE]
    peak = " + ".join(
        f"coalesce({items.EQUIVALENT[item]} * max(speed) FILTER (WHERE itemid = {item}), 0)" for item in pressors
    )
    db.execute(f"""
        CREATE TABLE given AS
        SELECT stay_id, CAST(k AS INTEGER) AS k, sum(share * heparin) AS dose, sum(share * ml) AS "Total Input",
               sum(overlap * speed * {factor}) / {window.step} AS "Vasopressor", {peak} AS "peak pressor",
               max(speed) FILTER (WHERE itemid = {items.DOPAMINE}) AS "peak dopamine",
               max(speed) FILTER (WHERE itemid = {items.DOBUTAMINE}) AS "peak dobutamine"
        FROM ({_pieces("standard", window)}) GROUP BY stay_id, k
    """)


def read_output(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `drained`: all output and urine in mL by stay and step; bladder irrigant is subtracted."""
    urine = ", ".join(map(str, (*items.URINE, items.IRRIGANT_IN)))
    db.execute(f"""
        CREATE TABLE drained AS
        SELECT stay_id, {step_of("h", window)} AS k, greatest(sum(ml), 0) AS "Total Output",
               greatest(sum(ml) FILTER (WHERE itemid IN ({urine})), 0) AS urine
        FROM (SELECT stay_id, itemid, (epoch(time) - epoch(onset)) / 3600 AS h,
                     CASE WHEN itemid = {items.IRRIGANT_IN} THEN -ml ELSE ml END AS ml
              FROM (SELECT TRY_CAST(stay_id AS BIGINT) AS stay_id, TRY_CAST(itemid AS INTEGER) AS itemid,
                           TRY_CAST(charttime AS TIMESTAMP) AS time, TRY_CAST(value AS DOUBLE) AS ml
                    FROM raw_outputevents)
              JOIN selected USING (stay_id)
              WHERE ml > 0 AND itemid NOT IN ({", ".join(map(str, items.NOT_OUTPUT))}))
        WHERE h >= {window.read_from} AND h < {window.end} GROUP BY stay_id, k
    """)


def read_ventilation(db: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Table `support`: steps that a ventilation procedure overlaps, or with a charted ventilator setting."""
    db.execute(f"""
        CREATE TABLE procedure AS
        SELECT stay_id, (epoch(TRY_CAST(starttime AS TIMESTAMP)) - epoch(onset)) / 3600 AS s,
               (epoch(TRY_CAST(endtime AS TIMESTAMP)) - epoch(onset)) / 3600 AS e
        FROM (SELECT * REPLACE (TRY_CAST(stay_id AS BIGINT) AS stay_id) FROM raw_procedureevents
              WHERE itemid IN ('{items.INVASIVE_VENTILATION}', '{items.NONINVASIVE_VENTILATION}') AND {KEPT})
        JOIN selected USING (stay_id)
    """)
    db.execute("DELETE FROM procedure WHERE s IS NULL OR e IS NULL OR e <= s")
    db.execute(f"""
        CREATE TABLE support AS
        SELECT DISTINCT stay_id, k, 1 AS ventilated FROM (
            SELECT stay_id, CAST(k AS INTEGER) AS k FROM ({_pieces("procedure", window)}) WHERE overlap > 0
            UNION ALL SELECT stay_id, k FROM measured WHERE "ventilator set")
    """)
