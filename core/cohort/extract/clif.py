"""CLIF tables (2.1 and 3.0) as stays, drugs and fluids given, output, ventilation, antibiotics and cultures.

Rows of `adt` in an ICU that follow each other within `SAME_STAY` hours are one stay. A continuous rate stands until the
next record of its order, and a breathing device until the next, each at most `STANDS` hours.
"""

from __future__ import annotations

from core.base.errors import ExtractError
from core.cohort.extract.relation import text, texts
from core.cohort.extract.work import Work, hours, moment, number

SAME_STAY = 1  # hours
STANDS = 24.0  # hours
IRRIGATION = "flush_irrigation"  # categories of input that come out again: no intake, subtracted from what comes out


def check(work: Work) -> None:
    """`ExtractError` where codes are asked for and there are none."""
    if work.options.population == "codes" and "hospital_diagnosis" not in work.found:
        raise ExtractError("population codes needs table clif_hospital_diagnosis, which is missing; choose platelets.")


def can_suspect_infection(work: Work) -> bool:
    """Whether antibiotics and cultures are there."""
    return {"microbiology_culture", "medication_admin_intermittent"} <= set(work.found)


def read_stays(work: Work) -> None:
    """Table `stay`."""
    group = work.concepts.group
    code = "replace(upper(trim(diagnosis_code)), '.', '')"
    icd9 = " OR ".join(f"starts_with({code}, {text(prefix)})" for prefix in group("sepsis_icd9"))
    icd10 = " OR ".join(f"starts_with({code}, {text(prefix)})" for prefix in group("sepsis_icd10"))
    nine = "contains(lower(diagnosis_code_format), 'icd9')"
    work.db.execute(f"""
        CREATE TABLE stay AS
        WITH unit AS (
            SELECT DISTINCT trim(hospitalization_id) AS hadm_id, {moment("in_dttm")} AS since, {moment("out_dttm")}
                AS until
            FROM raw_adt WHERE lower(trim(location_category)) = 'icu'),
        begun AS (SELECT *, coalesce(since > lag(until) OVER w + INTERVAL {SAME_STAY} HOUR, true) AS new
                  FROM unit WINDOW w AS (PARTITION BY hadm_id ORDER BY since)),
        numbered AS (SELECT *, sum(CAST(new AS INTEGER)) OVER (PARTITION BY hadm_id ORDER BY since) AS nth FROM begun),
        run AS (SELECT hadm_id, nth, min(since) AS intime, max(until) AS outtime FROM numbered GROUP BY ALL),
        hospital AS (
            SELECT trim(hospitalization_id) AS hadm_id, any_value(trim(patient_id)) AS subject_id,
                   any_value({number("age_at_admission")}) AS age, any_value({moment("discharge_dttm")}) AS dischtime,
                   bool_or(lower(discharge_category) = 'expired') AS expired FROM raw_hospitalization GROUP BY ALL),
        person AS (SELECT trim(patient_id) AS subject_id, any_value(lower(trim(sex_category))) AS sex,
                          any_value({moment("death_dttm")}) AS died FROM raw_patient GROUP BY ALL),
        septic AS (SELECT DISTINCT trim(hospitalization_id) AS hadm_id FROM raw_hospital_diagnosis
                   WHERE ({nine} AND ({icd9})) OR (NOT {nine} AND ({icd10})))
        SELECT hadm_id || '-' || nth AS stay_id, subject_id, hadm_id, intime, {hours("outtime", "intime")} AS los,
               CASE WHEN {hours("died", "intime")} BETWEEN 0 AND los THEN {hours("died", "intime")} ELSE los END
                   AS leave, age,
               CASE lower(trim(sex)) WHEN 'male' THEN 0 WHEN 'female' THEN 1 END AS gender,
               NULL::DOUBLE AS weight, NULL::DOUBLE AS height,
               septic.hadm_id IS NOT NULL AS coded,
               coalesce({hours("died", "intime")}, CASE WHEN expired THEN {hours("dischtime", "intime")} END) AS death,
               coalesce(expired OR died <= dischtime + INTERVAL 1 DAY, false) AS died_in_hospital,
               coalesce({hours("died", "intime")} <= los + 1, false) AS died_in_unit,
               coalesce(CAST(died AS DATE) < CAST(intime AS DATE), false) AS dead_before
        FROM run LEFT JOIN hospital USING (hadm_id) LEFT JOIN person USING (subject_id) LEFT JOIN septic USING (hadm_id)
    """)


