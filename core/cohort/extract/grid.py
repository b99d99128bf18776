"""Values of the selected stays on steps, as arrays: measurements, oxygenation, coma scale, urine, ventilation,
drugs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohort.extract.drugs import pieces, share_out
from core.cohort.extract.readings import SCORED, once_a_minute
from core.cohort.extract.relation import texts
from core.cohort.extract.work import Work

FIO2_HOURS = 4.0  # an oxygen fraction speaks for blood gases up to this much later
SETTING_HOURS = 4.0  # so long after a charted ventilator setting the patient counts as ventilated at a blood gas
COMA_HOURS = 6.0  # a part of the coma scale stands for later readings of the others up to this much
CHOSEN = "stay_id IN (SELECT stay_id FROM selected)"
URINE_COVERED = (22.0, 30.0)  # hours that the urine of a day must cover


@dataclass(frozen=True)
class Steps:
    """Steps k = lowest..n - 1 of `step` hours; step 0 begins `first` hours after a stay's `origin`."""

    first: float
    step: float
    lowest: int
    n: int

    @property
    def width(self) -> int:
        return self.n - self.lowest

    @property
    def begin(self) -> float:
        return self.first + self.lowest * self.step

    @property
    def end(self) -> float:
        return self.first + self.n * self.step

    def index(self, h: str) -> str:
        """SQL: step of a time in hours from admission."""
        return f"CAST(floor(({h} - origin - ({self.first})) / {self.step}) AS INTEGER)"

    def holds(self, h: str) -> str:
        """SQL: whether a time lies in the steps."""
        return f"({h} - origin >= {self.begin} AND {h} - origin < {self.end})"


@dataclass(frozen=True)
class Values:
    """Arrays (stays, steps.width) by name, NaN where nothing is known; `latest`: its hours from origin."""

    at: dict[str, np.ndarray]
    latest: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.at[name]


AGGREGATES = {"mean": "mean", "last": "last", "min": "low", "max": "high", "first": "last", "median": "mean"}
SUMMED = ("MBP", "Platelets", "Bilirubin", "Creatinine", "fluid removed")  # of SCORED, by step
EXTRA = (
    ("lowest MBP", "MBP", "low"),
    ("lowest Platelets", "Platelets", "low"),
    ("highest Creatinine", "Creatinine", "high"),
)


def gather(work: Work, scored_alone: bool = False) -> None:
    """Tables `measured`, `running`, `drained` and `supported`: what is known of the stays of table `selected`.

    `read_values` asks them for these stays or for some of them. scored_alone: only what the SOFA score needs.
    """
    row = work.db.execute("SELECT min(subject_id), max(subject_id) FROM selected").fetchone()
    assert row is not None
    of_score = f"AND concept IN ({texts(SCORED)})" if scored_alone else ""
    # The range of persons lets the engine skip what lies elsewhere.
    near = f"(SELECT * FROM recorded WHERE subject_id BETWEEN $1 AND $2 AND {CHOSEN} {of_score})"
    work.db.execute(f"CREATE OR REPLACE TEMP TABLE measured AS {once_a_minute(work, near)}", list(row))
    pressors = "AND speed IS NOT NULL" if scored_alone else ""
    work.db.execute(f"""
        CREATE OR REPLACE TEMP TABLE running AS
        SELECT stay_id, agent, kind, s, e, ml, speed, rate, how, units FROM standard WHERE {CHOSEN} {pressors}""")
    for name, table in (("drained", "output"), ("supported", "ventilation")):
        work.db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {table} WHERE {CHOSEN}")


