"""From one row a patient, with events and the times to them, to one row a patient and stage.

An event's time places it: it is there from the first stage at or after it. Follow-up ends the rows: a patient last seen
alive at time F has the stages up to F, and one who died at D the stages before D and the first at or after it.
What ends the decisions and was not observed as long as the patient lived ends the rows as well, where its observation
did. The drugs stand at the first stage. Patients of whom something is not known (follow-up, an event, the time of one,
the drugs) are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.registry.cohort.mapping import EventRule, RegistryMapping
from core.registry.spec import ALIVE, RegistrySpec
from core.tables.mapping import EVERY
from core.tables.recode import plain_codes, with_points
from core.tables.report import Exclusion, Problem
from core.tables.values import read_cells

IN_DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
SLACK = 31.0  # days by which an event may lie behind the end of follow-up, as rounded times do


@dataclass(frozen=True, eq=False)
class Staged:
    """Rows by patient and stage; see `core.registry.cohort.transform.MappedRegistry` for the fields."""

    frame: pd.DataFrame
    rows: np.ndarray
    problems: tuple[Problem, ...]
    attrition: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Event:
    """One event of n patients: whether it happened (1, 0, NaN where not known) and the days to it, or to the end of its
    observation (NaN where not known)."""

    happened: np.ndarray
    days: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: known whether it happened, and if so, when."""
        return np.asarray(np.isfinite(self.happened) & (np.isfinite(self.days) | (self.happened == 0)))


def staged(table: pd.DataFrame, raw: pd.DataFrame, spec: RegistrySpec, mapping: RegistryMapping) -> Staged:
    """table: (n) one row a patient, under the registry's names; raw: the same rows as in the file, for the events."""
    assert mapping.follow_up is not None
    problems = _shape_problems(table, spec, mapping)
    if problems:
        return Staged(table, np.arange(len(table)), tuple(problems))
    death = _event(raw, mapping.follow_up, mapping, problems)
    events = {name: _event(raw, rule, mapping, problems) for name, rule in mapping.events.items()}
    events = {name: _within(name, event, death, mapping, problems) for name, event in events.items()}
    if any(problem.severity == "error" for problem in problems):
        return Staged(table, np.arange(len(table)), tuple(problems))
    keep, attrition = _left_out(table, death, events, spec)
    if "patient" not in table.columns:
        table = table.assign(patient=np.arange(1, len(table) + 1).astype(str))
        said = "the file has no key of patients: they are numbered by their rows. Name one under [columns] if it has."
        problems.append(Problem("numbered-patients", said, None, "patient", severity="warning", count=len(table)))
    rows, stage, last = _observed(death, events, keep, spec)
    frame = _frame(table, rows, stage, death, events, spec, mapping)
    made = Exclusion("put into stages", 0, 0, int(keep.sum()), len(rows))
    notes = (_times_note(mapping), *(_fate(name, event, death, events, keep, spec) for name, event in events.items()))
    problems += _shorter(events, last, death, keep, spec)
    return Staged(frame, rows, tuple(problems), (*attrition, made), notes)


def _shape_problems(table: pd.DataFrame, spec: RegistrySpec, mapping: RegistryMapping) -> list[Problem]:
    """What a table of one row a patient cannot give to this registry."""
    problems = []
    for name in spec.indicator_names[1:]:
        if name not in mapping.events:
            message = f"the mapping does not say when '{name}' happened."
            remedy = f"Add [events.{name}], or leave the indicator out of the registry's definition."
            problems.append(Problem("event-lacking", message, None, name, None, remedy))
    for decision in spec.decisions:
        if decision.stages != (0,):
            message = "this decision is made at later stages, whose drugs a table of one row a patient does not hold."
            remedy = "Leave the decision out of the registry's definition, or say that it is made at stage 0 alone."
            problems.append(Problem("later-decision", message, None, decision.name, None, remedy))
    if "patient" in table.columns:
        keys = plain_codes(table["patient"])
        twice = np.flatnonzero((keys.duplicated() & (keys != "")).to_numpy())
        if len(twice):
            message = f"patient {keys.iloc[twice[0]]} has more than one row; [follow_up] takes one row a patient."
            first, count = int(twice[0]) + 1, len(twice)
            problems.append(Problem("patient-twice", message, first, "patient", None, "Keep one.", "error", count))
    return problems