# ---------------------------------------------------------------- drugs and fluids


def read_entries(work: Work) -> None:
    """Table `entry`; mL an hour are fluid, heparin goes by its route."""
    pressors = " ".join(
        f"WHEN category IN ({texts(codes)}) THEN '{agent}'" for agent, codes in work.concepts.pressors.items()
    )
    heparin = texts(work.concepts.heparin["drip"])
    agent = f"CASE WHEN category IN ({heparin}) THEN 'heparin' {pressors} ELSE 'fluid' END"
    work.db.execute(f"""
        CREATE TABLE entry AS
        WITH record AS (
            SELECT hadm_id, lower(trim(med_category)) AS category, med_order_id, {moment("admin_dttm")} AS time,
                   CASE WHEN lower(mar_action_category) IN ('stop', 'stopped') THEN 0 ELSE {number("med_dose")} END
                       AS rate,
                   lower(trim(med_dose_unit)) AS unit
            FROM (SELECT *, trim(hospitalization_id) AS hadm_id FROM raw_medication_admin_continuous)),
        once AS (SELECT hadm_id, category, med_order_id, time, unit, min(rate) AS rate FROM record
                 WHERE time IS NOT NULL AND rate IS NOT NULL GROUP BY ALL),
        span AS (SELECT *, lead(time) OVER (PARTITION BY hadm_id, category, med_order_id ORDER BY time) AS next
            FROM once)
        SELECT stay_id, {agent} AS agent, CASE WHEN category IN ({heparin}) THEN 'drip' ELSE '' END AS kind,
               {hours("time", "intime")} AS s, least(coalesce({hours("next", "intime")}, los), s + {STANDS}) AS e,
               CASE WHEN {agent} = 'fluid' AND starts_with(unit, 'ml/h') THEN rate * (e - s) END AS amount,
               CASE WHEN {agent} = 'fluid' THEN 'ml' END AS amount_unit, rate, unit AS rate_unit, NULL::DOUBLE AS weight
        FROM span JOIN candidate USING (hadm_id) WHERE rate > 0 AND s < to_h AND e >= from_h AND e > s
    """)
    _intermittent(work, agent, heparin)
    if "input" in work.found:  # which holds the fluids of the medication tables too
        work.db.execute("DELETE FROM entry WHERE agent = 'fluid'")
        work.db.execute(f"""INSERT INTO entry SELECT stay_id, 'fluid', '', h, h, ml, 'ml', NULL, NULL, NULL
                            FROM {_timed("input", "input_volume", "lower(trim(input_category))")}
                            WHERE label IS NULL OR NOT starts_with(label, {text(IRRIGATION)})""")
    else:
        work.losses.append("The source has no table of input: Total Input is the fluids of its medication tables.")
    for name, table in (("drip", "continuous"), ("intermittent", "intermittent")):
        work.counts[f"heparin_{name}"] = work.number(f"""
            SELECT count(DISTINCT stay_id) FROM raw_medication_admin_{table} JOIN stay
                ON hadm_id = trim(hospitalization_id)
            WHERE lower(trim(med_category)) IN ({heparin}) AND {hours(moment("admin_dttm"), "intime")} BETWEEN 0
                AND los""")


def _intermittent(work: Work, agent: str, heparin: str) -> None:
    given = "coalesce(lower(mar_action_category), 'given') NOT IN ('not_given', 'not given', 'held')"
    vein = "lower(coalesce(med_route_category, '')) IN ('iv', 'intravenous')"
    work.db.execute(f"""
        INSERT INTO entry
        SELECT stay_id, {agent}, CASE WHEN category NOT IN ({heparin}) THEN '' WHEN flush THEN 'flush' WHEN vein
            THEN 'bolus'
                                 ELSE 'subcutaneous' END, h, h, dose, unit, NULL, NULL, NULL
        FROM (SELECT stay_id, from_h, to_h, lower(trim(med_category)) AS category,
            {hours(moment("admin_dttm"), "intime")} AS h,
                     {number("med_dose")} AS dose, lower(trim(med_dose_unit)) AS unit, {vein} AS vein,
                     regexp_matches(lower(coalesce(med_name, '')), 'flush|lock') AS flush
              FROM raw_medication_admin_intermittent JOIN candidate ON candidate.hadm_id = trim(hospitalization_id)
                  WHERE {given})
        WHERE h >= from_h AND h < to_h
    """)


