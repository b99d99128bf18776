"""eICU tables as stays, drugs and fluids given, output and ventilation; hours are minutes from admission to the unit.

A rate of an infusion stands until the drug's next entry in the stay, at most `RATE_STANDS` hours. Heparin in mL/h is
resolved by the bag (amount and volume, or the name: 25,000 units in 500 mL), else by the option, else it is unresolved.
Orders of heparin repeat by their frequency; they are prophylaxis where given under the skin, else the medication
record.
"""

from __future__ import annotations

from core.base.errors import ExtractError
from core.cohort.extract.relation import text
from core.cohort.extract.work import Work, ident, number

RATE_STANDS = 12.0  # hours
OLDEST = 90  # years that "> 89" stands for


def check(work: Work) -> None:
    """`ExtractError` where platelets are in no table, or the outcome asked for is not recorded."""
    if not {"lab", "hourly_dyn"} & set(work.found):
        raise ExtractError(
            "the source holds neither table lab nor hourly_dyn, so no platelets; download the missing files of "
            f"{work.concepts.layout} again."
        )
    if work.options.outcome == "days":
        raise ExtractError("eICU does not follow patients after discharge; choose the outcome icu or hospital.")


def can_suspect_infection(work: Work) -> bool:
    """Cultures are recorded at too few hospitals of eICU."""
    return False


def read_stays(work: Work) -> None:
    """Table `stay`."""
    by_diagnosis = _any("lower(diagnosisstring)", work.concepts.group("sepsis_diagnosis"))
    by_admission = _any("lower(admitdxpath)", work.concepts.group("sepsis_admission"))
    work.db.execute(f"""
        CREATE TABLE stay AS
        WITH septic AS (
            SELECT {ident("patientunitstayid")} AS stay_id FROM raw_diagnosis WHERE {by_diagnosis}
            UNION SELECT {ident("patientunitstayid")} FROM raw_admissiondx WHERE {by_admission})
        SELECT {ident("patientunitstayid")} AS stay_id, trim(uniquepid) AS subject_id, trim(uniquepid) AS hadm_id,
               make_timestamp(coalesce({ident("hospitaldischargeyear")}, 2014), 1, 1, 0, 0, 0)
                 + to_minutes(coalesce(-{ident("hospitaladmitoffset")}, 0)) AS intime,
               {number("unitdischargeoffset")} / 60 AS los, los AS leave,
               CASE WHEN trim(age) LIKE '>%' THEN {OLDEST} ELSE {ident("age")} END AS age,
               CASE lower(trim(gender)) WHEN 'male' THEN 0 WHEN 'female' THEN 1 END AS gender,
               {_within("admissionweight", work, "Weight")} AS weight, {_within("admissionheight", work, "Height")} AS
               height,
               {ident("patientunitstayid")} IN (SELECT stay_id FROM septic) AS coded, NULL::DOUBLE AS death,
               {_expired("hospitaldischargestatus")} AS died_in_hospital,
               {_expired("unitdischargestatus")} AS died_in_unit, false AS dead_before
        FROM raw_patient
        QUALIFY row_number() OVER (PARTITION BY {ident("patientunitstayid")} ORDER BY uniquepid) = 1
    """)
    total = work.number("SELECT count(*) FROM raw_patient")
    oldest = work.number("SELECT count(*) FROM raw_patient WHERE trim(age) LIKE '>%'")
    work.counts["older_than_89"] = oldest
    work.lose(oldest, total, "stays", f"are of persons older than 89, whose age is not given; it is taken as {OLDEST}")
    for name in ("unit", "hospital"):
        work.counts[f"died_in_{name}"] = work.number(f"SELECT count(*) FROM stay WHERE died_in_{name}")
    work.counts["hospitals"] = work.number("SELECT count(DISTINCT hospitalid) FROM raw_patient")


def _any(column: str, words: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"contains({column}, {text(word)})" for word in words) + ")"


def _within(column: str, work: Work, name: str) -> str:
    """SQL: a body measure within the study's plausible range, else NULL."""
    low, high = work.study.column(name).plausible if name in work.study.names else (0.0, 1e9)
    return f"CASE WHEN {number(column)} BETWEEN {low} AND {high} THEN {number(column)} END"


def _expired(column: str) -> str:
    return f"CASE lower(trim({column})) WHEN 'expired' THEN true WHEN 'alive' THEN false END"


# ---------------------------------------------------------------- drugs and fluids


