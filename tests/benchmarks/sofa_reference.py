"""How far the score agrees with the public reference concepts: `python -m tests.benchmarks.sofa_reference DEMO`.

The rules of the MIMIC code repository's sofa, bg, gcs, urine_output_rate and vasopressor concepts, read into plain
queries of their own, hour by hour from admission to the unit, over the open demo's stays with suspected infection.
Where the demo lacks what a concept reads, a stand-in is taken: arterial gases are the chart's, ventilation is the
charted procedure, and a verbal response of 1 while ventilated is 'No Response-ETT'. Laboratory values go by person.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohort.extract import ExtractOptions, extract, extraction
from core.cohort.extract.drugs import IN_THE_SCORE
from core.cohort.extract.grid import Steps, read_values
from core.cohort.extract.relation import texts
from core.cohort.extract.sofa import organ_points, trailing_max
from core.cohort.extract.steps import derived, organs
from core.cohort.extract.work import Work, code_of, hours, ident, moment, number

DAY = 24
ORGANS = ("respiration", "coagulation", "liver", "circulation", "nervous system", "kidney")


def compare(work: Work) -> None:
    """Print the agreement of the two, in all and by organ, with the hours that differ and in how many stays."""
    work.db.execute("""CREATE OR REPLACE TABLE selected AS SELECT stay.*, 0.0 AS origin FROM stay WHERE stay_id IN
                       (SELECT stay_id FROM suspicion JOIN candidate USING (stay_id)) ORDER BY stay_id""")
    stays = work.db.execute("SELECT stay_id, los FROM selected ORDER BY stay_id").df()
    n = int(np.ceil(stays["los"].max()))
    inside = np.arange(n) < np.ceil(stays["los"].to_numpy())[:, None]
    theirs = reference(work, stays, n)
    print(f"{len(stays)} stays, {inside.sum():,} hours")
    for name in ("reference", "standard"):
        mine = ours(replace(work, options=work.options.model_copy(update={"sofa": name})), stays, n)
        off = np.abs(sum(mine[o] - theirs[o] for o in ORGANS))[inside]
        print(f"--sofa {name}: equal {(off == 0).mean():.1%}, within 1 {(off <= 1).mean():.1%}")
        for organ in ORGANS:
            differs = (mine[organ] != theirs[organ]) & inside
            higher = (mine[organ] > theirs[organ])[differs].mean() if differs.any() else 0.0
            print(
                f"  {organ:<15} equal {1 - differs.sum() / inside.sum():.1%}; {differs.sum():,} hours of "
                f"{differs.any(axis=1).sum()} stays differ, ours is the higher in {higher:.0%}"
            )


def ours(work: Work, stays: pd.DataFrame, n: int) -> dict[str, np.ndarray]:
    """Points of each organ over the day, (stays, n)."""
    values = read_values(work, Steps(first=0.0, step=1.0, lowest=-DAY, n=n), pd.Index(stays["stay_id"]))
    body = stays.assign(weight=np.nan)
    points = organ_points(organs(derived(values, body, work.options, 1.0), body, work.options))
    return {organ: trailing_max(points[organ], DAY)[:, DAY:] for organ in ORGANS}


def reference(work: Work, stays: pd.DataFrame, n: int) -> dict[str, np.ndarray]:
    """The same by the reference's rules: hour k holds what was charted after k up to k + 1."""

    def hourly(query: str, worst: str) -> np.ndarray:
        """`query` yields stay_id, h and value."""
        table = work.db.execute(f"""SELECT stay_id, CAST(ceil(h) AS INTEGER) - 1 AS k, {worst}(value) AS value
            FROM ({query}) JOIN selected USING (stay_id)
            WHERE h > {-DAY} AND h <= {n} AND value IS NOT NULL GROUP BY ALL""").df()  # fmt: skip
        array = np.full((len(stays), n + DAY), np.nan)
        array[pd.Index(stays["stay_id"]).get_indexer(table["stay_id"]), table["k"] + DAY] = table["value"]
        return array

    points = {
        "respiration": _respiration(hourly(_gases(work, True), "min"), hourly(_gases(work, False), "min")),
        "coagulation": _count(hourly(_lab("51265"), "min"), (20, 50, 100, 150), np.less),
        "liver": _count(hourly(_lab("50885"), "max"), (1.2, 2, 6, 12), np.greater_equal),
        "circulation": _circulation(hourly, _charted(work, ("220052", "220181", "225312"), "value BETWEEN 1 AND 299")),
        "nervous system": _count(hourly(_coma(work), "min"), (6, 10, 13, 15), np.less),
        "kidney": np.maximum(
            _count(hourly(_lab("50912", 150), "max"), (1.2, 2, 3.5, 5), np.greater_equal),
            _urine(hourly(_day_of_urine(work), "max")),
        ),
    }
    return {organ: trailing_max(points[organ], DAY)[:, DAY:] for organ in ORGANS}


