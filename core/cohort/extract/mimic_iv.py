"""MIMIC-IV tables as stays, drugs and fluids given, output, ventilation, antibiotics and cultures."""

from __future__ import annotations

from core.base.errors import ExtractError
from core.cohort.extract.concepts import Kind
from core.cohort.extract.emar import read_emar
from core.cohort.extract.relation import texts
from core.cohort.extract.work import MOST_UNREADABLE, Work, code_of, flag, hours, ident, moment

KEPT = "coalesce(lower(statusdescription), '') <> 'rewritten'"
TWICE = 0.25  # of all rows; where more are copies, files were put together
AT_ONCE = 1 / 60 + 1e-9  # hours: what runs no longer than a minute is a push


def check(work: Work) -> None:
    """`ExtractError` where the tables do not say in which unit drugs are recorded."""
    if "amountuom" not in work.found["inputevents"] and "unitname" not in work.found.get("d_items", ()):
        raise ExtractError(
            "the source does not say in which unit drugs and fluids are recorded: table icu/inputevents has no column "
            "amountuom, and table icu/d_items with column unitname is missing. Add one of the two."
        )


def can_suspect_infection(work: Work) -> bool:
    """Whether antibiotics and cultures are there."""
    return {"prescriptions", "microbiologyevents"} <= set(work.found)


# ---------------------------------------------------------------- stays


def read_stays(work: Work) -> None:
    """Table `stay`."""
    _once(work, "icustays", "stay_id", "stay_id, subject_id, hadm_id, intime, outtime")
    _once(work, "patients", "subject_id", "subject_id, gender, anchor_age, anchor_year, dod")
    _once(work, "admissions", "hadm_id", "hadm_id, subject_id, deathtime, dischtime, hospital_expire_flag")
    _check_stay_times(work)
    _make_stays(work)
    total = work.number("SELECT count(*) FROM stay")
    timeless = work.number("SELECT count(*) FROM stay WHERE timeless AND died_in_hospital AND NOT dead_before")
    work.lose(
        timeless,
        total,
        "stays",
        "are of persons who died in hospital at no time given; they count as dead at discharge",
    )


def _make_stays(work: Work) -> None:
    """Table `stay` from the tables with each row once."""
    concepts = work.concepts
    sepsis = f"{_codes(9, concepts.group('sepsis_icd9'))} OR {_codes(10, concepts.group('sepsis_icd10'))}"
    work.db.execute(f"""
        CREATE TABLE stay AS
        WITH unit AS (
            SELECT {ident("subject_id")} AS subject_id, {ident("hadm_id")} AS hadm_id, {ident("stay_id")} AS stay_id,
                   {moment("intime")} AS intime, {moment("outtime")} AS outtime FROM one_icustays),
        person AS (
            SELECT {ident("subject_id")} AS subject_id, upper(left(trim(gender), 1)) AS gender,
                   {ident("anchor_age")} - {ident("anchor_year")} AS age_in_year_0, {moment("dod")} AS dod
            FROM one_patients),
        hospital AS (SELECT {ident("hadm_id")} AS hadm_id, {ident("subject_id")} AS subject_id,
                            {moment("deathtime")} AS deathtime, {moment("dischtime")} AS dischtime,
                            {flag("hospital_expire_flag")} AS expired FROM one_admissions),
        death AS (SELECT subject_id, max(coalesce(deathtime, CASE WHEN expired THEN dischtime END)) AS deathtime,
                         count(*) FILTER (WHERE expired AND deathtime IS NULL) > 0 AS timeless
                  FROM hospital GROUP BY ALL),
        septic AS (SELECT DISTINCT {ident("hadm_id")} AS hadm_id FROM raw_diagnoses_icd WHERE {sepsis})
        SELECT unit.stay_id, unit.subject_id, unit.hadm_id, intime, {hours("outtime", "intime")} AS los,
               least(los, {hours("death.deathtime", "intime")}) AS leave,  -- least ignores NULL
               age_in_year_0 + year(intime) AS age,
               CASE gender WHEN 'M' THEN 0 WHEN 'F' THEN 1 END AS gender,
               NULL::DOUBLE AS weight, NULL::DOUBLE AS height,
               septic.hadm_id IS NOT NULL AS coded, {hours("least(death.deathtime, dod)", "intime")} AS death,
               coalesce(expired, false) OR coalesce(death.deathtime <= dischtime, false) AS died_in_hospital,
               coalesce({hours("death.deathtime", "intime")} <= los + 1, false) AS died_in_unit,
               coalesce(CAST(dod AS DATE) < CAST(intime AS DATE) OR death.deathtime < intime, false) AS dead_before,
               coalesce(timeless, false) AS timeless
        FROM unit LEFT JOIN person USING (subject_id) LEFT JOIN death USING (subject_id)
        LEFT JOIN hospital USING (hadm_id) LEFT JOIN septic USING (hadm_id)
    """)


