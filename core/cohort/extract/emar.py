"""Heparin of MIMIC-IV's medication record (eMAR): what was given, by its name a flush, of a circuit, or neither."""

from __future__ import annotations

from core.cohort.extract.readings import NO_VALUE
from core.cohort.extract.work import Work, hours, ident, moment, number

GIVEN = "('administered', 'started', 'restarted', 'flushed', 'delayed administered', 'delayed flushed')"  # eMAR events


def read_emar(work: Work) -> None:
    """Heparin of the medication record: flushes and locks apart from the rest."""
    work.db.execute(f"""
        CREATE TABLE medicated AS
        SELECT emar_id, stay_id, from_h, to_h, {hours("time", "intime")} AS h, drug, dose, unit, written
        FROM (SELECT DISTINCT emar_id, {ident("subject_id")} AS subject_id, {moment("charttime")} AS time,
                     lower(medication) AS drug, lower(trim(event_txt)) AS event FROM raw_emar)
        JOIN (SELECT emar_id, {number("dose_given")} AS dose, lower(trim(dose_given_unit)) AS unit,
                     max(lower(trim(dose_given))) AS written FROM raw_emar_detail GROUP BY ALL) USING (emar_id)
        JOIN candidate USING (subject_id) WHERE contains(drug, 'heparin') AND event IN {GIVEN}
    """)
    total, unread = "SELECT count(DISTINCT emar_id) FROM medicated", f"dose IS NULL AND written NOT IN {NO_VALUE}"
    work.lose(work.number(f"{total} WHERE {unread}"), work.number(total), "entries of heparin in emar",
              "have a dose_given that is no number; that dose is left out")  # fmt: skip
    work.db.execute("""
        INSERT INTO entry
        SELECT stay_id, 'heparin',
               CASE WHEN regexp_matches(drug, 'flush|lock|dwell') THEN 'flush'
                    WHEN regexp_matches(drug, 'crrt|dialysis') THEN 'circuit' ELSE 'emar' END,
               h, h, dose, unit, NULL, NULL, NULL
        FROM (SELECT stay_id, from_h, to_h, h, drug, sum(dose) AS dose, any_value(unit) AS unit FROM medicated
              WHERE dose > 0 GROUP BY emar_id, stay_id, from_h, to_h, h, drug)
        WHERE h >= from_h AND h < to_h
    """)
