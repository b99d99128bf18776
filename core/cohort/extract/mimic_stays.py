"""Which ICU stays of MIMIC-IV enter the cohort, when their onset is, and what each criterion removed.

Onset is the first platelet count below the threshold from `lookback_hours` before ICU admission to ICU discharge; a
count from before admission puts the onset at admission, where the unit's observation begins. Diagnosis codes carry no
time, so sepsis says who is included and platelets say when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cohort.extract import mimic_items as items
from core.cohort.extract.options import ExtractOptions, Window
from core.tables.report import Exclusion

if TYPE_CHECKING:
    import duckdb


def _codes(version: int, prefixes: tuple[str, ...]) -> str:
    any_prefix = " OR ".join(f"starts_with(trim(icd_code), '{prefix}')" for prefix in prefixes)
    return f"(TRY_CAST(icd_version AS INTEGER) = {version} AND ({any_prefix}))"


def read_stays(db: duckdb.DuckDBPyConnection, options: ExtractOptions) -> None:
    """Table `stay`: one row per ICU stay with age at admission, sex, sepsis by diagnosis, and death in time."""
    sepsis = f"{_codes(9, items.SEPSIS_ICD9)} OR {_codes(10, items.SEPSIS_ICD10)}"
    db.execute(f"""
        CREATE TABLE stay AS
        WITH unit AS (
            SELECT TRY_CAST(subject_id AS BIGINT) AS subject_id, TRY_CAST(hadm_id AS BIGINT) AS hadm_id,
                   TRY_CAST(stay_id AS BIGINT) AS stay_id, TRY_CAST(intime AS TIMESTAMP) AS intime,
                   TRY_CAST(outtime AS TIMESTAMP) AS outtime
            FROM raw_icustays),
        person AS (
            SELECT TRY_CAST(subject_id AS BIGINT) AS subject_id, upper(trim(gender)) AS gender,
                   TRY_CAST(anchor_age AS INTEGER) - TRY_CAST(anchor_year AS INTEGER) AS age_in_year_0,
                   TRY_CAST(dod AS TIMESTAMP) AS dod
            FROM raw_patients),
        death AS (
            SELECT TRY_CAST(subject_id AS BIGINT) AS subject_id, min(TRY_CAST(deathtime AS TIMESTAMP)) AS deathtime
            FROM raw_admissions GROUP BY ALL),
        septic AS (SELECT DISTINCT TRY_CAST(hadm_id AS BIGINT) AS hadm_id FROM raw_diagnoses_icd WHERE {sepsis})
        SELECT unit.*, age_in_year_0 + year(intime) AS age,
               CASE gender WHEN 'M' THEN 0 WHEN 'F' THEN 1 END AS gender,
               septic.hadm_id IS NOT NULL AS sepsis,
               least(outtime, deathtime) AS end_of_stay,  -- least ignores NULL
               coalesce(least(deathtime, dod) <= intime + to_seconds({options.mortality_days * 86400}), false) AS died
        FROM unit LEFT JOIN person USING (subject_id) LEFT JOIN death USING (subject_id)
        LEFT JOIN septic USING (hadm_id)
    """)


def read_labs(db: duckdb.DuckDBPyConnection, options: ExtractOptions, window: Window) -> None:
    """Table `lab`: wanted results around each candidate stay, platelets around every stay; one scan of labevents."""
    wanted = sorted({i for s in (*items.SIGNALS, *items.SCORE_SIGNALS) if s.table == "lab" for i in s.items})
    candidate = f"age >= {options.min_age}" + (" AND sepsis" if options.population == "sepsis" else "")
    before = max(options.lookback_hours, (window.lead + 1) * window.step)
    db.execute(f"""
        CREATE TABLE lab AS
        SELECT stay_id, TRY_CAST(itemid AS INTEGER) AS itemid, time, value
        FROM (SELECT TRY_CAST(subject_id AS BIGINT) AS subject_id, itemid, TRY_CAST(charttime AS TIMESTAMP) AS time,
                     TRY_CAST(valuenum AS DOUBLE) AS value
              FROM raw_labevents WHERE itemid IN ({_texts(wanted)}) AND valuenum IS NOT NULL)
        JOIN stay USING (subject_id)
        WHERE value IS NOT NULL AND time >= intime - to_seconds({before * 3600}) AND time <= outtime
          AND (({candidate}) OR itemid = '{items.PLATELETS}')
    """)


def select_stays(
    db: duckdb.DuckDBPyConnection, options: ExtractOptions, window: Window
) -> tuple[list[Exclusion], dict[str, int]]:
    """Table `selected` (stays with their onset), the attrition up to it, and counts of the source."""
    db.execute(f"""
        CREATE TABLE low AS
        SELECT stay_id, greatest(min(time), any_value(intime)) AS onset, max(time) >= any_value(intime) AS in_unit
        FROM lab JOIN stay USING (stay_id)
        WHERE itemid = {items.PLATELETS} AND value >= 0 AND value < {options.platelet_threshold}
          AND time >= intime - to_seconds({options.lookback_hours * 3600})
        GROUP BY stay_id
    """)
    criteria = [("no usable admission or discharge time", "outtime > intime")]
    criteria.append((f"younger than {options.min_age} years, or of unknown age", f"age >= {options.min_age}"))
    if options.population == "sepsis":
        criteria.append(("no diagnosis of sepsis", "sepsis"))
    low = f"no platelets below {options.platelet_threshold:g} from {options.lookback_hours:g} h before admission"
    criteria.append((low, "onset IS NOT NULL"))
    if options.first_stay_only:
        criteria.append(("not the first such stay of the patient", "nth = 1"))
    db.execute("CREATE TABLE selected AS SELECT stay.*, onset FROM stay LEFT JOIN low USING (stay_id)")
    chart = [Exclusion("all ICU stays", 0, 0, *_size(db, window))]
    for reason, rule in criteria:
        db.execute(f"""
            CREATE OR REPLACE TABLE selected AS SELECT * EXCLUDE (nth) FROM (
                SELECT *, row_number() OVER (PARTITION BY subject_id ORDER BY intime, stay_id) AS nth FROM selected)
            WHERE {rule}
        """)
        chart.append(exclusion(chart[-1], reason, *_size(db, window)))
    return chart, _counts(db)


def exclusion(before: Exclusion, reason: str, stays: int, steps: int) -> Exclusion:
    """The next line of the attrition chart."""
    return Exclusion(reason, before.patients_left - stays, before.rows_left - steps, stays, steps)


def _size(db: duckdb.DuckDBPyConnection, window: Window) -> tuple[int, int]:
    """Stays selected so far, and the steps they spent in the unit."""
    steps = f"ceil(greatest(epoch(end_of_stay) - epoch(intime), 0) / {window.step * 3600})"
    row = db.execute(f"SELECT count(*), coalesce(sum({steps}), 0) FROM selected").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Totals over all stays of the source, whatever the options select."""
    row = db.execute("""
        SELECT count(*), count(DISTINCT subject_id), count(*) FILTER (WHERE sepsis), count(low.stay_id),
               count(*) FILTER (WHERE in_unit), count(low.stay_id) FILTER (WHERE sepsis),
               count(*) FILTER (WHERE sepsis AND in_unit), count(*) FILTER (WHERE died)
        FROM stay LEFT JOIN low USING (stay_id)
    """).fetchone()
    assert row is not None
    names = ("stays", "patients", "sepsis", "low_platelets", "low_platelets_in_unit", "sepsis_low_platelets",
             "sepsis_low_platelets_in_unit", "died")  # fmt: skip
    counts = dict(zip(names, map(int, row), strict=True))
    found = db.execute(f"""
        SELECT itemid, count(DISTINCT stay_id) FROM raw_inputevents
        WHERE itemid IN ('{items.HEPARIN_DRIP}', '{items.HEPARIN_PROPHYLAXIS}') GROUP BY itemid
    """)
    with_heparin = {int(item): int(stays) for item, stays in found.fetchall()}
    counts["heparin_drip"] = with_heparin.get(items.HEPARIN_DRIP, 0)
    counts["heparin_prophylaxis"] = with_heparin.get(items.HEPARIN_PROPHYLAXIS, 0)
    return counts


def _texts(numbers: list[int]) -> str:
    return ", ".join(f"'{number}'" for number in numbers)