def _event(raw: pd.DataFrame, rule: EventRule, mapping: RegistryMapping, problems: list[Problem]) -> Event:
    """Flags and days of one event; codes and times that cannot be read are problems."""
    every = mapping.missing.get(EVERY, ())
    codes = plain_codes(raw[rule.column])
    unknown = codes.isin(["", *plain_codes((*every, *mapping.missing.get(rule.column, ())))]).to_numpy()
    happened, not_happened = (codes.isin(list(plain_codes(c))).to_numpy() for c in (rule.happened, rule.not_happened))
    foreign = ~(unknown | happened | not_happened)
    if foreign.any():
        counts = codes[foreign].value_counts()
        shown = ", ".join(f"'{code}' ({n:,})" for code, n in counts.head(5).items())
        message = f"{int(foreign.sum()):,} cells say neither that it happened nor that it did not: {shown}."
        remedy = f"Name the codes in the mapping: happened, not_happened, or {rule.column} under [missing]."
        problems.append(_problem("event-code", message, foreign, rule.column, remedy))
    days = _days(raw[rule.time], rule.time, mapping, problems)
    return Event(np.where(unknown, np.nan, happened.astype(np.float64)), days)


def _days(series: pd.Series, name: str, mapping: RegistryMapping, problems: list[Problem]) -> np.ndarray:
    """(n,) times in days; those that are no numbers, or below 0 and not said to be missing, are problems."""
    assert mapping.follow_up is not None
    if mapping.decimal == "," and not pd.api.types.is_numeric_dtype(series.dtype):
        series = with_points(series)
    cells = read_cells(series)
    below = [code for code in mapping.missing.get(EVERY, ()) if code.startswith("-")]  # 99 may be a time, -2 is none
    gone = plain_codes(series).isin(list(plain_codes((*below, *mapping.missing.get(name, ()))))).to_numpy()
    wrong = (cells.unreadable | (cells.values < 0) | np.isinf(cells.values)) & ~gone
    if wrong.any():
        value = cells.at(int(np.flatnonzero(wrong)[0]))
        message = f"'{value}' is no time from the first stage on; {int(wrong.sum()):,} cells are none."
        problems.append(
            _problem("event-time", message, wrong, name, f"Correct it, or name it under [missing]: {name}.")
        )
    return np.where(gone | wrong, np.nan, cells.values.astype(np.float64) * IN_DAYS[mapping.follow_up.unit])


def _within(name: str, event: Event, death: Event, mapping: RegistryMapping, problems: list[Problem]) -> Event:
    """The event within the follow-up: a little behind its end is rounding, more is a contradiction."""
    behind = np.where((event.happened == 1) & np.isfinite(event.days), event.days - death.days, 0.0)
    column, far = mapping.events[name].column, behind > SLACK
    if far.any():
        message = f"{int(far.sum()):,} patients have it more than {SLACK:g} days after their follow-up ended."
        remedy = "Correct the times, or the unit that [follow_up] gives."
        problems.append(_problem("event-after-end", message, far, column, remedy))
    near = (behind > 0) & ~far
    if near.any():
        message = f"{int(near.sum()):,} patients have it a little after their follow-up ended; taken as at its end."
        problems.append(_problem("event-after-end", message, near, column, "", "warning"))
    return Event(event.happened, np.where(near, death.days, event.days))


def _left_out(
    table: pd.DataFrame, death: Event, events: dict[str, Event], spec: RegistrySpec
) -> tuple[np.ndarray, list[Exclusion]]:
    """(n,) bool patients of whom all is known, and the attrition up to here."""
    known = {"follow-up not recorded": death.known & np.isfinite(death.days)}
    known |= {f"{name} or its time not recorded": event.known for name, event in events.items()}
    for decision in spec.decisions:
        if decision.name in table.columns:
            known[f"{decision.name} not recorded"] = (plain_codes(table[decision.name]) != "").to_numpy()
    keep = np.ones(len(table), dtype=bool)
    chart = [Exclusion("rows read", 0, 0, len(table), len(table))]
    for reason, some in known.items():
        fewer = int((keep & ~some).sum())
        keep &= some
        if fewer:
            chart.append(Exclusion(reason, fewer, fewer, int(keep.sum()), int(keep.sum())))
    return keep, chart


def _place(days: np.ndarray, spec: RegistrySpec) -> np.ndarray:
    """(n,) index of the first stage at or after each time, 1 at the least, since the first stage is before all events;
    the number of stages where none is."""
    return np.maximum(np.searchsorted(np.asarray(spec.days, dtype=np.float64), days), 1)