def read_entries(work: Work) -> None:
    """Table `entry`."""
    work.db.execute("""
        CREATE TABLE entry (stay_id BIGINT, agent VARCHAR, kind VARCHAR, s DOUBLE, e DOUBLE, amount DOUBLE,
                            amount_unit VARCHAR, rate DOUBLE, rate_unit VARCHAR, weight DOUBLE)""")
    _infusions(work)
    _orders(work)
    if "intakeoutput" in work.found:
        work.db.execute(f"""
            INSERT INTO entry SELECT stay_id, 'fluid', '', h, h, ml, 'ml', NULL, NULL, NULL
            FROM {_in_or_out("intake")}""")
    else:
        work.losses.append("The source has no table of intake: Total Input is 0 in every step.")


def _agent(work: Work) -> str:
    """SQL: the agent in an infusion's name; norepinephrine before epinephrine, whose name it contains."""
    cases = " ".join(
        f"WHEN {_any('lower(drugname)', names)} THEN '{agent}'" for agent, names in work.concepts.pressors.items()
    )
    return f"CASE WHEN {_any('lower(drugname)', work.concepts.heparin['names'])} THEN 'heparin' {cases} END"


def _infusions(work: Work) -> None:
    """Rates of heparin and vasopressors, each until the next."""
    bag = r"regexp_extract(replace(lower(drugname), ',', ''), '(\d+)\s*units?\D+?(?:[\d.]+\s*%\D+?)?(\d+)\s*ml', {})"
    named = f"TRY_CAST({bag.format(1)} AS DOUBLE) / TRY_CAST({bag.format(2)} AS DOUBLE)"
    charted = f"{number('drugamount')} / nullif({number('volumeoffluid')}, 0)"
    work.db.execute(f"""
        CREATE TABLE infusion AS
        SELECT {ident("patientunitstayid")} AS stay_id, {_agent(work)} AS agent, {number("infusionoffset")} / 60 AS s,
               CASE WHEN lower(trim(drugrate)) IN ('off', 'stop', 'stopped') THEN 0 ELSE {number("drugrate")} END
                   AS rate,
               lower(regexp_extract(drugname, '\\(([^()]*)\\)\\s*$', 1)) AS unit, coalesce({charted}, {named}) AS
               per_ml,
               {number("patientweight")} AS weight
        FROM raw_infusiondrug WHERE agent IS NOT NULL
    """)
    for unit, rows in work.db.execute("""SELECT unit, count(*) FROM infusion WHERE agent = 'heparin' GROUP BY unit
                                         ORDER BY unit""").fetchall():
        work.counts[f"heparin_rows_in_{unit or 'no unit'}"] = int(rows)
    work.counts["heparin_drip"] = work.number("SELECT count(DISTINCT stay_id) FROM infusion WHERE agent = 'heparin'")
    work.db.execute(f"""
        INSERT INTO entry
        SELECT stay_id, agent, CASE agent WHEN 'heparin' THEN 'drip' ELSE '' END, s,
               least(coalesce(lead(s) OVER (PARTITION BY stay_id, agent ORDER BY s), to_h), s + {RATE_STANDS}, to_h),
               NULL, NULL, CASE WHEN resolved THEN rate * per_ml ELSE rate END,
               CASE WHEN agent <> 'heparin' THEN coalesce(nullif(unit, ''), 'unknown') WHEN rate = 0 OR resolved
                   THEN 'units/hour'
                    ELSE coalesce(nullif(unit, ''), 'unknown') END, bag_weight
        FROM (SELECT stay_id, agent, s, any_value(rate) AS rate, any_value(unit) AS unit, any_value(weight)
            AS bag_weight,
                     any_value(per_ml) AS per_ml, agent = 'heparin' AND any_value(unit) = 'ml/hr'
                         AND any_value(per_ml) > 0 AS resolved
              FROM infusion WHERE s IS NOT NULL AND rate IS NOT NULL GROUP BY stay_id, agent, s)
        JOIN candidate USING (stay_id)
    """)


