"""Rules on the rows of one stay: order, consecutive steps, length, place of the outcome, static columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.cohort.rules import listed, warned
from core.study import StudySpec
from core.tables.report import Problem
from core.tables.values import Cells

OUTCOME_REMEDY = "Write +1 (survived) or -1 (died) on each patient's last row and 0 on all others."


@dataclass(frozen=True, eq=False)
class Stays:
    """Rows sorted by patient and step, of patients whose keys and steps are all readable.

    order: (n,) position in the file of each sorted row; patient: (n,) 0-based, ascending; step: (n,) from 0;
    keys: (P,) patient keys; starts, lengths: (P,) rows of each patient; shifted: the file counts its steps from 1.
    """

    order: np.ndarray
    patient: np.ndarray
    step: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    shifted: bool

    @property
    def last(self) -> np.ndarray:
        """(n,) True on the last row of each patient."""
        flags = np.zeros(len(self.order), dtype=bool)
        flags[self.starts + self.lengths - 1] = True
        return flags

    @cached_property
    def _inverse(self) -> np.ndarray:
        inverse = np.full(int(self.order.max(initial=-1)) + 1, -1, dtype=np.int64)
        inverse[self.order] = np.arange(len(self.order))
        return inverse

    def sorted_row(self, file_row: int) -> int:
        """Where a row of the file went."""
        return int(self._inverse[file_row])

    def name(self, patient: int) -> str:
        """Key of the patient at a position, for messages."""
        return str(self.keys[patient])[:60]

    def key(self, sorted_row: int) -> str:
        """Key of the patient of a sorted row, for messages."""
        return self.name(self.patient[sorted_row])


def arrange(keys: np.ndarray, usable: np.ndarray, steps: np.ndarray) -> Stays:
    """Sort the `usable` (rows,) rows by patient and step; numeric keys sort as numbers, others as text."""
    rows = np.flatnonzero(usable)
    names, codes = np.unique(keys[rows], return_inverse=True)
    step = steps[rows].astype(np.int64)
    sort = np.lexsort((rows, step, codes))
    order, step = rows[sort], step[sort]
    patient = codes[sort]
    _, starts, lengths = np.unique(patient, return_index=True, return_counts=True)
    shifted = bool(len(starts)) and bool((step[starts] == 1).all())
    return Stays(order, patient, step - int(shifted), names, starts, lengths, shifted)


def step_order_problems(stays: Stays, study: StudySpec) -> Iterator[Problem]:
    """Duplicate, missing and surplus steps (errors); files that start at 1 or are out of order (warnings)."""
    if not len(stays.order):
        return
    yield from _not_consecutive(stays)
    yield from _too_long(stays, study)
    if stays.shifted:
        message = "all patients start at step 1; steps were renumbered from 0."
        yield from warned("steps-from-one", "step", stays.order[stays.starts], message, value=1)
    yield from _out_of_order(stays)


def _not_consecutive(stays: Stays) -> Iterator[Problem]:
    """Steps that repeat, jump, or do not start at 0."""
    step, order, at = stays.step, stays.order, stays.sorted_row
    same = np.append(False, stays.patient[1:] == stays.patient[:-1])
    jump = np.append(0, np.diff(step))
    written = step + stays.shifted  # as the file counts

    def value(row: int) -> int:
        return int(written[at(row)])

    def repeated(row: int) -> str:
        return f"patient {stays.key(at(row))} has step {value(row)} twice (also row {order[at(row) - 1] + 1})."

    def jumped(row: int) -> str:
        return f"patient {stays.key(at(row))} goes from step {written[at(row) - 1]} to {value(row)}."

    def late(row: int) -> str:
        return f"patient {stays.key(at(row))} starts at step {value(row)}."

    fill = (
        "Steps must be consecutive: add the missing rows (empty states are filled in) or end the stay before the gap."
    )
    number = "Number the steps of each patient from 0."
    yield from listed("duplicate-step", "step", order[same & (jump == 0)], repeated, "Keep one row a step.", value)
    yield from listed("step-gap", "step", order[same & (jump > 1)], jumped, fill, value)
    yield from listed("step-start", "step", order[~same & (step != 0)], late, number, value)


def _too_long(stays: Stays, study: StudySpec) -> Iterator[Problem]:
    """Stays longer than the horizon are refused: a cut would move the outcome to a step where it did not happen."""
    long = np.flatnonzero(stays.lengths > study.horizon)
    rows = stays.order[stays.starts[long] + study.horizon] if len(long) else long
    found = dict(zip(rows.tolist(), long.tolist(), strict=True))

    def message(row: int) -> str:
        patient = found[row]
        length, most = stays.lengths[patient], study.horizon
        return f"patient {stays.name(patient)} has {length} steps; the study has at most {most}."

    remedy = "Cut the stay to the window with the outcome on its last row, or raise the horizon in the study file."
    yield from listed("too-many-steps", "step", rows, message, remedy)


def _out_of_order(stays: Stays) -> Iterator[Problem]:
    """Warn where, in the file's order, a step goes back or a patient returns after another one."""
    by_file = np.argsort(stays.order)
    patient, step = stays.patient[by_file], stays.step[by_file]
    same = np.append(False, patient[1:] == patient[:-1])
    back = same & np.append(False, step[1:] < step[:-1])
    returns = ~same
    returns[np.unique(patient, return_index=True)[1]] = False
    rows = stays.order[by_file[back | returns]]
    message = f"rows are not in order of patient and step ({len(rows):,} breaks); they were sorted."
    yield from warned("row-order", "step", rows, message)