def _timed(table: str, volume: str, label: str) -> str:
    """SQL: volumes of a table of input or output, as stay_id, h, ml, label."""
    return f"""(SELECT stay_id, h, ml, label FROM (
        SELECT stay_id, from_h, to_h, {hours(moment("recorded_dttm"), "intime")} AS h, {number(volume)} AS ml, {label}
            AS label
        FROM raw_{table} JOIN candidate ON candidate.hadm_id = trim(hospitalization_id))
        WHERE ml >= 0 AND h >= from_h AND h < to_h)"""


def read_output(work: Work) -> None:
    """Table `output`; what dialysis removed comes from its own table where there is one."""
    once = "label IS DISTINCT FROM 'ultrafiltration'" if "crrt_therapy" in work.found else "true"
    work.db.execute(f"""
        CREATE TABLE output AS
        SELECT stay_id, h, ml, coalesce(label IN ({texts(work.concepts.group("urine"))}), false) AS urine
        FROM {_timed("output", "output_volume", "lower(trim(output_group))")} WHERE {once}
        UNION ALL SELECT stay_id, h, value, false FROM reading WHERE concept = 'fluid removed' AND plausible
            AND h IS NOT NULL
        UNION ALL SELECT stay_id, h, -ml, ends_with(label, '_urine')
        FROM {_timed("input", "input_volume", "lower(trim(input_category))")}
        WHERE starts_with(label, {text(IRRIGATION)})
    """)
    if "output" not in work.found:
        work.losses.append(
            "The source has no table of output: Total Output is what dialysis removed, urine is not scored."
        )


def read_ventilation(work: Work) -> None:
    """Table `ventilation`."""
    invasive, noninvasive = (work.concepts.group(f"{kind}_ventilation") for kind in ("invasive", "noninvasive"))
    work.db.execute(f"""
        CREATE TABLE ventilation AS
        WITH device AS (
            SELECT hadm_id, time, any_value(device) AS device, lead(time) OVER (PARTITION BY hadm_id ORDER BY time)
                AS next
            FROM (SELECT trim(hospitalization_id) AS hadm_id, {moment("recorded_dttm")} AS time,
                lower(trim(device_category)) AS device
                  FROM raw_respiratory_support WHERE trim(device_category) <> '') GROUP BY hadm_id, time)
        SELECT stay_id, s, e, CASE WHEN device IN ({texts(invasive)}) THEN 'invasive' ELSE 'noninvasive' END AS kind
        FROM (SELECT stay_id, device, {hours("time", "intime")} AS s, least(coalesce({hours("next", "intime")}, s),
            s + {STANDS}) AS e
              FROM device JOIN candidate USING (hadm_id) WHERE device IN ({texts((*invasive, *noninvasive))}))
        WHERE e > s
        UNION ALL SELECT DISTINCT stay_id, h, h, 'setting' FROM reading
        WHERE concept = 'ventilator setting' AND plausible AND h IS NOT NULL
    """)


def read_infection(work: Work) -> None:
    """Tables `antibiotic` and `culture`."""
    work.db.execute(f"""
        CREATE TABLE antibiotic AS
        SELECT DISTINCT patient_id AS subject_id, trim(hospitalization_id) AS hadm_id, {moment("admin_dttm")} AS time
        FROM raw_medication_admin_intermittent
        JOIN (SELECT trim(hospitalization_id) AS hospital, trim(patient_id) AS patient_id FROM raw_hospitalization)
        ON hospital = trim(hospitalization_id) WHERE med_group IN ({texts(work.concepts.group("antibiotics"))})
    """)
    work.db.execute(f"""
        CREATE TABLE culture AS
        SELECT DISTINCT patient_id AS subject_id, {moment("collect_dttm")} AS time, CAST({moment("collect_dttm")}
            AS DATE) AS day
        FROM raw_microbiology_culture
        JOIN (SELECT trim(hospitalization_id) AS hospital, trim(patient_id) AS patient_id FROM raw_hospitalization)
        ON hospital = trim(hospitalization_id)
    """)