def _observed(
    death: Event, events: dict[str, Event], keep: np.ndarray, spec: RegistrySpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patient (position) and stage (index) of each row, and (n,) the last stage at which each was seen alive."""
    days = np.asarray(spec.days, dtype=np.float64)
    died = death.happened == 1
    dead_at = np.where(died, _place(death.days, spec), len(days))
    alive_until = np.where(died, dead_at, np.searchsorted(days, death.days, side="right")) - 1
    for name in spec.ending:
        event = events[name]
        seen = np.where((event.happened == 0) & np.isfinite(event.days), event.days, np.inf)
        shorter = seen < death.days - SLACK
        alive_until = np.where(
            shorter, np.minimum(alive_until, np.searchsorted(days, seen, side="right") - 1), alive_until
        )
    stages = np.arange(len(days))
    there = (stages <= alive_until[:, None]) | (stages == dead_at[:, None])
    rows, stage = np.nonzero(there & keep[:, None])
    return rows, stage, alive_until


def _frame(
    table: pd.DataFrame,
    rows: np.ndarray,
    stage: np.ndarray,
    death: Event,
    events: dict[str, Event],
    spec: RegistrySpec,
    mapping: RegistryMapping,
) -> pd.DataFrame:
    """The long table: keys, features, indicators, and drugs at the first stage."""
    day = np.asarray(spec.days, dtype=np.float64)[stage]
    dead = (death.happened[rows] == 1) & (stage >= _place(death.days, spec)[rows])
    columns: dict[str, Any] = {"patient": table["patient"].to_numpy(dtype=object)[rows], "stage": day}
    for name in spec.feature_names:
        if name in table.columns:
            columns[name] = table[name].to_numpy(dtype=object)[rows]
    columns[ALIVE] = (~dead).astype(np.int64)
    for name, event in events.items():
        lasts = mapping.events[name].lasts
        begun = (event.happened[rows] == 1) & (stage >= _place(event.days, spec)[rows])
        if name in spec.passing:
            begun &= ~dead
            if lasts is not None:
                begun &= (stage == _place(event.days, spec)[rows]) | (day <= event.days[rows] + lasts)
        columns[name] = begun.astype(np.int64)
    for decision in spec.decisions:
        for name in (decision.name, *decision.columns):
            if name in table.columns:
                given = table[name].to_numpy(dtype=object)[rows]
                columns[name] = np.where(stage == 0, given, None)
    return pd.DataFrame(columns)


def _times_note(mapping: RegistryMapping) -> str:
    assert mapping.follow_up is not None
    return (
        f"One row a patient, put into stages by times in {mapping.follow_up.unit}: an event is there from the first "
        "stage at or after it, and rows end with the follow-up."
    )


def _fate(name: str, event: Event, death: Event, events: dict[str, Event], keep: np.ndarray, spec: RegistrySpec) -> str:
    """What became of the patients with regard to one event: had it, a competing event instead, or neither."""
    had = keep & (event.happened == 1)
    before = {"died": keep & ~had & (death.happened == 1)}
    for other in spec.ending:
        if other != name:
            before[f"had {other}"] = keep & ~had & (events[other].happened == 1)
    competing = np.any(list(before.values()), axis=0)
    rivals = " or ".join(before)
    return (
        f"{name}: {int(had.sum()):,} patients had it; {int(competing.sum()):,} {rivals} without it (competing risks); "
        f"{int((keep & ~had & ~competing).sum()):,} were followed without either (censored)."
    )


def _shorter(
    events: dict[str, Event], last: np.ndarray, death: Event, keep: np.ndarray, spec: RegistrySpec
) -> list[Problem]:
    """Patients whose event was observed for a shorter time than they were followed."""
    problems = []
    for name, event in events.items():
        shorter = keep & (event.happened == 0) & (event.days < death.days - SLACK)
        if shorter.any():
            how = "their rows end where its observation does" if name in spec.ending else "taken as not having it later"
            message = f"{int(shorter.sum()):,} patients were observed for it for a shorter time than followed; {how}."
            problems.append(_problem("event-observed-shorter", message, shorter, name, "", "warning"))
    return problems


def _problem(rule: str, message: str, rows: np.ndarray, column: str, remedy: str, severity: Any = "error") -> Problem:
    """One problem for all rows (n,) bool, placed at the first."""
    first = int(np.flatnonzero(rows)[0]) + 1
    return Problem(rule, message, first, column, None, remedy, severity, int(rows.sum()))
