"""Rules on the rows of one stay: order, consecutive steps, length, place of the outcome, static columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.cohort.hours import usable_hours
from core.study import StudySpec
from core.tables.report import Problem
from core.tables.rows import SortedRows, order_warning
from core.tables.rules import listed, number_problems, warned
from core.tables.values import Cells

UNLIKE = 1.5  # times the study's step, beyond which hours that far apart are another unit or another step
OUTCOME_REMEDY = (
    "Write +1 (survived) or -1 (died) on each patient's last row and 0 on all others; or say in the mapping which code "
    "means died, and on which rows it stands."
)


def step_order_problems(stays: SortedRows, study: StudySpec) -> Iterator[Problem]:
    """Duplicate, missing and surplus steps (errors); files that start at 1 or are out of order (warnings)."""
    if not len(stays.order):
        return
    yield from _not_consecutive(stays)
    yield from _too_long(stays, study)
    if stays.shifted:
        message = "all patients start at step 1; steps were renumbered from 0."
        yield from warned("steps-from-one", "step", stays.order[stays.starts], message, value=1)
    yield from order_warning(stays, "step", "step")


def _not_consecutive(stays: SortedRows) -> Iterator[Problem]:
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
    yield from listed(
        "duplicate-step",
        "step",
        order[same & (jump == 0)],
        repeated,
        "Keep one row a step, or say in the mapping how rows of one step are put together.",
        value,
    )
    yield from listed("step-gap", "step", order[same & (jump > 1)], jumped, fill, value)
    yield from listed("step-start", "step", order[~same & (step != 0)], late, number, value)


def _too_long(stays: SortedRows, study: StudySpec) -> Iterator[Problem]:
    """Stays longer than the horizon are refused: a cut would move the outcome to a step where it did not happen."""
    long = np.flatnonzero(stays.lengths > study.horizon)
    rows = stays.order[stays.starts[long] + study.horizon] if len(long) else long
    found = dict(zip(rows.tolist(), long.tolist(), strict=True))

    def message(row: int) -> str:
        patient = found[row]
        length, most = stays.lengths[patient], study.horizon
        return f"patient {stays.name(patient)} has {length} steps; the study has at most {most}."

    remedy = "Say in the mapping whether such stays are cut or left out, or raise the horizon in the study file."
    yield from listed("too-many-steps", "step", rows, message, remedy)


def outcome_places(stays: SortedRows, outcome: Cells, study: StudySpec) -> Iterator[Problem]:
    """The outcome stands on the last row of each patient and only there; a number may be 0 there."""
    value = outcome.values[stays.order]
    last = stays.last
    if not study.tells_survival:
        remedy = "Write the outcome of each patient on the last row and 0 on all others."
        early = stays.order[~last & np.isfinite(value) & (value != 0)]
        yield from listed("outcome-early", "outcome", early, lambda row: _early(outcome, row), remedy, outcome.at)
        return
    patient_of = {row: stays.name(i) for i, row in enumerate(stays.order[last].tolist())}
    lacking = stays.order[last & (value == 0)]
    remedy = OUTCOME_REMEDY
    if len(lacking) and not (value == -1).any() and (value == 1).any():
        remedy = "The file seems to be coded 0/1. " + OUTCOME_REMEDY

    def without(row: int) -> str:
        return f"patient {patient_of[row]} has no outcome on the last row."

    early = stays.order[~last & np.isin(value, (-1, 1))]
    yield from listed("outcome-missing", "outcome", lacking, without, remedy, outcome.at)
    yield from listed("outcome-early", "outcome", early, lambda row: _early(outcome, row), OUTCOME_REMEDY, outcome.at)
    final = value[last & np.isin(value, (-1, 1))]
    if len(final) and len(np.unique(final)) == 1 and len(final) == len(stays.keys):
        word = "survived" if final[0] == 1 else "died"
        message = f"all patients {word}: survival models and stratified splits have nothing to tell apart."
        yield Problem("one-outcome", message, None, "outcome", float(final[0]), "", "warning", len(final))


def _early(outcome: Cells, row: int) -> str:
    return f"{outcome.values[row]:+g} stands before the patient's last row."


def reward_places(stays: SortedRows, reward: Cells, study: StudySpec) -> Iterator[Problem]:
    """A given reward is that of the step from its row to the next: a number on every row but a stay's last, on which
    it is 0 or empty; on that too where it is a decision."""
    name, order = study.reward_column, stays.order
    yield from number_problems(name, reward, required=False)
    value, last = reward.values[order], stays.last & (study.last_row == "state")
    empty = order[~last & reward.missing[order]]
    remedy = "Write the reward earned between the row and the next one; 0 where nothing is earned."
    yield from listed("reward-missing", name, empty, lambda row: "the reward of this step is missing.", remedy)
    late = order[last & np.isfinite(value) & (value != 0)]

    def message(row: int) -> str:
        return f"{reward.values[row]:+g} stands on the patient's last row, which no step follows."

    remedy = "Write it on the row before; where the last row is a decision, say so in the study (last_row)."
    yield from listed("reward-late", name, late, message, remedy, reward.at)


def single_step_warning(stays: SortedRows) -> Iterator[Problem]:
    """SortedRows of one step have no transition and are dropped."""
    single = np.flatnonzero(stays.lengths == 1)
    if len(single):
        message = f"stays of one step were dropped: {len(single):,} (first: patient {stays.name(single[0])})."
        yield from warned("single-step", "traj", stays.order[stays.starts[single]], message)


def hours_problems(stays: SortedRows, cells: Cells, study: StudySpec) -> Iterator[Problem]:
    """Warn where recorded hours cannot be read, do not increase within a stay, or are no hours at all: these are not
    drawn, see `core.cohort.hours.row_hours`."""
    known = usable_hours(cells.values, study)
    bad = np.flatnonzero(~known & ~cells.missing)
    if len(bad):
        value = cells.at(bad[0])
        message = f"'{value}' is no hour of a stay; it is counted from the stay's other hours."
        yield from warned("hours-value", "hours", bad, message, "Give hours from onset as numbers.", value)
    order, hours, known = stays.order, cells.values[stays.order], known[stays.order]
    apart, within = np.diff(hours), (stays.patient[1:] == stays.patient[:-1]) & known[1:] & known[:-1]
    back = np.flatnonzero(within & (apart <= 0)) + 1
    if len(back):
        first = int(back[0])
        message = (
            f"patient {stays.key(first)} goes from hour {hours[first - 1]:g} to {hours[first]:g}; such stays "
            f"({len(np.unique(stays.patient[back])):,}) are counted in steps from their first hour."
        )
        remedy = "Hours must increase within a stay."
        yield from warned("hours-order", "hours", order[back], message, remedy, cells.at(order[first]))
    usual = float(np.median(apart[within])) if within.any() else study.step_hours
    if usual > 0 and not 1 / UNLIKE < usual / study.step_hours < UNLIKE:
        message = f"rows are {usual:g} apart in this column, but the study's steps are {study.step_hours:g} hours."
        remedy = "Check that the column holds hours from onset, and the study's step_hours."
        yield from warned("hours-apart", "hours", order[1:][within], message, remedy, usual)
