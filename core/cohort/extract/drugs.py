"""Heparin in units, vasopressors as rates, fluids in mL, whatever unit the record uses; each entry says how it was
    read.

Heparin, by the first rule that fits (`how`):
  dose          a dose charted by number: `prophylaxis_units` each
  amount        an amount in units; without any unit an amount is in units, or of subcutaneous doses where it is at
  most 10
  rate          rate x time, in units/h, units/min or units/kg/h; without a unit up to 60 is units/kg/h, more units/h
  volume        mL times `heparin_units_per_ml`
  contradicted  amount and rate x time differ more than twofold: the amount where it is a usual one (50 to 6,000
  units/h, or
                100 to 10,000 within an hour), else rate x time where that is
  unresolved    none of these: never taken for "no heparin"
"""

from __future__ import annotations

from core.cohort.extract.options import HEPARIN_KINDS, ExtractOptions
from core.cohort.extract.work import Work

HIGHEST_WEIGHT_BASED_RATE = 60  # units/kg/h of heparin; usual drips run at 10-20 units/kg/h, or 500-2500 units/h
MOST_DOSES = 10  # a subcutaneous amount above this is in units
USUAL_DRIP = (50, 6000)  # units/h
USUAL_BOLUS = (100, 10_000)  # units
AGREE = 2.0
AS_UNITS = "('units', 'unit', 'u', 'iu', 'unt')"
# Norepinephrine equivalents: ug/kg/min each, vasopressin per unit/min (Goradia et al. 2021; MIMIC code repository).
EQUIVALENT = {"norepinephrine": 1.0, "epinephrine": 1.0, "phenylephrine": 0.1, "dopamine": 0.01, "vasopressin": 2.5}
IN_THE_SCORE = ("norepinephrine", "epinephrine")  # the pressors that the score of 1996 names, beside dopamine


SAID = {
    "contradicted": "contradict themselves: amount and rate x time differ more than twofold; the amount is taken "
    "where it is a "
    "usual one, else rate x time",
    "unresolved": "of the kinds that count cannot be resolved into units (of those in mL, --heparin-units-per-ml can)",
}


def standardize(work: Work) -> None:
    """Table `standard`: entries with heparin in `units` and `how` it was read, `ml` of fluid, a pressor's `speed`."""
    _weights(work)
    work.db.execute(f"""
        CREATE TABLE standard AS
        SELECT stay_id, agent, kind, s, e, {_milliliters()} AS ml, {_speed()} AS speed, rate,
               CASE WHEN agent = 'heparin' THEN {_how()} END AS how,
               CASE WHEN agent = 'heparin' THEN {_units()} END AS units, amount, amount_unit, rate_unit
        FROM (SELECT *, {_by_amount(work.options)} AS by_amount, {_by_rate(work.options)} AS by_rate FROM weighed)
    """)
    _count(work)


def _weights(work: Work) -> None:
    """Table `weighed`: entries with the charted weight, where it is one, else the stay's."""
    work.db.execute("""CREATE TABLE weighed AS SELECT entry.* REPLACE (CASE WHEN weight > 1 THEN weight
        ELSE body_weight END AS weight),
                       coalesce(weight = 1, false) AS weight_is_1
                       FROM entry LEFT JOIN (SELECT stay_id, weight AS body_weight FROM body) USING (stay_id)""")


def _by_amount(options: ExtractOptions) -> str:
    concentration = "NULL" if options.heparin_units_per_ml is None else str(options.heparin_units_per_ml)
    return f"""CASE
        WHEN amount < 0 OR amount IS NULL THEN NULL
        WHEN amount_unit = 'dose' OR (amount_unit IS NULL AND kind = 'subcutaneous' AND amount <= {MOST_DOSES})
            THEN amount * {options.prophylaxis_units}
        WHEN coalesce(amount_unit, 'units') IN {AS_UNITS} THEN amount
        WHEN amount_unit = 'ml' THEN amount * {concentration} END"""


def _by_rate(options: ExtractOptions) -> str:
    concentration = "NULL" if options.heparin_units_per_ml is None else str(options.heparin_units_per_ml)
    return f"""CASE
        WHEN rate IS NULL OR rate < 0 OR e <= s THEN NULL
        WHEN rate_unit IN ('units/kg/hour', 'units/kg/hr', 'units/kg/h')
             OR (rate_unit IS NULL AND amount_unit IS DISTINCT FROM 'ml' AND rate <= {HIGHEST_WEIGHT_BASED_RATE})
            THEN rate * weight * (e - s)
        WHEN rate_unit IN ('units/hour', 'units/hr', 'units/h', 'u/hr') OR (rate_unit IS NULL
            AND amount_unit IS DISTINCT FROM 'ml')
            THEN rate * (e - s)
        WHEN rate_unit = 'units/min' THEN rate * 60 * (e - s)
        WHEN rate_unit = 'units/kg/min' THEN rate * weight * 60 * (e - s)
        WHEN rate_unit IN ('ml/hour', 'ml/hr', 'ml/h') THEN rate * {concentration} * (e - s) END"""