def read_values(work: Work, steps: Steps, stays: pd.Index, scored_alone: bool = False) -> Values:
    """What was measured and given in the steps, for the stays of table `selected` in the order of `stays`; after
    `gather`.

    scored_alone: only what the SOFA score needs; doses and fluids are then empty.
    """
    at: dict[str, np.ndarray] = {}
    latest: dict[str, np.ndarray] = {}
    concepts = {n: c for n, c in work.concepts.concepts.items() if not scored_alone or n in SUMMED}
    table = work.db.execute(f"""
        SELECT stay_id, concept, k, mean, last, low, high, latest FROM (
            SELECT stay_id, concept, {steps.index("h")} AS k, rank, avg(value) AS mean, arg_max(value, h) AS last,
                   min(value) AS low, max(value) AS high, max(h) - any_value(origin) AS latest
            FROM measured JOIN selected USING (stay_id)
            WHERE plausible AND {steps.holds("h")} AND concept IN ({texts(list(concepts))}) GROUP BY ALL)
        QUALIFY rank = min(rank) OVER (PARTITION BY stay_id, concept, k)
    """).df()
    named = dict(tuple(table.groupby("concept", observed=True)))
    for name, concept in concepts.items():
        part = named.get(name, table[:0])
        at[name] = _fill(part, AGGREGATES[concept.aggregate], steps, stays)
        latest[name] = _fill(part, "latest", steps, stays)
    for name, concept_name, column in EXTRA:
        at[name] = _fill(named.get(concept_name, table[:0]), column, steps, stays)
    share_out(work, steps.first, steps.step, steps.lowest, steps.n)
    for query in (
        "SELECT * FROM given_steps",
        _drained(steps),
        _supported(steps),
        _oxygenation(work, steps),
        _coma(steps),
        _urine(steps),
    ):
        part = work.db.execute(query).df()
        for column in part.columns.drop(["stay_id", "k"]):
            at[column] = _fill(part, column, steps, stays)
    return Values(at, latest)