def _count(values: np.ndarray, cuts: tuple[float, ...], beyond: np.ufunc) -> np.ndarray:
    return np.sum([beyond(values, cut) for cut in cuts], axis=0)


def _respiration(ventilated: np.ndarray, breathing: np.ndarray) -> np.ndarray:
    """The first rule that fits, in the reference's order."""
    rules = [ventilated < 100, ventilated < 200, (breathing < 300) | (ventilated < 300),
             (breathing < 400) | (ventilated < 400)]  # fmt: skip
    return np.select(rules, [4, 3, 2, 1], 0)


def _urine(day: np.ndarray) -> np.ndarray:
    return np.select([day < 200, day < 500], [4, 3], 0)


def _circulation(hourly: Callable[[str, str], np.ndarray], pressure: str) -> np.ndarray:
    """Rates that run at the end of the hour; pressors beyond norepinephrine and epinephrine do not count."""

    def running(agent: str) -> np.ndarray:
        return hourly(
            f"""SELECT stay_id, unnest(range(CAST(floor(s) AS BIGINT) + 1, CAST(floor(e) AS BIGINT) + 1)) AS h,
                          speed AS value FROM standard WHERE agent = '{agent}' AND e > s AND speed IS NOT NULL""",
            "max",
        )

    highest = np.fmax.reduce([running(agent) for agent in IN_THE_SCORE])
    dopamine, dobutamine, low = running("dopamine"), running("dobutamine"), hourly(pressure, "min")
    rules = [(dopamine > 15) | (highest > 0.1), (dopamine > 5) | (highest > 0), (dopamine > 0) | (dobutamine > 0),
             low < 70]  # fmt: skip
    return np.select(rules, [4, 3, 2, 1], 0)


def _lab(item: str, most: float = 1e9) -> str:
    return f"""SELECT stay_id, {hours(moment("charttime"), "intime")} AS h, {number("valuenum")} AS value
               FROM raw_labevents JOIN selected ON selected.subject_id = {ident("raw_labevents.subject_id")}
               WHERE {code_of("itemid")} = '{item}' AND value > 0 AND value <= {most}"""


def _charted(work: Work, items: tuple[str, ...], rule: str = "true") -> str:
    """Values of one minute are averaged."""
    return f"""SELECT stay_id, h, avg(value) AS value FROM (
                   SELECT selected.stay_id, {hours(moment("charttime"), "intime")} AS h, {number("valuenum")} AS value
                   FROM raw_chartevents JOIN selected ON selected.stay_id = {ident("raw_chartevents.stay_id")}
                   WHERE {code_of("itemid")} IN ({texts(items)})) WHERE {rule} GROUP BY ALL"""


def _gases(work: Work, ventilated: bool) -> str:
    """PaO2/FiO2: the fraction drawn with the gas, else the last charted one of the 4 hours before."""
    scaled = "CASE WHEN value > 0.2 AND value <= 1 THEN 100 * value WHEN value BETWEEN 20 AND 100 THEN value END"
    inside = f"""EXISTS (SELECT 1 FROM raw_procedureevents AS p JOIN selected AS w
                         ON w.stay_id = {ident("p.stay_id")}
                         WHERE w.stay_id = gas.stay_id AND {code_of("p.itemid")} = '225792'
                         AND gas.h BETWEEN {hours(moment("p.starttime"), "w.intime")}
                         AND {hours(moment("p.endtime"), "w.intime")})"""
    return f"""
        WITH gas AS ({_charted(work, ("220224",))}),
        drawn AS (SELECT stay_id, h, max({scaled}) AS fraction FROM ({_lab("50816")}) GROUP BY ALL),
        charted AS (SELECT stay_id, h, max({scaled}) AS fraction FROM (
                        SELECT selected.stay_id, {hours(moment("charttime"), "intime")} AS h,
                               {number("valuenum")} AS value
                        FROM raw_chartevents JOIN selected ON selected.stay_id = {ident("raw_chartevents.stay_id")}
                        WHERE {code_of("itemid")} = '223835') GROUP BY ALL HAVING fraction IS NOT NULL)
        SELECT gas.stay_id, gas.h AS h,
               100 * gas.value / coalesce(drawn.fraction, CASE WHEN gas.h - charted.h <= 4 THEN charted.fraction END)
                   AS value
        FROM gas LEFT JOIN drawn ON gas.stay_id = drawn.stay_id AND gas.h = drawn.h
        ASOF LEFT JOIN charted ON gas.stay_id = charted.stay_id AND gas.h >= charted.h
        WHERE {"" if ventilated else "NOT"} {inside}"""


