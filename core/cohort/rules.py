"""Rules that one cell must obey, whatever the rows around it say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.cohort.sequences import OUTCOME_REMEDY
from core.study import Column, StudySpec
from core.tables.causes import FEWEST_CODES, NOT_MEASURED
from core.tables.report import Problem
from core.tables.rules import listed, number_problems, warned
from core.tables.sense import unit_that_fits
from core.tables.values import Cells

ROUNDING = 1e-6  # of a bound: a saved one is float32, and 18 years that were days come back as 17.9999992
MAPPED = {  # kinds of text that stand for numbers: what a mapping can say of them
    "coding": "say in the mapping which number each code means",
    "bound": "say in the mapping which number such a code means",
    "comma": "say in the mapping that decimals have a comma",
    "unknown": "say in the mapping that it means not measured",
    "text": "say in the mapping which number it means, or that it means not measured",
}


def state_problems(column: Column, cells: Cells) -> Iterator[Problem]:
    """A state value must be a number inside the column's plausible range; a missing one is filled in later."""
    yield from number_problems(column.name, cells, False, column.unit if column.binary else "", MAPPED)
    low, high = column.plausible
    lowest, highest = low - ROUNDING * abs(low), high + ROUNDING * abs(high)
    outside = np.flatnonzero(cells.usable & ((cells.values < lowest) | (cells.values > highest)))
    unit = "" if column.binary or column.unit == "1" else f" {column.unit}"
    coding = f"the coding is {column.unit}" if column.binary else f"check that the unit is {column.unit}"

    def message(row: int) -> str:
        return f"{cells.values[row]:g} is impossible: plausible values are {low:g} to {high:g}{unit}."

    for hint, rows in _hints(column, cells.values, outside):
        remedy = f"Correct it, or leave it empty; {hint or coding}."
        yield from listed("impossible-value", column.name, rows, message, remedy, cells.at)
    between = np.flatnonzero(cells.usable & (cells.values > 0) & (cells.values < 1) & column.binary)
    if len(between):
        kept = f"{cells.values[between[0]]:g} where 0 or 1 is expected; kept as it is."
        yield from warned(
            "not-binary", column.name, between, kept, f"The coding is {column.unit}.", cells.at(between[0])
        )


def _hints(column: Column, values: np.ndarray, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Rows with impossible values by what may explain them, "" for those that nothing does.

    A code for "not measured" repeats exactly; a value in another unit is usual when read in that unit.
    """
    found, counts = np.unique(values[rows], return_counts=True)
    codes = found[np.isin(found, NOT_MEASURED) & (counts >= FEWEST_CODES)]
    hints = {}
    for value in found.tolist():
        other = unit_that_fits(column, value)
        if value in codes:
            hints[value] = f"if {value:g} stands for 'not measured', say so in the mapping"
        elif other is not None:
            hints[value] = (
                f"values like {value:g} fit {other.unit}: this one would be {other.ours(value):.4g} {column.unit}"
            )
        else:
            hints[value] = ""
    kinds: dict[str, list[float]] = {}
    for value, hint in hints.items():
        kinds.setdefault("unit" if hint.startswith("values like") else hint, []).append(value)
    for members in kinds.values():
        mine = rows[np.isin(values[rows], members)]
        yield hints[float(values[mine[0]])], mine


def missing_state_warning(column: Column, cells: Cells) -> Iterator[Problem]:
    """How many values of a column are missing and how they are filled in; a column without any value is an error."""
    rows, total = np.flatnonzero(cells.missing), len(cells.values)
    if total and len(rows) == total:
        remedy = "Record at least some values, or leave the column out of the study file."
        yield Problem("empty-column", "the column holds no value at all.", None, column.name, None, remedy, count=total)
        return
    how = "the last value of the stay is carried forward, else the median of the training patients"
    if column.kind == "static":
        how = "the stay's own value is used, else the median of the training patients"
    if column.binary:
        how = how.replace("median", "most frequent value")
    share = 100 * len(rows) / max(total, 1)
    message = f"missing values: {len(rows):,} of {total:,} ({share:.1f} %); {how}."
    yield from warned("missing-value", column.name, rows, message)


def action_problems(cells: Cells, study: StudySpec) -> Iterator[Problem]:
    """An action is the whole number of a dose bin."""
    yield from number_problems("action", cells, required=True, mapped=MAPPED)
    last = study.n_actions - 1
    remedy = (
        f"Use the dose bins 0 to {last} of the study (0 = no {study.actions.drug}), or name a column of raw doses in "
        "the mapping."
        if study.actions.ordered
        else f"Use the numbers 0 to {last} of the study's {study.actions.words} (0 = {study.actions.label(0)})."
    )
    whole = cells.usable & (np.mod(np.where(cells.usable, cells.values, 0), 1) == 0)
    broken = np.flatnonzero(cells.usable & ~whole)
    yield from listed(
        "action-not-integer",
        "action",
        broken,
        lambda r: f"{cells.values[r]:g} is not a whole number.",
        remedy,
        cells.at,
    )
    outside = np.flatnonzero(whole & ((cells.values < 0) | (cells.values > last)))
    yield from listed(
        "action-outside-bins", "action", outside, lambda r: f"{cells.values[r]:g} is no dose bin.", remedy, cells.at
    )


def step_problems(cells: Cells) -> Iterator[Problem]:
    """A step is a whole number from 0."""
    yield from number_problems("step", cells, required=True)
    broken = np.flatnonzero(cells.usable & ~good_steps(cells))
    remedy = "Number the steps of each patient 0, 1, 2, ... without gaps."
    yield from listed(
        "step-not-integer", "step", broken, lambda r: f"{cells.values[r]:g} is not a step number.", remedy, cells.at
    )


def good_steps(cells: Cells) -> np.ndarray:
    """(rows,) True where the step is a whole number from 0 that a table index can hold."""
    values = np.where(cells.usable, cells.values, -1)
    return np.asarray((values >= 0) & (np.mod(values, 1) == 0) & (values < 2**31))


def outcome_problems(cells: Cells, study: StudySpec) -> Iterator[Problem]:
    """An outcome cell is 0, +1 or -1, or any number where the study says so; where they may stand is for
    `sequences.outcome_places`."""
    yield from number_problems("outcome", cells, required=True)
    if not study.tells_survival:
        return
    other = np.flatnonzero(cells.usable & ~np.isin(cells.values, (-1, 0, 1)))
    remedy = OUTCOME_REMEDY
    yield from listed(
        "outcome-value", "outcome", other, lambda r: f"{cells.values[r]:g} is no outcome.", remedy, cells.at
    )


def dose_problems(dose: Cells, actions: Cells, study: StudySpec) -> Iterator[Problem]:
    """Warn where an optional dose contradicts the action, or cannot be a dose."""
    bad = np.flatnonzero(dose.unreadable | (dose.values < 0) | np.isinf(dose.values))
    if len(bad):
        value = dose.at(bad[0])
        yield from warned("dose-value", "dose", bad, f"'{value}' is no dose; shown as missing.", value=value)
    if not study.actions.ordered:
        return
    both = dose.usable & (dose.values >= 0) & actions.usable
    bins = study.actions.bin(np.where(both, dose.values, 0))
    differ = np.flatnonzero(both & (bins != np.where(both, actions.values, 0)))
    if len(differ):
        row = differ[0]
        belongs = f"a dose of {dose.values[row]:g} belongs to bin {bins[row]}"
        message = f"{belongs}, the action is {actions.values[row]:g}; kept."
        yield from warned("dose-and-action", "dose", differ, message, value=dose.at(row))