def _fill(part: pd.DataFrame, column: str, steps: Steps, stays: pd.Index) -> np.ndarray:
    array = np.full((len(stays), steps.width), np.nan, dtype=np.float32)
    row, k = stays.get_indexer(pd.Index(part["stay_id"])), part["k"].to_numpy(np.int64) - steps.lowest
    array[row, k] = part[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return array


def _drained(steps: Steps) -> str:
    return f"""SELECT stay_id, {steps.index("h")} AS k, greatest(sum(ml), 0) AS "Total Output"
               FROM drained JOIN selected USING (stay_id) WHERE {steps.holds("h")} GROUP BY ALL"""


def _supported(steps: Steps) -> str:
    """Steps that a ventilation procedure overlaps, or in which a ventilator setting was charted."""
    parts = pieces("supported", steps.first, steps.step, steps.lowest, steps.n)
    return f"""SELECT stay_id, CAST(k AS INTEGER) AS k, 1.0 AS "Ventilation" FROM ({parts})
               WHERE overlap > 0 OR kind = 'setting' GROUP BY ALL"""


def _ventilated(work: Work, h: str) -> str:
    """SQL: whether a stay was ventilated at a moment; the reference's score counts no ventilation by mask."""
    kinds = "kind IN ('invasive', 'setting')" if work.options.sofa == "reference" else "true"
    return f"""EXISTS (SELECT 1 FROM supported AS v WHERE v.stay_id = gas.stay_id AND {kinds} AND v.s <= {h}
                       AND v.e + CASE WHEN kind = 'setting' THEN {SETTING_HOURS} ELSE 0 END >= {h})"""


def _oxygenation(work: Work, steps: Steps) -> str:
    """Lowest PaO2/FiO2 of a step in mmHg, by whether the patient was ventilated when the gas was drawn."""

    def measured(concept: str) -> str:
        return f"""SELECT stay_id, h, avg(value) AS value FROM measured
                   WHERE concept = '{concept}' AND plausible AND h IS NOT NULL AND {CHOSEN} GROUP BY ALL"""

    return f"""
        WITH gas AS ({measured("PaO2")}), fraction AS ({measured("FiO2")}),
        ratio AS (
            SELECT gas.stay_id, gas.h, 100 * gas.value / fraction.value AS ratio,
                   {_ventilated(work, "gas.h")} AS ventilated
            FROM gas ASOF JOIN fraction ON gas.stay_id = fraction.stay_id AND gas.h >= fraction.h
            WHERE gas.h - fraction.h <= {FIO2_HOURS})
        SELECT stay_id, {steps.index("h")} AS k, min(ratio) FILTER (WHERE ventilated) AS "ratio ventilated",
               min(ratio) FILTER (WHERE NOT ventilated) AS "ratio breathing"
        FROM ratio JOIN selected USING (stay_id) WHERE {steps.holds("h")} GROUP BY ALL"""


def _coma(steps: Steps) -> str:
    """Lowest Glasgow Coma Scale of a step.

    A part not charted with the others is the last one of the hours before, else normal. A patient who cannot speak for
    a
    tube is not scored: 'No Response-ETT', or a verbal response of 1 while invasively ventilated.
    """
    recent = f"OVER (PARTITION BY stay_id ORDER BY h RANGE BETWEEN {COMA_HOURS} PRECEDING AND CURRENT ROW)"
    return f"""
        WITH charted AS (
            SELECT stay_id, h, min(value) FILTER (WHERE concept = 'GCS eye') AS eye,
                   min(value) FILTER (WHERE concept = 'GCS verbal') AS verbal,
                   min(value) FILTER (WHERE concept = 'GCS motor') AS motor, bool_or(tube) AS tube
            FROM measured
            WHERE concept IN ('GCS eye', 'GCS verbal', 'GCS motor') AND {CHOSEN} AND plausible AND h IS NOT NULL
            GROUP BY ALL),
        carried AS (
            SELECT stay_id, h, coalesce(last_value(eye IGNORE NULLS) {recent}, 4) AS eye,
                   coalesce(last_value(verbal IGNORE NULLS) {recent}, 5) AS verbal,
                   coalesce(last_value(motor IGNORE NULLS) {recent}, 6) AS motor,
                   coalesce(last_value(CASE WHEN verbal IS NOT NULL THEN tube END IGNORE NULLS) {recent}, false) AS tube
            FROM charted)
        SELECT stay_id, {steps.index("h")} AS k, min(eye + verbal + motor) AS coma
        FROM carried AS gas JOIN selected USING (stay_id)
        WHERE {steps.holds("h")} AND NOT tube AND NOT (verbal = 1 AND EXISTS (
            SELECT 1 FROM supported AS v WHERE v.stay_id = gas.stay_id AND kind IN ('invasive', 'setting')
                AND v.s <= h
            AND v.e + CASE WHEN kind = 'setting' THEN {SETTING_HOURS} ELSE 0 END >= h)) GROUP BY ALL"""


def _urine(steps: Steps) -> str:
    """Lowest urine of a day in mL among a step's readings: the sum of the 24 h before, scaled to the hours it covers.

    The first reading covers the hours since the first heart rate, where the unit's charting began.
    """
    day = "OVER (PARTITION BY stay_id ORDER BY h RANGE BETWEEN 23 PRECEDING AND CURRENT ROW)"
    return f"""
        WITH charted AS (
            SELECT stay_id, h, greatest(sum(ml), 0) AS ml FROM drained WHERE urine AND {CHOSEN} GROUP BY ALL),
        begun AS (SELECT stay_id, min(h) AS since FROM measured WHERE concept = 'HR' AND {CHOSEN} GROUP BY ALL),
        spaced AS (
            SELECT stay_id, h, ml,
                   greatest(h - coalesce(lag(h) OVER (PARTITION BY stay_id ORDER BY h), since, 0), 0) AS gap
            FROM charted LEFT JOIN begun USING (stay_id)),
        summed AS (SELECT stay_id, h, sum(ml) {day} AS ml, sum(gap) {day} AS covered FROM spaced)
        SELECT stay_id, {steps.index("h")} AS k, min(24 * ml / covered) AS urine
        FROM summed JOIN selected USING (stay_id)
        WHERE covered BETWEEN {URINE_COVERED[0]} AND {URINE_COVERED[1]} AND {steps.holds("h")} GROUP BY ALL"""