def _once(work: Work, table: str, key: str, columns: str) -> None:
    """Table `one_<table>`: the first row of each key; rows that stand twice are counted."""
    work.db.execute(f"""
        CREATE TABLE one_{table} AS SELECT {columns} FROM raw_{table}
        QUALIFY row_number() OVER (PARTITION BY {code_of(key)} ORDER BY {columns}) = 1
    """)
    total = work.number(f"SELECT count(*) FROM raw_{table}")
    twice = total - work.number(f"SELECT count(*) FROM one_{table}")
    work.lose(twice, total, f"rows of {table}", f"repeat a {key} and are taken once")


def _check_stay_times(work: Work) -> None:
    total = work.number("SELECT count(*) FROM one_icustays")
    for column in ("intime", "outtime"):
        bad = work.db.execute(f"""SELECT stay_id, {column} FROM one_icustays WHERE {moment(column)} IS NULL
                                  ORDER BY stay_id""").fetchall()
        if not bad:
            continue
        if len(bad) == total:
            work.unreadable(total, total, "icustays", column, bad[0][1] or "")
        named = ", ".join(str(stay) for stay, _ in bad[:5]) + (" and others" if len(bad) > 5 else "")
        work.lose(len(bad), total, "stays", f"have no readable {column} ({named}); they are left out")
    dated = work.number("SELECT count(*) FROM one_patients WHERE trim(dod) <> ''")
    bad_dates = work.number(f"SELECT count(*) FROM one_patients WHERE trim(dod) <> '' AND {moment('dod')} IS NULL")
    if bad_dates:
        work.unreadable(bad_dates, dated, "patients", "dod")


def _codes(version: int, prefixes: tuple[str, ...]) -> str:
    code = "replace(upper(trim(icd_code)), '.', '')"
    any_prefix = " OR ".join(f"starts_with({code}, '{prefix}')" for prefix in prefixes)
    return f"({ident('icd_version')} = {version} AND ({any_prefix}))"


# ---------------------------------------------------------------- drugs and fluids


def read_entries(work: Work) -> None:
    """Table `entry`."""
    agents = {code: ("heparin", kind) for kind, codes in work.concepts.heparin.items() for code in codes}
    agents |= {code: (agent, "") for agent, codes in work.concepts.pressors.items() for code in codes}
    agents |= dict.fromkeys(work.concepts.group("pre_admission_intake"), ("pre-admission", ""))
    work.db.execute("CREATE TABLE agent (code VARCHAR, agent VARCHAR, kind VARCHAR)")
    work.db.executemany("INSERT INTO agent VALUES (?, ?, ?)", [[code, *names] for code, names in agents.items()])
    _stage_input(work)
    _check_input(work)
    # A drip that ends nowhere, or before it begins, must not count as a bolus of its whole amount.
    endless = "coalesce(kind, '') = 'drip' AND NOT pushed AND coalesce(stop < s, true)"
    work.db.execute(f"""
        CREATE TABLE entry AS
        SELECT stay_id, coalesce(agent, 'fluid') AS agent,
               CASE WHEN kind = 'drip' AND pushed THEN 'bolus' ELSE coalesce(kind, '') END AS kind,
               s, CASE WHEN kind = 'subcutaneous' THEN s ELSE greatest(s, coalesce(stop, s)) END AS e,
               CASE WHEN NOT ({endless}) THEN copies * amount END AS amount, amount_unit,
               CASE WHEN NOT ({endless}) THEN rate END AS rate, rate_unit, weight
        FROM (SELECT *, coalesce(rate, 0) = 0 OR contains(category, 'push') OR contains(category, 'bolus')
                     OR coalesce(stop - s BETWEEN 0 AND {AT_ONCE}, false) AS pushed FROM given)
        LEFT JOIN agent USING (code) WHERE s IS NOT NULL
    """)
    _circuit(work)
    read_emar(work)
    for name, kind in (("heparin_drip", "drip"), ("heparin_prophylaxis", "subcutaneous")):
        codes = texts(work.concepts.heparin.get(kind, ()))
        work.counts[name] = work.number(
            f"""SELECT count(DISTINCT {work.read("inputevents", "stay_id", "ident")})
                FROM raw_inputevents WHERE {code_of("itemid")} IN ({codes})"""
        )


