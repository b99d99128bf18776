"""From times to steps, from several rows a step to one, and stays that are longer than the study's window.

Everything that is lost or made on the way is counted: rows before the window, rows put together, steps without a row
that were filled, stays cut or left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.study import StudySpec
from core.tables.mapping import Aggregate, TableMapping, TimeRule
from core.tables.report import Problem
from core.tables.times import read_times
from core.tables.values import read_cells

IN_HOURS = {"days": 24.0, "hours": 1.0, "minutes": 1 / 60}
TICKS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # in a second
MOST_STEPS = 100_000  # a stay this long is a wrong unit of time, not a stay


@dataclass(frozen=True, eq=False)
class Stepped:
    """A table with `traj` and `step`; rows (n,): the file's row (0-based) of each, -1 for a step that was filled."""

    frame: pd.DataFrame
    rows: np.ndarray
    problems: tuple[Problem, ...]


def timed(frame: pd.DataFrame, rule: TimeRule, study: StudySpec) -> tuple[pd.DataFrame, list[Problem]]:
    """The table with `step` (from 0 in each stay) and `hours` (start of the step from onset, or from the study's first
    hour where time counts from a stay's first row). Rows whose time cannot be read are errors."""
    hours, problems = _hours(frame[rule.column], rule, rule.column)
    if rule.origin == "first row":
        start = hours.groupby(frame["traj"].to_numpy(), sort=False).transform("min")
        hours = hours - start + study.start_hours
    else:
        onset, more = _hours(frame[rule.origin], rule, rule.origin)
        hours, problems = hours - onset, problems + more
    if problems:
        return frame, problems
    slot = np.floor((hours - study.start_hours) / study.step_hours)
    first = slot.groupby(frame["traj"].to_numpy(), sort=False).transform("min")
    if float((slot - first).max()) > MOST_STEPS:
        message = f"the times of one stay lie {float((slot - first).max()):,.0f} steps apart."
        return frame, [Problem("time-unit", message, None, rule.column, None, f"Is the unit {rule.kind}?")]
    dropped = [name for name in {rule.column, rule.origin} & {*frame.columns} if name not in ("traj", "hours")]
    table = frame.drop(columns=dropped)
    return table.assign(step=(slot - first).astype(np.int64), hours=study.start_hours + slot * study.step_hours), []


def _hours(series: pd.Series, rule: TimeRule, name: str) -> tuple[pd.Series, list[Problem]]:
    """Times in hours from a common zero; each that cannot be read is a problem."""
    if rule.kind == "datetime":
        times = read_times(series)
        ticks = times.astype("int64") / TICKS[times.dt.unit]  # no step by nanoseconds, which end in the year 2262
        hours = (ticks / 3600).where(times.notna(), np.nan)
    else:
        hours = pd.Series(read_cells(series).values * IN_HOURS[rule.kind], dtype=np.float64)
    hours = hours.reset_index(drop=True)
    bad = np.flatnonzero(~np.isfinite(hours.to_numpy(np.float64)))
    if not len(bad):
        return hours, []
    value = str(series.iloc[bad[0]])[:60]
    wanted = "a date and time, as in 2150-03-01 14:30" if rule.kind == "datetime" else f"a number of {rule.kind}"
    message = f"'{value}' is not {wanted}; {len(bad):,} rows have no time that can be read."
    remedy = "Correct it, or choose the kind of time that the column holds."
    return hours, [Problem("time", message, int(bad[0]) + 1, name, value, remedy, "error", len(bad))]


def one_row_a_step(frame: pd.DataFrame, mapping: TableMapping, study: StudySpec) -> Stepped:
    """Rows of one stay and step put together: the last recorded value of a state, the sum of a dose, the largest of a
    0/1 column and of a dose bin, unless `aggregate` says otherwise. Steps without a row are filled where asked."""
    keys = [frame["traj"].to_numpy(), frame["step"].to_numpy()]
    order = np.lexsort((np.arange(len(frame)), keys[1], pd.factorize(keys[0])[0]))
    together = frame.iloc[order].duplicated(["traj", "step"]).to_numpy()
    rows, problems = order[~together], list[Problem]()
    table = frame.iloc[order].reset_index(drop=True)
    if together.any():
        table, problems = _together(table, np.cumsum(~together) - 1, mapping, study)
        message = f"{int(together.sum()):,} rows shared a step with another and were put together."
        problems.append(_warning("rows-together", message, int(order[together].min()) + 1, int(together.sum())))
    if mapping.time is None or mapping.time.gaps == "refuse":
        return Stepped(table, rows, tuple(problems))
    table, rows, filled = _filled(table, rows, study)
    if filled and not study.actions.has_nothing:
        message = (
            f"{filled:,} steps without any row cannot be filled: none of the study's {study.actions.words} is nothing."
        )
        remedy = 'Give a row a step, or say gaps = "refuse" in [time].'
        problems.append(Problem("steps-filled", message, None, "action", None, remedy, "error", filled))
    elif filled:
        message = f"{filled:,} steps without any row were filled: empty states, no {study.actions.drug}."
        problems.append(_warning("steps-filled", message, None, filled))
    return Stepped(table, rows, tuple(problems))


