"""Describe a cohort: Table 1, missing values, attrition, outcomes, patients in the record at each hour, actions.

`groups` is always an (N,) array of labels by patient position (phenotypes, splits, outcomes); every table starts with
the group "all". Tables are long, so that they can be filtered, joined and exported as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from core.base.shipped import shipped
from core.base.statistics import wilson
from core.base.types import Estimate
from core.cohort.cohort import Cohort
from core.cohort.hours import spans
from core.study import StudySpec
from core.tables.report import CohortReport

ALL = "all"
REFERENCE = shipped("reference")
SKEWED = 0.2  # standard deviations between mean and median from which a column's quartiles are told, too


def table_one(cohort: Cohort, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Each state column overall and by group, over recorded values only.

    Columns: column, label, unit, kind, binary, group, counted ("patients" for static columns, one value each, "steps"
    for temporal ones), n, mean, sd (n - 1), median, q1, q3, missing_percent (values that were imputed); where the study
    names published columns also mimic_iv_mean, mimic_iv_sd, eicu_mean, eicu_sd. Statistics of an empty group are NaN.
    """
    states = cohort.states.astype(np.float64)
    imputed = _imputed(cohort)
    rows = []
    for group, members in _members(cohort, groups):
        in_group = np.repeat(members, cohort.lengths)
        for j, column in enumerate(cohort.study.columns):
            pick = cohort.starts[members] if column.kind == "static" else in_group
            values, filled = states[pick, j], imputed[pick, j]
            rows.append(
                {
                    "column": column.name,
                    "label": column.label or column.name,
                    "unit": column.unit,
                    "kind": column.kind,
                    "binary": column.binary,
                    "group": group,
                    "counted": "patients" if column.kind == "static" else "steps",
                    **_statistics(values[~filled]),
                    "missing_percent": float(100 * filled.mean()) if len(filled) else np.nan,
                }
            )
    table, published = pd.DataFrame(rows), _published(cohort.study)
    return table if published is None else table.merge(published, on="column", how="left")


def table_one_text(table: pd.DataFrame) -> pd.DataFrame:
    """`table_one` as one reads it: a row a column, by group "n (%)" of binary columns, else "mean (sd)", with "; median
    [quartiles]" where the whole cohort is skewed, published values beside where known."""
    first = table[table["group"] == ALL].set_index("column")
    skewed = first.index[(first["mean"] - first["median"]).abs() > SKEWED * first["sd"]]
    shown = table.assign(text=[_in_words(row, row["column"] in skewed) for row in table.to_dict("records")])
    order = table["column"].drop_duplicates()
    wide = shown.pivot_table(index="column", columns="group", values="text", aggfunc="first", sort=False)
    wide = wide.reindex(order)[list(table["group"].drop_duplicates())]
    first = first.loc[order]
    for source in ("mimic_iv", "eicu"):
        if f"{source}_mean" in first:
            told = zip(first[f"{source}_mean"], first[f"{source}_sd"], first["binary"], strict=True)
            wide[f"published {source.replace('_', '-')}"] = [
                _share(mean) if binary else _mean_sd(mean, sd) for mean, sd, binary in told
            ]
    wide.insert(0, "unit", first["unit"])
    return wide.rename_axis(columns=None)


def missing_by_column(cohort: Cohort) -> pd.DataFrame:
    """Imputed values of each state column: column, unit, missing, missing_percent, patients_without (any value)."""
    imputed = _imputed(cohort)
    without = np.logical_and.reduceat(imputed, cohort.starts, axis=0)
    return pd.DataFrame(
        {
            "column": cohort.study.names,
            "unit": [column.unit for column in cohort.study.columns],
            "missing": imputed.sum(axis=0),
            "missing_percent": 100 * imputed.mean(axis=0),
            "patients_without": without.sum(axis=0),
        }
    )