CONTRADICTED = f"""(kind IN ('drip', 'bolus') AND by_amount > 0 AND by_rate > 0
                    AND (by_amount / by_rate > {AGREE} OR by_rate / by_amount > {AGREE}))"""
RATE_IS_USUAL = f"by_rate / (e - s) BETWEEN {USUAL_DRIP[0]} AND {USUAL_DRIP[1]}"
AMOUNT_IS_USUAL = f"""(by_amount / (e - s) BETWEEN {USUAL_DRIP[0]} AND {USUAL_DRIP[1]}
                       OR (e - s <= 1 AND by_amount BETWEEN {USUAL_BOLUS[0]} AND {USUAL_BOLUS[1]}))"""


def _how() -> str:
    return f"""CASE
        WHEN amount < 0 THEN 'canceled'
        WHEN {CONTRADICTED} THEN CASE WHEN {AMOUNT_IS_USUAL} OR {RATE_IS_USUAL} THEN 'contradicted'
            ELSE 'unresolved' END
        WHEN by_amount IS NOT NULL THEN CASE WHEN amount_unit = 'ml' THEN 'volume'
            WHEN amount_unit = 'dose' OR (amount_unit IS NULL AND kind = 'subcutaneous' AND amount <= {MOST_DOSES})
                THEN 'dose'
            ELSE 'amount' END
        WHEN by_rate IS NOT NULL THEN CASE WHEN starts_with(rate_unit, 'ml') THEN 'volume' ELSE 'rate' END
        ELSE 'unresolved' END"""


def _units() -> str:
    """Heparin in units; NULL where unresolved."""
    return f"""CASE WHEN amount < 0 THEN 0
        WHEN {CONTRADICTED} THEN CASE WHEN {AMOUNT_IS_USUAL} THEN by_amount WHEN {RATE_IS_USUAL} THEN by_rate END
        ELSE coalesce(by_amount, by_rate) END"""


def _milliliters() -> str:
    """Volume in mL; 0 for drugs recorded by mass, whose fluid has its own entry, and for what came before the unit."""
    return """CASE
        WHEN agent = 'pre-admission' OR amount <= 0 THEN 0
        WHEN amount_unit = 'ml' THEN amount
        WHEN amount_unit = 'l' THEN 1000 * amount
        WHEN amount_unit = 'ounces' THEN 29.5735 * amount ELSE 0 END"""


def _speed() -> str:
    """Rate in ug/kg/min, of vasopressin in units/min; NULL for other agents and unknown units.

    A rate in mg/kg/min with a weight of 1 was charted for ug/kg/min, as the reference concepts take it.
    """
    agents = ", ".join(f"'{agent}'" for agent in (*EQUIVALENT, "dobutamine") if agent != "vasopressin")
    return f"""CASE
        WHEN rate <= 0 THEN NULL
        WHEN agent = 'vasopressin' THEN CASE
            WHEN rate_unit = 'units/min' THEN rate
            WHEN coalesce(rate_unit, 'units/hour') IN ('units/hour', 'units/hr', 'units/h') THEN rate / 60 END
        WHEN agent IN ({agents}) THEN CASE
            WHEN coalesce(rate_unit, 'mcg/kg/min') IN ('mcg/kg/min', 'ug/kg/min') THEN rate
            WHEN rate_unit IN ('mcg/kg/hour', 'mcg/kg/hr') THEN rate / 60
            WHEN rate_unit = 'mg/kg/min' AND weight_is_1 THEN rate
            WHEN rate_unit = 'mg/kg/min' THEN rate * 1000
            WHEN rate_unit = 'mg/kg/hr' THEN rate * 1000 / 60
            WHEN rate_unit IN ('mcg/min', 'ug/min') THEN rate / weight
            WHEN rate_unit IN ('mcg/hr', 'mcg/hour') THEN rate / 60 / weight
            WHEN rate_unit IN ('mg/hour', 'mg/hr') THEN rate * 1000 / 60 / weight
            WHEN rate_unit = 'mg/min' THEN rate * 1000 / weight END
        END"""