def _stage_input(work: Work) -> None:
    """Table `given`: rows of inputevents of the candidates, in hours from admission to the unit; `copies` of each."""

    def read(column: str, kind: Kind) -> str:
        return work.read("inputevents", column, kind)

    work.db.execute(f"""
        CREATE TABLE given AS
        SELECT stay_id, code, s, stop, amount, rate, lower(trim(coalesce(amountuom, unitname))) AS amount_unit,
               lower(trim(rateuom)) AS rate_unit, charted_weight AS weight, lower(coalesce(category, '')) AS category,
               starttime, endtime, count(*) AS copies
        FROM (SELECT stay_id, code, {hours("start", "intime")} AS s, {hours("finish", "intime")} AS stop, raw.*
              FROM (SELECT {read("stay_id", "ident")} AS id, {code_of("itemid")} AS code,
                           {read("starttime", "moment")} AS start, {read("endtime", "moment")} AS finish,
                           {read("amount", "number")} AS amount, {read("rate", "number")} AS rate,
                           amountuom, rateuom,
                           {read("patientweight", "number")} AS charted_weight, ordercategorydescription AS category,
                           starttime, endtime, orderid, storetime
                    FROM raw_inputevents WHERE {KEPT}) AS raw JOIN candidate ON stay_id = id
              WHERE s IS NULL OR (s < to_h AND greatest(s, coalesce(stop, s)) >= from_h))
        LEFT JOIN (SELECT {code_of("itemid")} AS code, any_value(unitname) AS unitname FROM raw_d_items GROUP BY ALL)
        USING (code)
        GROUP BY stay_id, code, s, stop, amount, rate, amountuom, unitname, rateuom, charted_weight, category,
                 starttime, endtime, orderid, storetime
    """)


def _check_input(work: Work) -> None:
    row = work.db.execute("""
        SELECT sum(copies), sum(copies) FILTER (WHERE s IS NULL), any_value(starttime) FILTER (WHERE s IS NULL),
               sum(copies) FILTER (WHERE s IS NOT NULL AND coalesce(stop < s, true)),
               sum(copies) FILTER (WHERE stop IS NULL), any_value(endtime) FILTER (WHERE stop IS NULL), sum(copies - 1)
        FROM given""").fetchone()
    assert row is not None
    total, twice = int(row[0] or 0), int(row[6] or 0)
    work.unreadable(int(row[1] or 0), total, "inputevents", "starttime", row[2] or "")
    if int(row[4] or 0) > MOST_UNREADABLE * total:
        work.unreadable(int(row[4]), total, "inputevents", "endtime", row[5] or "")
    reason = "have no readable endtime or end before they start; they count at their start, drips of heparin unresolved"
    work.lose(int(row[3] or 0), total, "rows of inputevents", reason)
    if "orderid" in work.found["inputevents"] or twice > TWICE * total:
        work.db.execute("UPDATE given SET copies = 1")
        work.lose(twice, total, "rows of inputevents", "are identical to another and are taken once")
    elif twice:  # without an order number two equal drinks in one minute cannot be told from one that stands twice
        reason = "are identical to another; the table has no orderid to tell copies by, so they count as given twice"
        work.lose(twice, total, "rows of inputevents", reason)


def _circuit(work: Work) -> None:
    """Heparin charted by the hour into a dialysis circuit."""
    work.db.execute("""
        INSERT INTO entry
        SELECT stay_id, 'heparin', 'circuit', h - 1, h, max(value), 'units', NULL, NULL, NULL FROM reading
        WHERE concept = 'circuit heparin' AND plausible AND value > 0 AND h IS NOT NULL GROUP BY stay_id, h
    """)


# ---------------------------------------------------------------- output and ventilation


