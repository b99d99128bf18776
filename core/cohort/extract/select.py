"""Which stays enter the cohort, when their onset is, and what each criterion removed.

Low platelets: the first count below the threshold from `lookback_hours` before admission to the unit to discharge; one
from
before admission counts at admission, where the unit's observation begins. Diagnosis codes carry no time: they say who
is
included, platelets say when. Sepsis-3 has its own time, that of the suspicion of infection.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from core.cohort.extract.grid import Steps, gather, read_values
from core.cohort.extract.infection import AFTER, BEFORE
from core.cohort.extract.steps import derived
from core.cohort.extract.work import Work
from core.tables.report import Exclusion

AT_ONCE = 2000  # stays scored together, of similar length
GATHERED = 10_000  # stays whose readings are gathered together
USABLE = "los > 0"
SEPTIC_SOFA = 2


def eligible(work: Work, population: str) -> str:
    """SQL: the criteria that need no measurement."""
    rules = [USABLE, "NOT dead_before", f"age >= {work.options.min_age}"]
    if population == "codes":
        rules.append("coded")
    if population == "sepsis-3":
        rules.append("stay_id IN (SELECT stay_id FROM suspicion)")
    return " AND ".join(rules)


def find_low_platelets(work: Work) -> None:
    """Table `low` (stay_id, h, in_unit): the first low count of each stay."""
    work.db.execute(f"""
        CREATE TABLE low AS
        SELECT stay_id, greatest(min(h), 0) AS h, max(h) >= 0 AS in_unit FROM reading JOIN stay USING (stay_id)
        WHERE concept = 'Platelets' AND value >= 0 AND value < {work.options.platelet_threshold}
          AND h >= {-work.options.lookback_hours} AND h <= los GROUP BY stay_id
    """)


def limit_candidates(work: Work, population: str) -> None:
    """Candidates with low platelets are read to the end of their window, suspected ones to the end of their scoring.

    Only those with low platelets can enter the cohort, and are read `whole`; the others are scored and counted.
    """
    end = work.window.end
    if population != "sepsis-3":
        work.db.execute(f"""CREATE OR REPLACE TABLE candidate AS
                            SELECT candidate.* REPLACE (least(los, low.h + {end}) AS to_h)
                            FROM candidate JOIN low USING (stay_id) ORDER BY subject_id, stay_id""")
        return
    latest = {"platelets": "low.h", "infection": "last", "later": "greatest(low.h, last)"}[work.options.onset]
    reach = f"greatest(last + {AFTER}, CASE WHEN low.h IS NOT NULL THEN {latest} + {end} END)"
    work.db.execute(f"""CREATE OR REPLACE TABLE candidate AS
                        SELECT candidate.* REPLACE (least(los, {reach}) AS to_h, low.h IS NOT NULL AS whole)
                        FROM candidate JOIN (SELECT stay_id, greatest(max(h), 0) AS last FROM suspicion
                                             GROUP BY stay_id) USING (stay_id)
                        LEFT JOIN low USING (stay_id) ORDER BY subject_id, stay_id""")


def find_sepsis3(work: Work) -> None:
    """Table `septic` (stay_id, h): the first suspicion of infection with a SOFA of 2 or more around it.

    Scored as in the reference, whatever score the states hold. A stay without any charted heart rate was not observed
    in
    the unit, and is not scored.
    """
    work = replace(work, options=work.options.model_copy(update={"sofa": "reference"}))
    work.db.execute("CREATE TABLE septic AS SELECT stay_id, NULL::DOUBLE AS h FROM stay WHERE false")
    found = work.db.execute(f"""
        SELECT stay_id, h, least(los, max(h) OVER (PARTITION BY stay_id) + {AFTER}) AS until
        FROM suspicion JOIN candidate USING (stay_id)
        WHERE stay_id IN (SELECT stay_id FROM recorded WHERE concept = 'HR') ORDER BY subject_id, stay_id, h""").df()
    stays = found["stay_id"].unique()
    for begin in range(0, len(stays), GATHERED):
        near = stays[begin : begin + GATHERED]  # in the order of persons
        _choose(work, near)
        gather(work, scored_alone=True)
        rows = found[found["stay_id"].isin(near)].sort_values(["until", "stay_id", "h"])
        by_length = rows["stay_id"].unique()
        for first in range(0, len(by_length), AT_ONCE):
            _score(work, rows[rows["stay_id"].isin(by_length[first : first + AT_ONCE])])


def _choose(work: Work, stays: np.ndarray) -> None:
    """Table `selected`: these stays, from their admission."""
    work.db.register("near", pd.DataFrame({"stay_id": stays}))
    work.db.execute("""CREATE OR REPLACE TABLE selected AS SELECT stay.*, 0.0 AS origin FROM stay
                       WHERE stay_id IN (SELECT stay_id FROM near) ORDER BY stay_id""")
    work.db.unregister("near")


def _score(work: Work, suspicions: pd.DataFrame) -> None:
    """Add the stays whose hourly SOFA reaches 2 within the hours around a suspicion.

    suspicions: stay_id, h, and `until`, the hour up to which the stay is scored.
    """
    stays = suspicions["stay_id"].drop_duplicates().sort_values().to_numpy()
    _choose(work, stays)
    n = max(int(np.ceil(suspicions["until"].max())), 1)
    values = read_values(work, Steps(first=0.0, step=1.0, lowest=-24, n=n), pd.Index(stays), scored_alone=True)
    body = work.db.execute(
        "SELECT stay_id, weight FROM body WHERE stay_id IN (SELECT stay_id FROM selected) ORDER BY stay_id"
    ).df()
    high = derived(values, body, work.options, 1.0)["SOFA"][:, 24:] >= SEPTIC_SOFA  # [:, k] is of the hour k..k + 1
    reached = np.pad(high.cumsum(axis=1), ((0, 0), (1, 0)))
    row, h = np.searchsorted(stays, suspicions["stay_id"]), suspicions["h"].to_numpy()
    first = np.clip(np.ceil(h - BEFORE) - 1, 0, n).astype(int)
    last = np.minimum(np.floor(h + AFTER), np.ceil(suspicions["until"])).clip(0, n).astype(int)
    work.db.register("found", suspicions[reached[row, last] > reached[row, np.minimum(first, last)]])
    work.db.execute("INSERT INTO septic SELECT stay_id, min(h) FROM found GROUP BY stay_id")
    work.db.unregister("found")


def select_stays(work: Work, population: str) -> list[Exclusion]:
    """Table `selected` (stays with `origin`, their onset) and the attrition up to it."""
    options = work.options
    criteria = [
        ("no usable admission or discharge time", USABLE),
        ("a recorded death before admission to the unit", "NOT dead_before"),
        (f"younger than {options.min_age} years, or of unknown age", f"age >= {options.min_age}"),
    ]
    if population == "codes":
        criteria.append(("no diagnosis of sepsis", "coded"))
    if population == "sepsis-3":
        criteria.append(("no suspected infection", "suspected"))
        criteria.append((f"no SOFA of {SEPTIC_SOFA} or more around a suspected infection", "infected IS NOT NULL"))
    low = f"no platelets below {options.platelet_threshold:g} from {options.lookback_hours:g} h before admission"
    criteria.append((low, "low_h IS NOT NULL"))
    if work.number(f"SELECT count(*) FROM stay WHERE {died(work)} IS NULL"):
        criteria.append(("no recorded outcome", f"{died(work)} IS NOT NULL"))
    if options.first_stay_only:
        criteria.append(("not the first such stay of the patient", "nth = 1"))
    work.db.execute(f"""CREATE OR REPLACE TABLE selected AS SELECT *, {_onset(work)} AS origin FROM (
        SELECT stay.*, low.h AS low_h, {_infected(population)} FROM stay LEFT JOIN low
            USING (stay_id) {_joined(population)})""")
    chart = [Exclusion("all ICU stays", 0, 0, *_size(work))]
    for reason, rule in criteria:
        work.db.execute(f"""
            CREATE OR REPLACE TABLE selected AS SELECT * EXCLUDE (nth) FROM (
                SELECT *, row_number() OVER (PARTITION BY subject_id ORDER BY intime, stay_id) AS nth FROM selected)
            WHERE {rule}
        """)
        chart.append(exclusion(chart[-1], reason, *_size(work)))
    return chart


def _infected(population: str) -> str:
    if population != "sepsis-3":
        return "NULL::DOUBLE AS infected, false AS suspected"
    return "septic.h AS infected, stay_id IN (SELECT stay_id FROM suspicion) AS suspected"


def _joined(population: str) -> str:
    return "LEFT JOIN septic USING (stay_id)" if population == "sepsis-3" else ""


def _onset(work: Work) -> str:
    """SQL: hours from admission; a suspicion from before admission counts at admission."""
    infected = "greatest(infected, 0)"
    return {"platelets": "low_h", "infection": infected, "later": f"greatest(low_h, {infected})"}[work.options.onset]


def exclusion(before: Exclusion, reason: str, stays: int, steps: int) -> Exclusion:
    """The next line of the attrition chart."""
    return Exclusion(reason, before.patients_left - stays, before.rows_left - steps, stays, steps)


def _size(work: Work) -> tuple[int, int]:
    """Stays selected so far, and the steps they spent in the unit."""
    steps = f"ceil(greatest(leave, 0) / {work.window.step})"
    row = work.db.execute(f"SELECT count(*), coalesce(sum({steps}), 0) FROM selected").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def count_source(work: Work) -> None:
    """Totals over all stays of the source, whatever the options select."""
    row = work.db.execute(f"""
        SELECT count(*), count(DISTINCT subject_id), count(*) FILTER (WHERE coded), count(low.stay_id),
               count(*) FILTER (WHERE in_unit), count(low.stay_id) FILTER (WHERE coded),
               count(*) FILTER (WHERE coded AND in_unit), count(*) FILTER (WHERE {died(work)} AND NOT dead_before)
        FROM stay LEFT JOIN low USING (stay_id)
    """).fetchone()
    assert row is not None
    names = ("stays", "patients", "sepsis", "low_platelets", "low_platelets_in_unit", "sepsis_low_platelets",
             "sepsis_low_platelets_in_unit", "died")  # fmt: skip
    work.counts.update(zip(names, map(int, row), strict=True))


def died(work: Work) -> str:
    """SQL: the outcome of a stay."""
    outcome = work.options.outcome or work.concepts.outcome
    within = f"coalesce(death <= {24 * work.options.mortality_days}, false)"
    return {"days": within, "icu": "died_in_unit", "hospital": "died_in_hospital"}[outcome]
