"""A MEDS export of MIMIC-IV as MIMIC-IV's tables, which `mimic_iv` then reads.

Starts and ends of infusions and procedures carry no number of their own: the n-th start of an item is paired with its
n-th
end, in the order of time. An event belongs to the stay whose hours it falls into, `AROUND` hours more on either side.
Units of infusions are MIMIC-IV's usual ones: the export keeps none.
"""

from __future__ import annotations

from core.base.errors import ExtractError
from core.cohort.extract import mimic_iv
from core.cohort.extract.relation import text, texts
from core.cohort.extract.work import Work, ident, moment, number

AROUND = 6  # hours
read_stays = mimic_iv.read_stays
read_entries = mimic_iv.read_entries
read_output = mimic_iv.read_output
read_ventilation = mimic_iv.read_ventilation
read_infection = mimic_iv.read_infection


def check(work: Work) -> None:
    """Make MIMIC-IV's tables from the events; `ExtractError` where there are no stays among them."""
    work.db.execute(f"""
        CREATE TABLE event AS SELECT {ident("subject_id")} AS subject_id, {moment("time")} AS time, code,
               coalesce({number("numeric_value")}, {number("value")}) AS value, text_value FROM raw_events""")
    _stays(work)
    if not work.number("SELECT count(*) FROM raw_icustays"):
        raise ExtractError(
            f"the events hold no code that begins with {work.concepts.events['unit_in']}, so no stay in a unit; "
            f"data/concepts/meds.toml says how codes are written, for another export write another one."
        )
    _persons(work)
    _readings(work)
    _care(work)
    _infection(work)


def can_suspect_infection(work: Work) -> bool:
    """Whether the export holds cultures."""
    return bool(work.number(f"SELECT count(*) FROM event WHERE {_is(work, 'culture')}"))


def _is(work: Work, name: str) -> str:
    return f"starts_with(code, {text(work.concepts.events[name])})"


def _rest(work: Work, name: str) -> str:
    """SQL: the first part of a code after its prefix: the item, the code, the drug."""
    return f"split_part(substr(code, {len(work.concepts.events[name]) + 1}), '//', 1)"


def _make(work: Work, table: str, query: str) -> None:
    """Table `raw_<table>` as text, as if it had been read."""
    work.db.execute(f"CREATE TABLE raw_{table} AS SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})")
    columns = work.db.execute(f"DESCRIBE raw_{table}").fetchall()
    work.found[table] = {str(column[0]) for column in columns}


def _pairs(work: Work, start: str, end: str, keys: str) -> str:
    """SQL: the n-th start of each key with its n-th end: subject_id, key, starttime, endtime, rate, amount."""
    order = "ORDER BY time, value DESC NULLS LAST"

    def numbered(name: str) -> str:
        key = _rest(work, name) if keys else "''"
        return f"""SELECT *, row_number() OVER (PARTITION BY subject_id, key {order}) AS nth
                   FROM (SELECT *, {key} AS key FROM event WHERE {_is(work, name)})"""

    begun, ended = numbered(start), numbered(end)
    return f"""SELECT a.subject_id, a.key, a.nth, a.time AS starttime, b.time AS endtime, a.value AS rate, b.value
        AS amount
               FROM ({begun}) AS a LEFT JOIN ({ended}) AS b USING (subject_id, key, nth)"""


def _stays(work: Work) -> None:
    hospital = _pairs(work, "hospital_in", "hospital_out", "")
    work.db.execute(f"""CREATE TABLE hospital AS SELECT subject_id, 100 * subject_id + nth AS hadm_id, starttime
        AS admittime,
                        endtime AS dischtime FROM ({hospital})""")
    unit = _pairs(work, "unit_in", "unit_out", "")
    _make(work, "icustays", f"""
        SELECT unit.subject_id, hadm_id, 100 * unit.subject_id + nth AS stay_id, starttime AS intime, endtime AS outtime
        FROM ({unit}) AS unit LEFT JOIN hospital ON hospital.subject_id = unit.subject_id
             AND starttime < dischtime AND endtime > admittime
        QUALIFY row_number() OVER (PARTITION BY unit.subject_id, nth ORDER BY admittime DESC) = 1""")  # fmt: skip
    work.db.execute(f"""CREATE TABLE unit AS SELECT {ident("subject_id")} AS subject_id, {ident("stay_id")} AS stay_id,
                        {moment("intime")} - INTERVAL {AROUND} HOUR AS since, {moment("outtime")} + INTERVAL {AROUND}
                        HOUR AS until
                        FROM raw_icustays""")