def missing_by_hour(cohort: Cohort) -> pd.DataFrame:
    """Percentage of imputed values by state column (rows) and slot of `Cohort.axis` (columns), the last row of each
    stay in it; NaN where no patient is in the record."""
    slots, n = cohort.axis.slots, len(cohort.axis.hours)
    counts, shown = np.bincount(slots[slots >= 0], minlength=n), slots >= 0
    totals = np.zeros((n, cohort.study.n_columns))
    np.add.at(totals, slots[shown], _imputed(cohort)[shown].astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 100 * totals / counts[:, None]
    return pd.DataFrame(share.T, index=pd.Index(cohort.study.names, name="column"))


def attrition_table(report: CohortReport) -> pd.DataFrame:
    """The attrition chart as a table: reason, patients, rows (removed), patients_left, rows_left."""
    names = ["reason", "patients", "rows", "patients_left", "rows_left"]
    return pd.DataFrame([[getattr(item, name) for name in names] for item in report.attrition], columns=names)


def wilson_interval(successes: int, n: int) -> Estimate:
    """Share successes / n with its 95 % Wilson score interval; NaN where n = 0."""
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    low, high = wilson(successes, n)
    return Estimate(successes / n, float(low), float(high), n)


def outcome_by_group(cohort: Cohort, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Deaths by group: group, patients, deaths, mortality, mortality_low, mortality_high, survival (1 - mortality).

    The bounds are the 95 % Wilson interval of the mortality. No rows where the outcome does not tell who survived.
    """
    rows = []
    for group, members in _members(cohort, groups) if cohort.study.tells_survival else ():
        deaths = int(cohort.died[members].sum())
        share = wilson_interval(deaths, int(members.sum()))
        rows.append([group, share.n, deaths, share.value, share.low, share.high, 1 - share.value])
    names = ["group", "patients", "deaths", "mortality", "mortality_low", "mortality_high", "survival"]
    return pd.DataFrame(rows, columns=names)


def in_record_by_hour(cohort: Cohort, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Patients in the record at each hour: group, hours, n, share (of the group).

    These are the numbers at risk under any curve by hour: a stay that starts late counts from its first hour on. The
    layout holds one outcome a patient and no time of death or discharge, and a record ends for either reason, so a
    Kaplan-Meier curve cannot be drawn from it.
    """
    hours, (first, last) = cohort.axis.hours, spans(cohort.axis, cohort.starts).T
    tables = []
    for group, members in _members(cohort, groups):
        come, gone = (np.bincount(slot[members], minlength=len(hours) + 1) for slot in (first, last + 1))
        n = np.cumsum(come - gone)[:-1]
        share = n / max(int(members.sum()), 1)
        tables.append(pd.DataFrame({"group": group, "hours": hours, "n": n, "share": share}))
    return pd.concat(tables, ignore_index=True)


def action_shares(cohort: Cohort, groups: np.ndarray | None = None) -> pd.DataFrame:
    """How often each dose bin was given: group, action, dose (label), n (steps), share."""
    bins = range(cohort.study.n_actions)
    labels = [cohort.study.actions.label(action) for action in bins]
    tables = []
    for group, members in _members(cohort, groups):
        n = np.bincount(cohort.actions[np.repeat(members, cohort.lengths)], minlength=cohort.study.n_actions)
        tables.append(
            pd.DataFrame({"group": group, "action": bins, "dose": labels, "n": n, "share": n / max(int(n.sum()), 1)})
        )
    return pd.concat(tables, ignore_index=True)


def cohort_facts(cohort: Cohort) -> dict[str, Any]:
    """What stands at the head of every page.

    Keys: origin (text), simulated, patients, steps, steps_median, mortality, missing_percent (of the state values),
    columns, actions, data_hash.
    """
    origin = cohort.origin
    drawn = ", ".join(filter(None, (origin.like, f"seed {origin.seed}", origin.world)))
    text = f"simulated ({drawn})" if origin.simulated else origin.like or "recorded"
    return {
        "origin": text,
        "simulated": origin.simulated,
        "patients": cohort.n_patients,
        "steps": len(cohort.frame),
        "steps_median": float(np.median(cohort.lengths)),
        "mortality": cohort.mortality(),
        "missing_percent": float(100 * _imputed(cohort).mean()),
        "columns": cohort.study.n_columns,
        "actions": cohort.study.n_actions,
        "data_hash": cohort.data_hash,
    }


def _members(cohort: Cohort, groups: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (N,) bool) of all patients, then of each group in sorted order."""
    yield ALL, np.ones(cohort.n_patients, dtype=bool)
    if groups is None:
        return
    groups = np.asarray(groups)
    if groups.shape != (cohort.n_patients,):
        raise ValueError(
            f"groups has shape {groups.shape}; one label for each of {cohort.n_patients} patients is needed"
        )
    for group in np.unique(groups):
        yield str(group), groups == group


def _imputed(cohort: Cohort) -> np.ndarray:
    if cohort.imputed is None:
        return np.zeros((len(cohort.frame), cohort.study.n_columns), dtype=bool)
    return cohort.imputed


def _statistics(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {"n": 0, **dict.fromkeys(("mean", "sd", "median", "q1", "q3"), np.nan)}
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return {"n": len(values), "mean": float(values.mean()), "sd": sd, "median": median, "q1": q1, "q3": q3}


def _published(study: StudySpec) -> pd.DataFrame | None:
    """Published means of this study's columns; None for a study that names none."""
    if study.published is None or not study.published.columns:
        return None
    table = pd.read_csv(REFERENCE / study.published.columns).rename(columns={"feature": "column"})
    return table[["column", "mimic_iv_mean", "mimic_iv_sd", "eicu_mean", "eicu_sd"]]


def _in_words(row: dict[Hashable, Any], skewed: bool) -> str:
    """One cell of Table 1."""
    if row["binary"] and row["n"]:
        return f"{round(row['mean'] * row['n']):,} ({_share(row['mean'])})"
    said = _mean_sd(row["mean"], row["sd"])
    if skewed and row["n"]:
        said += f"; {row['median']:,.2f} [{row['q1']:,.2f}, {row['q3']:,.2f}]"
    return said


def _share(mean: float) -> str:
    return "–" if np.isnan(mean) else f"{100 * mean:.1f} %"


def _mean_sd(mean: float, sd: float) -> str:
    if np.isnan(mean):
        return "–"
    return f"{mean:,.2f}" if np.isnan(sd) else f"{mean:,.2f} ({sd:,.2f})"