def _together(
    table: pd.DataFrame, group: np.ndarray, mapping: TableMapping, study: StudySpec
) -> tuple[pd.DataFrame, list[Problem]]:
    """One row a group (n,), ascending; cells that are no numbers are problems, since they would be lost."""
    problems: list[Problem] = []
    columns: dict[str, pd.Series] = {}
    for position, name in enumerate(map(str, table.columns)):
        series = table.iloc[:, position]
        rule = mapping.aggregate.get(name) or _default(name, study)
        if name == "action" and not study.actions.ordered and rule not in ("first", "last"):
            raise ConfigError(
                f'aggregate: action = "{rule}" works on numbers of {study.actions.words}; give "first" or "last".'
            )
        if name in ("traj", "step") or rule in ("first", "last"):
            found = series.groupby(group)
            columns[name] = found.first() if rule == "first" or name in ("traj", "step") else found.last()
            continue
        cells = read_cells(series)
        if cells.unreadable.any():
            count = int(cells.unreadable.sum())
            message = f"{count:,} cells are no numbers, and rows of one step are put together by their {rule}."
            problems.append(Problem("not-a-number", message, None, name, None, "Recode or empty them.", "error", count))
        numbers = pd.Series(cells.values).groupby(group)
        columns[name] = numbers.sum(min_count=1) if rule == "sum" else numbers.agg(rule)
    return pd.DataFrame(columns).reset_index(drop=True), problems


def _default(name: str, study: StudySpec) -> Aggregate:
    if name == "dose":
        return "sum"
    if name == "action" and not study.actions.ordered:
        return "last"
    if name == "action" or (name in study.names and study.column(name).binary):
        return "max"
    return "first" if name in study.names and study.column(name).kind == "static" else "last"


def _filled(table: pd.DataFrame, rows: np.ndarray, study: StudySpec) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Every step from a stay's first to its last; table sorted by stay and step."""
    stay = pd.factorize(table["traj"].to_numpy())[0]
    step = table["step"].to_numpy(np.int64)
    starts = np.flatnonzero(np.append(True, stay[1:] != stay[:-1])) if len(stay) else np.zeros(0, dtype=np.int64)
    last = np.append(starts[1:], len(stay)) - 1
    lengths = step[last] + 1 if len(starts) else starts
    whole = int(lengths.sum())
    if whole == len(table):
        return table, rows, 0
    place = (np.cumsum(lengths) - lengths)[stay] + step
    source = np.full(whole, -1, dtype=np.int64)
    source[place] = np.arange(len(table))
    made = table.reindex(source).reset_index(drop=True)  # -1 is no label of the table: an empty row
    owner = np.repeat(np.arange(len(starts)), lengths)
    made["traj"] = table["traj"].to_numpy()[starts][owner]
    made["step"] = np.arange(whole) - (np.cumsum(lengths) - lengths)[owner]
    if "hours" in table.columns:
        begin = table["hours"].to_numpy(np.float64)[starts]
        made["hours"] = begin[owner] + made["step"].to_numpy() * study.step_hours
    for name in ("dose", "action", "outcome"):
        if name in made.columns:
            made[name] = made[name].where(source >= 0, 0)
    return made, np.where(source >= 0, rows[np.maximum(source, 0)], -1), whole - len(table)


def within_horizon(stepped: Stepped, mapping: TableMapping, study: StudySpec) -> Stepped:
    """Stays longer than the horizon cut at it or left out, as the mapping says; counted in either case."""
    if mapping.too_long == "refuse":
        return stepped
    step = pd.Series(read_cells(stepped.frame["step"]).values)
    first_steps = step.groupby(stepped.frame["traj"].to_numpy(), sort=False).min()
    counted_from = 1 if (first_steps == 1).all() else 0  # as the check that follows reads it
    beyond = (step >= study.horizon + counted_from).to_numpy()
    if not beyond.any():
        return stepped
    long = stepped.frame["traj"].isin(stepped.frame["traj"][beyond].unique()).to_numpy()
    n = stepped.frame["traj"][beyond].nunique()
    drop = beyond if mapping.too_long == "cut" else long
    what = "cut at it; their outcome stands on the last step kept" if mapping.too_long == "cut" else "left out"
    message = f"{n:,} stays are longer than {study.horizon} steps and were {what} ({int(drop.sum()):,} rows)."
    first = int(stepped.rows[drop].max(initial=-1)) + 1
    note = Problem("too-many-steps", message, first or None, "step", None, "", "warning", int(drop.sum()))
    return Stepped(stepped.frame[~drop].reset_index(drop=True), stepped.rows[~drop], (*stepped.problems, note))


def _warning(rule: str, message: str, row: int | None, count: int) -> Problem:
    return Problem(rule, message, row, "step", None, "", "warning", count)