def _persons(work: Work) -> None:
    """A death at a time of day is one in hospital; one at midnight is a date."""
    _make(work, "patients", f"""
        SELECT subject_id, max({_rest(work, "gender")}) FILTER (WHERE {_is(work, "gender")}) AS gender, 0 AS anchor_age,
               year(min(time) FILTER (WHERE {_is(work, "birth")})) AS anchor_year,
               min(time) FILTER (WHERE {_is(work, "death")}) AS dod FROM event GROUP BY subject_id""")  # fmt: skip
    _make(work, "admissions", f"""
        SELECT subject_id, hadm_id, dischtime, NULL AS hospital_expire_flag,
               CASE WHEN died BETWEEN admittime AND dischtime + INTERVAL 1 DAY AND CAST(died
                   AS TIME) <> TIME '00:00:00' THEN died END AS deathtime
        FROM hospital LEFT JOIN (SELECT subject_id, min(time) AS died FROM event WHERE {_is(work, "death")}
            GROUP BY ALL)
        USING (subject_id)""")  # fmt: skip
    either = f"({_is(work, 'icd9')} OR {_is(work, 'icd10')})"
    _make(work, "diagnoses_icd", f"""
        SELECT hadm_id, CASE WHEN {_is(work, "icd9")} THEN {_rest(work, "icd9")} ELSE {_rest(work, "icd10")} END
            AS icd_code,
               CASE WHEN {_is(work, "icd9")} THEN 9 ELSE 10 END AS icd_version
        FROM event JOIN hospital ON hospital.subject_id = event.subject_id AND time >= admittime AND time <= dischtime
        WHERE {either}""")  # fmt: skip


def _in_stay(table: str, time: str, columns: str) -> str:
    """SQL: rows of `table` with the stay into whose hours they fall, the later of two."""
    return f"""SELECT stay_id, {columns} FROM ({table}) AS x
               ASOF JOIN (SELECT * FROM unit ORDER BY since) AS unit ON x.subject_id = unit.subject_id
                   AND x.{time} >= unit.since
               WHERE x.{time} <= unit.until"""


def _readings(work: Work) -> None:
    values = f"SELECT subject_id, {_rest(work, 'reading')} AS itemid, time AS charttime, value AS valuenum FROM event"
    values += f" WHERE {_is(work, 'reading')} AND value IS NOT NULL"
    _make(work, "labevents", values)
    texts_ = values.replace("value AS valuenum", "value AS valuenum, text_value AS value").replace(
        "AND value IS NOT NULL", "AND (value IS NOT NULL OR text_value IS NOT NULL)"
    )
    _make(work, "chartevents", _in_stay(texts_, "charttime", "x.*"))


def _care(work: Work) -> None:
    group = work.concepts.group
    _make(work, "inputevents", f"""
        SELECT *, CASE WHEN itemid IN ({texts(group("milliliters"))})
            THEN 'ml' WHEN itemid IN ({texts(group("liters"))}) THEN 'l'
                       WHEN itemid IN ({texts(group("ounces"))}) THEN 'ounces' END AS amountuom, NULL AS rateuom,
               NULL AS patientweight, NULL AS statusdescription, NULL AS ordercategorydescription, NULL AS orderid,
               NULL AS storetime
        FROM ({_in_stay(_pairs(work, "infusion_start", "infusion_end", "key"), "starttime",
                        "x.key AS itemid, starttime, endtime, rate, amount")})""")  # fmt: skip
    work.found["inputevents"].discard("orderid")
    _make(
        work,
        "procedureevents",
        f"""SELECT *, NULL AS statusdescription FROM ({
            _in_stay(
                _pairs(work, "procedure_start", "procedure_end", "key"),
                "starttime",
                "x.key AS itemid, starttime, endtime",
            )
        })""",
    )
    item = _rest(work, "output")
    output = f"SELECT subject_id, {item} AS itemid, time AS charttime, value FROM event WHERE {_is(work, 'output')}"
    _make(work, "outputevents", f"SELECT *, NULL AS storetime FROM ({_in_stay(output, 'charttime', 'x.*')})")
    for table in ("d_items", "emar", "emar_detail"):
        described = work.concepts.tables[table]
        columns = ", ".join(f'NULL::VARCHAR AS "{column}"' for column in (*described.required, *described.optional))
        work.db.execute(f"CREATE TABLE raw_{table} AS SELECT {columns} WHERE false")


def _infection(work: Work) -> None:
    _make(work, "prescriptions", f"""
        SELECT event.subject_id, hadm_id, time AS starttime, {_rest(work, "order")} AS drug, 'MAIN' AS drug_type
        FROM event JOIN hospital ON hospital.subject_id = event.subject_id AND time >= admittime - INTERVAL 1 DAY
            AND time <= dischtime
        WHERE {_is(work, "order")}""")  # fmt: skip
    _make(work, "microbiologyevents", f"""SELECT subject_id, time AS chartdate, time AS charttime, code
        AS spec_type_desc
        FROM event WHERE {_is(work, "culture")}""")  # fmt: skip