def read_output(work: Work) -> None:
    """Table `output`: what left the body in mL, irrigant negative; urine marked; dialysis removal included."""
    group = work.concepts.group
    urine = texts((*group("urine"), *group("irrigant_in")))
    work.db.execute(f"""
        CREATE TABLE output AS
        SELECT stay_id, h, CASE WHEN code IN ({texts(group("irrigant_in"))}) THEN -ml ELSE ml END AS ml,
               code IN ({urine}) AS urine, written
        FROM (SELECT DISTINCT stay_id, {hours("time", "intime")} AS h, code, time, ml, storetime, written
              FROM (SELECT {work.read("outputevents", "stay_id", "ident")} AS id, {code_of("itemid")} AS code,
                           {work.read("outputevents", "charttime", "moment")} AS time,
                           {work.read("outputevents", "value", "number")} AS ml, storetime, charttime AS written
                    FROM raw_outputevents) JOIN candidate ON stay_id = id
              WHERE ml >= 0 AND code NOT IN ({texts(group("not_output"))})
                    AND (h IS NULL OR (h >= from_h AND h < to_h)))
    """)
    row = work.db.execute(
        "SELECT count(*) FILTER (WHERE h IS NULL), count(*), any_value(written) FILTER (WHERE h IS NULL) FROM output"
    ).fetchone()
    assert row is not None
    work.unreadable(int(row[0]), int(row[1]), "outputevents", "charttime", row[2] or "")
    work.db.execute("""INSERT INTO output SELECT stay_id, h, max(value), false, '' FROM reading
                       WHERE concept = 'fluid removed' AND plausible AND h IS NOT NULL GROUP BY stay_id, h""")
    work.db.execute("DELETE FROM output WHERE h IS NULL")


def read_ventilation(work: Work) -> None:
    """Table `ventilation`: procedures as intervals, charted settings as moments."""
    invasive, noninvasive = (work.concepts.group(f"{kind}_ventilation") for kind in ("invasive", "noninvasive"))
    work.db.execute(f"""
        CREATE TABLE ventilation AS
        SELECT stay_id, {hours("start", "intime")} AS s, {hours("finish", "intime")} AS e,
               CASE WHEN code IN ({texts(invasive)}) THEN 'invasive' ELSE 'noninvasive' END AS kind
        FROM (SELECT {ident("stay_id")} AS stay_id, {code_of("itemid")} AS code, {moment("starttime")} AS start,
                     {moment("endtime")} AS finish FROM raw_procedureevents WHERE {KEPT})
        JOIN candidate USING (stay_id) WHERE code IN ({texts((*invasive, *noninvasive))})
    """)
    total = work.number("SELECT count(*) FROM ventilation")
    work.unreadable(work.number("SELECT count(*) FROM ventilation WHERE s IS NULL OR e IS NULL"), total,
                    "procedureevents (ventilation)", "starttime or endtime")  # fmt: skip
    work.db.execute("DELETE FROM ventilation WHERE s IS NULL OR e IS NULL OR e <= s")
    work.db.execute("""INSERT INTO ventilation SELECT DISTINCT stay_id, h, h, 'setting' FROM reading
                       WHERE concept = 'ventilator setting' AND plausible AND h IS NOT NULL""")


# ---------------------------------------------------------------- suspicion of infection


def read_infection(work: Work) -> None:
    """Tables `antibiotic` (subject_id, hadm_id, time) and `culture` (subject_id, time, day)."""
    from core.cohort.extract.infection import ANTIBIOTICS, NOT_SYSTEMIC, TOPICAL_ROUTES

    drug = "lower(drug)"
    named = " OR ".join(f"contains({drug}, '{stem}')" for stem in ANTIBIOTICS)
    local = " OR ".join(f"contains({drug}, '{word}')" for word in NOT_SYSTEMIC)
    routed = "route" in work.found["prescriptions"]
    route = (
        f"route IS NOT NULL AND trim(route) NOT IN {TOPICAL_ROUTES} AND NOT regexp_matches(lower(route), 'ear|eye')"
        if routed
        else "true"
    )
    work.db.execute(f"""
        CREATE TABLE antibiotic AS
        SELECT DISTINCT {ident("subject_id")} AS subject_id, {ident("hadm_id")} AS hadm_id, {moment("starttime")}
            AS time
        FROM raw_prescriptions WHERE ({named}) AND NOT ({local}) AND coalesce(drug_type, '') <> 'BASE' AND {route}
    """)
    total = work.number("SELECT count(*) FROM antibiotic")
    work.unreadable(
        work.number("SELECT count(*) FROM antibiotic WHERE time IS NULL"),
        total,
        "prescriptions (antibiotics)",
        "starttime",
    )
    specimen = "micro_specimen_id" if "micro_specimen_id" in work.found["microbiologyevents"] else "NULL"
    work.db.execute(f"""
        CREATE TABLE culture AS
        SELECT max({ident("subject_id")}) AS subject_id, max({moment("charttime")}) AS time,
               CAST(max({moment("chartdate")}) AS DATE) AS day
        FROM raw_microbiologyevents GROUP BY coalesce({specimen}, subject_id || chartdate || coalesce(charttime, ''))
    """)
