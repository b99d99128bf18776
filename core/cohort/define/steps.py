"""How long a step is and how many a stay has, from a file's times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohort.define.roles import Roles
from core.tables.known_names import loose
from core.tables.steps import IN_HOURS
from core.tables.structure import is_time
from core.tables.times import read_times
from core.tables.values import read_cells

LENGTHS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0)  # hours of a step, to choose from
MOST_STEPS = 100  # of nearly every stay: encoder and agents learn from all steps
LONGEST = 2.0  # times the 95 % point of stay lengths, beyond which stays are cut
ASSUMED = 4.0  # hours, where a file does not tell
SECONDS = {"seconds": 1 / 3600}
EPOCH = 1e8  # numbers above it count seconds from an epoch
UNITS = (("minute", "minutes"), ("min", "minutes"), ("hour", "hours"), ("hr", "hours"), ("day", "days"))
HOURLY = ("hour", "hr", "iculos")  # parts of the name of a column that counts hours


@dataclass(frozen=True)
class Length:
    """Hours a step, and why."""

    hours: float
    evidence: str


def step_length(table: pd.DataFrame, roles: Roles, told: float | None) -> Length:
    """As told; else by the time that steps are made from, or by one that stands beside the steps; else assumed."""
    if told is not None:
        return Length(told, "as asked")
    stay = pd.factorize(table[roles.stay])[0]
    rule = roles.sections.get("time")
    if rule is not None:
        hours = _hours(table[rule["column"]], rule.get("kind", "datetime"))
        gap, span = _gap(hours, stay), _span(hours, stay)
        fit = next((n for n in LENGTHS if n >= 0.99 * gap and span / n <= MOST_STEPS), LENGTHS[-1])
        return Length(
            fit, f"half of the rows of '{rule['column']}' come within {gap:.3g} h; 95 % of stays are under {span:.3g} h"
        )
    for name in table.columns:
        kind = "" if name in roles.used or name in roles.known else _kind(table[name], name)
        hours = _hours(table[name], kind) if kind else np.full(len(table), np.nan)
        if _rises(hours, stay):
            gap = _gap(hours, stay)
            return Length(float(f"{gap:.3g}"), f"the median distance of the times in '{name}', read as {kind}")
    step = str(roles.sections.get("columns", {}).get("step", "step"))
    if any(part in loose(step) for part in HOURLY):
        return Length(1.0, f"'{step}' is named as hours")
    return Length(ASSUMED, "ASSUMED: nothing in the file tells how long a step is; write it here")


def _kind(series: pd.Series, name: str) -> str:
    if is_time(series):
        return "datetime"
    cells = read_cells(series)
    if cells.unreadable.any() or not cells.usable.any():
        return ""
    named = next((k for part, k in UNITS if loose(name).startswith(part) or loose(name).endswith(f"{part}s")), "")
    return "seconds" if not named and np.nanmin(cells.values) > EPOCH else named


def _hours(series: pd.Series, kind: str) -> np.ndarray:
    """(rows,) hours from a common zero, NaN where there is no time."""
    if kind == "datetime":
        times = read_times(series)
        return ((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1)).to_numpy(np.float64)
    return np.asarray(read_cells(series).values * (IN_HOURS | SECONDS)[kind], dtype=np.float64)


def _rises(hours: np.ndarray, stay: np.ndarray) -> bool:
    """True for a time: never missing, later on each row of a stay than on the row before, in some stay at all."""
    moves = np.diff(hours)[np.diff(stay) == 0]
    return bool(len(moves) and np.isfinite(hours).all() and (moves > 0).all())


def _gap(hours: np.ndarray, stay: np.ndarray) -> float:
    """Median distance of times that follow each other in a stay; NaN where there is none."""
    order = np.lexsort((hours, stay))
    gaps = np.diff(hours[order])[np.diff(stay[order]) == 0]
    gaps = gaps[np.isfinite(gaps) & (gaps > 0)]
    return float(np.median(gaps)) if len(gaps) else float("nan")


def _span(hours: np.ndarray, stay: np.ndarray) -> float:
    """95 % point of the hours from a stay's first row to its last."""
    by_stay = pd.Series(hours).groupby(stay)
    return float((by_stay.max() - by_stay.min()).quantile(0.95))


def horizon_of(lengths: np.ndarray) -> tuple[int, bool, str]:
    """Most steps of a stay, whether longer stays are cut at it, and why."""
    longest, usual = int(lengths.max()), int(np.ceil(np.quantile(lengths, 0.95)))
    if longest <= max(LONGEST * usual, 2):
        return max(longest, 2), False, f"the longest of {len(lengths):,} stays"
    beyond = int((lengths > usual).sum())
    return (
        max(usual, 2),
        True,
        f"95 % of {len(lengths):,} stays end by then; {beyond:,} longer ones (up to {longest:,}) are cut",
    )