def _orders(work: Work) -> None:
    """Heparin that was ordered: by ingredient code, by name where the code is missing."""
    codes = ", ".join(text(code) for code in work.concepts.heparin["orders"])
    by_name = _any("lower(drugname)", work.concepts.heparin["names"])
    mine = f"(trim(drughiclseqno) IN ({codes}) OR (nullif(trim(drughiclseqno), '') IS NULL AND {by_name}))"
    for name, rule in (("by_name", by_name), ("by_code_or_name", mine)):
        rows, stays = work.db.execute(f"""SELECT count(*), count(DISTINCT patientunitstayid) FROM raw_medication
                                          WHERE {rule}""").fetchall()[0]
        work.counts[f"heparin_orders_{name}"], work.counts[f"heparin_stays_{name}"] = int(rows), int(stays)
    work.db.execute(f"""
        INSERT INTO entry
        SELECT stay_id, 'heparin', kind, given, given, dose, 'units', NULL, NULL, NULL FROM (
            SELECT *, unnest(range(CAST(60 * s AS BIGINT), CAST(60 * greatest(s, stop) AS BIGINT) + 1, CAST(60 * every
                AS BIGINT))) / 60 AS given
            FROM (SELECT {ident("patientunitstayid")} AS stay_id, {number("drugstartoffset")} / 60 AS s, {_kind()}
                AS kind,
                         TRY_CAST(replace(regexp_extract(dosage, '^[\\d,]+'), ',', '') AS DOUBLE) AS dose,
                         coalesce(TRY_CAST(regexp_extract(lower(frequency), 'q\\s*(\\d+)\\s*h', 1) AS DOUBLE), 1e6) AS
                         every,
                         coalesce({number("drugstopoffset")} / 60, s) AS stop
                  FROM raw_medication WHERE {mine} AND coalesce(lower(trim(drugordercancelled)), 'no') <> 'yes')
            WHERE s IS NOT NULL AND dose > 0 AND every > 0)
        JOIN candidate USING (stay_id) WHERE given >= from_h AND given < to_h
    """)


def _kind() -> str:
    """SQL: kind of an order, from its route and name."""
    route, drug = "lower(coalesce(routeadmin, ''))", "lower(coalesce(drugname, ''))"
    return f"""CASE
        WHEN regexp_matches({route} || ' ' || {drug}, 'flush|lock|dwell|intraluminal') THEN 'flush'
        WHEN regexp_matches({route}, 'dialys|cath|^ik$') THEN 'circuit'
        WHEN regexp_matches({route}, 'sub|^sc|^sq') THEN 'subcutaneous' ELSE 'emar' END"""


# ---------------------------------------------------------------- output and ventilation


def _in_or_out(which: str) -> str:
    """SQL: rows of intakeoutput on one side of the balance, as stay_id, h, ml, urine."""
    return f"""(SELECT stay_id, h, ml, urine FROM (
        SELECT {ident("patientunitstayid")} AS stay_id, {number("intakeoutputoffset")} / 60 AS h,
            {number("cellvaluenumeric")} AS ml,
               contains(lower(celllabel), 'urine') AS urine
        FROM raw_intakeoutput WHERE contains(lower(cellpath), '|{which}') AND NOT contains(lower(cellpath), 'totals'))
        JOIN candidate USING (stay_id) WHERE ml >= 0 AND h >= from_h AND h < to_h)"""


def read_output(work: Work) -> None:
    """Table `output`; the hourly tables know urine alone."""
    if "intakeoutput" in work.found:
        work.db.execute(f"CREATE TABLE output AS SELECT * FROM {_in_or_out('output')}")
        return
    work.db.execute("""CREATE TABLE output AS SELECT stay_id, h, value AS ml, true AS urine FROM reading
                       WHERE concept = 'urine' AND plausible AND h IS NOT NULL""")
    work.losses.append("The source has no table of output: Total Output is urine alone.")


def read_ventilation(work: Work) -> None:
    """Table `ventilation`."""
    work.db.execute(f"""
        CREATE TABLE ventilation AS
        SELECT DISTINCT stay_id, s, e, 'invasive' AS kind FROM (
            SELECT {ident("patientunitstayid")} AS stay_id, {number("ventstartoffset")} / 60 AS s,
                   {number("ventendoffset")} / 60 AS e FROM raw_respiratorycare)
        JOIN candidate USING (stay_id) WHERE s <> 0 AND e > s
        UNION ALL SELECT DISTINCT stay_id, h, h, 'setting' FROM reading
        WHERE concept = 'ventilator setting' AND plausible AND h IS NOT NULL
    """)
    if not {"respiratorycare", "respiratorycharting"} & set(work.found):
        work.losses.append("The source has no table of ventilation: Ventilation is 0 in every step.")