def _coma(work: Work) -> str:
    """Parts not charted are those of the row before, if within 6 hours; with a tube the scale counts as normal."""
    tube = """EXISTS (SELECT 1 FROM ventilation AS v WHERE v.stay_id = part.stay_id AND kind IN ('invasive', 'setting')
              AND v.s <= part.h AND v.e + CASE WHEN kind = 'setting' THEN 4 ELSE 0 END >= part.h)"""
    return f"""
        WITH part AS (
            SELECT stay_id, h, max(value) FILTER (WHERE concept = 'GCS motor') AS motor,
                   max(value) FILTER (WHERE concept = 'GCS verbal') AS verbal,
                   max(value) FILTER (WHERE concept = 'GCS eye') AS eye
            FROM reading WHERE starts_with(concept, 'GCS') AND plausible AND stay_id IN (SELECT stay_id FROM selected)
            GROUP BY ALL),
        base AS (SELECT * REPLACE (CASE WHEN verbal = 1 AND {tube} THEN 0 ELSE verbal END AS verbal) FROM part),
        pair AS (SELECT *, CASE WHEN lag(h) OVER w > h - 6 THEN lag(motor) OVER w END AS motor0,
                        CASE WHEN lag(h) OVER w > h - 6 THEN lag(verbal) OVER w END AS verbal0,
                        CASE WHEN lag(h) OVER w > h - 6 THEN lag(eye) OVER w END AS eye0
                 FROM base WINDOW w AS (PARTITION BY stay_id ORDER BY h))
        SELECT stay_id, h, CASE
            WHEN verbal = 0 OR (verbal IS NULL AND verbal0 = 0) THEN 15
            WHEN verbal0 = 0 THEN coalesce(motor, 6) + coalesce(verbal, 5) + coalesce(eye, 4)
            ELSE coalesce(motor, motor0, 6) + coalesce(verbal, verbal0, 5) + coalesce(eye, eye0, 4) END AS value
        FROM pair"""


def _day_of_urine(work: Work) -> str:
    """Urine of the 23 hours before a reading, scaled to 24, where the readings cover 22 to 30 hours."""
    items = {
        **dict.fromkeys(work.concepts.group("urine"), ""),
        **dict.fromkeys(work.concepts.group("irrigant_in"), "-"),
    }
    signed = " ".join(f"WHEN '{item}' THEN {sign}1" for item, sign in items.items())
    return f"""
        WITH reading_of AS (
            SELECT stay_id, h, sum(sign * ml) AS ml FROM (
                SELECT selected.stay_id, {hours(moment("charttime"), "intime")} AS h, {number("value")} AS ml,
                       CASE {code_of("itemid")} {signed} END AS sign
                FROM raw_outputevents JOIN selected ON selected.stay_id = {ident("raw_outputevents.stay_id")})
            WHERE sign IS NOT NULL GROUP BY ALL),
        begun AS (SELECT stay_id, min(h) AS since FROM reading WHERE concept = 'HR' GROUP BY ALL),
        gap AS (SELECT stay_id, h, ml, h - coalesce(lag(h) OVER (PARTITION BY stay_id ORDER BY h), since) AS gap
                FROM reading_of JOIN begun USING (stay_id))
        SELECT a.stay_id, a.h, CASE WHEN sum(b.gap) BETWEEN 22 AND 30 THEN 24 * sum(b.ml) / sum(b.gap) END AS value
        FROM gap AS a JOIN gap AS b ON a.stay_id = b.stay_id AND a.h >= b.h AND a.h <= b.h + 23 GROUP BY ALL"""


def main(demo: Path) -> None:
    find = extraction.find_sepsis3

    def compared(work: Work) -> None:
        compare(work)
        find(work)

    extraction.find_sepsis3 = compared
    try:
        extract("mimic-iv", demo, ExtractOptions(population="sepsis-3"))
    finally:
        extraction.find_sepsis3 = find


if __name__ == "__main__":
    main(Path(sys.argv[1]))