def _count(work: Work) -> None:
    """Counts by kind, and sentences on entries that contradict themselves or stay unresolved."""
    total = work.number("SELECT count(*) FROM standard WHERE agent = 'heparin'")
    for kind in HEPARIN_KINDS:
        work.counts[f"heparin_{kind}_entries"] = work.number(
            f"SELECT count(*) FROM standard WHERE agent = 'heparin' AND kind = '{kind}'"
        )
    on = ", ".join(f"'{kind}'" for kind in work.options.kinds) or "NULL"
    for how, said in SAID.items():
        of_kind = f"AND kind IN ({on})" if how == "unresolved" else ""
        rows = work.number(f"SELECT count(*) FROM standard WHERE how = '{how}' {of_kind}")
        work.counts[f"heparin_{how}"] = rows
        work.lose(rows, total, "entries of heparin", said)
    agents = ", ".join(f"'{agent}'" for agent in (*EQUIVALENT, "dobutamine"))
    drugs = work.number(f"SELECT count(*) FROM standard WHERE agent IN ({agents})")
    unknown = work.number(f"SELECT count(*) FROM standard WHERE agent IN ({agents}) AND rate > 0 AND speed IS NULL")
    work.counts["pressor_unresolved"] = unknown
    work.lose(
        unknown,
        drugs,
        "entries of vasopressors",
        "have a rate in a unit that cannot be resolved; Vasopressor is missing there",
    )


def share_out(work: Work, first: float, step: float, lowest: int, n_steps: int) -> None:
    """Table `given_steps`: what each selected stay got in each step k.

    An entry over [s, e) gives step k the part overlap(k) / (e - s) of its amount, and its rate times overlap(k) / step.
    What is given at once counts in the step in which it starts. first: start of step 0 in hours from `origin`. A peak
    is the highest rate within the step; for the reference's score, of those that run at the end of one of its hours.
    """
    kinds = ", ".join(f"sum(share * units) FILTER (WHERE kind = '{kind}') AS \"dose {kind}\"" for kind in HEPARIN_KINDS)
    factor = "CASE agent " + " ".join(f"WHEN '{agent}' THEN {f}" for agent, f in EQUIVALENT.items()) + " END"
    begin = f"(origin + {first} + k * {step})"
    at_an_hours_end = f"floor(least(e, {begin} + {step}) - {begin}) > floor(greatest(s, {begin}) - {begin})"
    seen = at_an_hours_end if work.options.sofa == "reference" else "true"
    peaks = ", ".join(
        f"max(speed) FILTER (WHERE agent = '{agent}' AND {seen}) AS \"peak {agent}\""
        for agent in (*EQUIVALENT, "dobutamine")
    )
    on = ", ".join(f"'{kind}'" for kind in work.options.kinds) or "NULL"
    work.db.execute(f"""
        CREATE OR REPLACE TEMP TABLE given_steps AS
        SELECT stay_id, CAST(k AS INTEGER) AS k, {kinds}, sum(share * ml) AS "Total Input",
               sum(overlap * speed * {factor}) / {step} AS "Vasopressor", {peaks},
               count(*) FILTER (WHERE how = 'unresolved' AND kind IN ({on})) AS "unresolved heparin",
               count(*) FILTER (WHERE speed IS NULL AND rate > 0
                   AND agent IN ({", ".join(f"'{a}'" for a in EQUIVALENT)})) AS "unresolved pressor"
        FROM ({pieces("running", first, step, lowest, n_steps)}) GROUP BY stay_id, k
    """)


def pieces(table: str, first: float, step: float, lowest: int, n_steps: int) -> str:
    """SQL: rows of `table` (s, e) once per step they overlap, with overlap in hours and share of the whole."""
    at = f"CAST(floor((s - origin - ({first})) / {step}) AS INTEGER)"
    before_end = f"CAST(ceil((e - origin - ({first})) / {step}) AS INTEGER) - 1"
    begin = f"(origin + {first} + k * {step})"
    return f"""
        SELECT *, CASE WHEN e > s THEN overlap / (e - s) ELSE 1 END AS share FROM (
            SELECT *, greatest(least(e, {begin} + {step}) - greatest(s, {begin}), 0) AS overlap
            FROM (SELECT *, unnest(range(greatest({at}, {lowest}), least(greatest({before_end}, {at}),
                {n_steps - 1}) + 1)) AS k
                  FROM {table} JOIN selected USING (stay_id)))"""