def outcome_places(stays: Stays, outcome: Cells) -> Iterator[Problem]:
    """The outcome stands on the last row of each patient and only there."""
    value = outcome.values[stays.order]
    last = stays.last
    patient_of = {row: stays.name(i) for i, row in enumerate(stays.order[last].tolist())}
    lacking = stays.order[last & (value == 0)]
    remedy = OUTCOME_REMEDY
    if len(lacking) and not (value == -1).any() and (value == 1).any():
        remedy = "The file seems to be coded 0/1: recode deaths to -1 on the patient's last row. " + OUTCOME_REMEDY

    def without(row: int) -> str:
        return f"patient {patient_of[row]} has no outcome on the last row."

    def misplaced(row: int) -> str:
        return f"{outcome.values[row]:+g} stands before the patient's last row."

    early = stays.order[~last & np.isin(value, (-1, 1))]
    yield from listed("outcome-missing", "outcome", lacking, without, remedy, outcome.at)
    yield from listed("outcome-early", "outcome", early, misplaced, OUTCOME_REMEDY, outcome.at)
    final = value[last & np.isin(value, (-1, 1))]
    if len(final) and len(np.unique(final)) == 1 and len(final) == len(stays.keys):
        word = "survived" if final[0] == 1 else "died"
        message = f"all patients {word}: survival models and stratified splits have nothing to tell apart."
        yield Problem("one-outcome", message, None, "outcome", float(final[0]), "", "warning", len(final))


def static_changes(name: str, stays: Stays, cells: Cells) -> Iterator[Problem]:
    """Warn where a static column changes within a stay; its first recorded value is used in all steps."""
    values = cells.values[stays.order]
    if not len(values):
        return
    highest, lowest = np.fmax.reduceat(values, stays.starts), np.fmin.reduceat(values, stays.starts)
    changed = np.flatnonzero(highest > lowest)
    if len(changed):
        first = f"(first: patient {stays.name(changed[0])})"
        message = f"changes within stays: {len(changed):,} {first}; the first value is used."
        yield from warned("static-changes", name, stays.order[stays.starts[changed]], message)


def single_step_warning(stays: Stays) -> Iterator[Problem]:
    """Stays of one step have no transition and are dropped."""
    single = np.flatnonzero(stays.lengths == 1)
    if len(single):
        message = f"stays of one step were dropped: {len(single):,} (first: patient {stays.name(single[0])})."
        yield from warned("single-step", "traj", stays.order[stays.starts[single]], message)
