"""When each recorded step began, in hours from onset, and the axis on which stays are aligned by hour.

The one place that decides it: whatever is drawn, listed or averaged over time asks `Cohort.hours` and `Cohort.axis`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.study import StudySpec

YEAR = 8760.0  # hours
ROUNDING = 1e-6  # of a step: hours written as 0.3 and steps of 0.1 h fall where they belong


@dataclass(frozen=True, eq=False)
class HourAxis:
    """Slots of one step's length, from the study's first hour or the earliest recorded one to the last.

    hours (B,): start of each slot in hours from onset; slots (rows,): the slot of each row of the cohort, -1 for a row
    that another row of the same stay follows in its slot, so that a stay counts once.
    """

    hours: np.ndarray
    slots: np.ndarray


def row_hours(
    step: np.ndarray, starts: np.ndarray, lengths: np.ndarray, study: StudySpec, recorded: np.ndarray | None
) -> np.ndarray:
    """(rows,) start of each step in hours from onset: as recorded; a file without hours is counted from the study's
    first hour.

    A missing hour is counted on from the nearest one before it in the stay, else back from the first one after it. A
    stay whose hours do not increase is counted on from the first of them. step, recorded (rows,), sorted by stay.
    """
    if recorded is None or not len(step):
        return study.hours(step)
    row, known = np.arange(len(step)), usable_hours(recorded, study)
    first = np.minimum.reduceat(np.where(known, row, len(row)), starts)  # the first known row of each stay
    before = np.maximum.accumulate(np.where(known, row, -1))
    source = np.where(before >= np.repeat(starts, lengths), before, np.repeat(first, lengths))
    counted = _counted(step, source, known, recorded, study)
    hours = np.where(known, recorded, counted)
    stay = np.repeat(np.arange(len(starts)), lengths)
    backward = (np.diff(hours) <= 0) & (stay[1:] == stay[:-1])
    broken = np.isin(stay, stay[1:][backward])
    return np.where(broken, _counted(step, np.repeat(first, lengths), known, recorded, study), hours)


def _counted(
    step: np.ndarray, source: np.ndarray, known: np.ndarray, recorded: np.ndarray, study: StudySpec
) -> np.ndarray:
    """(rows,) hours counted in steps from the known row `source`; from the study's first hour where it names none."""
    some = source < len(step)
    at = np.where(some, source, 0)
    origin = np.where(known, recorded, 0.0) - study.step_hours * step
    return np.where(some, origin[at], study.start_hours) + study.step_hours * step


def usable_hours(hours: np.ndarray, study: StudySpec) -> np.ndarray:
    """True where a recorded hour can be one of a stay: within a year of onset, or ten times the study's window."""
    farthest = max(YEAR, 10 * study.horizon * study.step_hours)
    near: np.ndarray = np.isfinite(hours) & (np.abs(np.nan_to_num(hours)) <= farthest)
    return near


def slots_of(hours: np.ndarray, start: float, step_hours: float) -> np.ndarray:
    """floor((hours - start) / step_hours), int64."""
    return np.floor((np.asarray(hours) - start) / step_hours + ROUNDING).astype(np.int64)


def slots_after(hours: np.ndarray, step_hours: float) -> tuple[np.ndarray, np.ndarray]:
    """Slot of each time (rows,) that has passed since a step, and the start (B,) of each slot up to the last."""
    slots = slots_of(hours, 0.0, step_hours)
    return slots, step_hours * np.arange(int(slots.max(initial=-1)) + 1)


def hour_axis(hours: np.ndarray, stay: np.ndarray, study: StudySpec) -> HourAxis:
    """The axis that holds the study's window and every row; hours (rows,) increase within each stay (rows,)."""
    slots = slots_of(hours, study.start_hours, study.step_hours)
    lowest = min(int(slots.min(initial=0)), 0)
    n = max(int(slots.max(initial=0)) + 1, study.horizon) - lowest
    followed = np.append((slots[1:] == slots[:-1]) & (stay[1:] == stay[:-1]), False)
    return HourAxis(study.hours(lowest + np.arange(n)), np.where(followed[: len(slots)], -1, slots - lowest))


def spans(axis: HourAxis, starts: np.ndarray) -> np.ndarray:
    """(N, 2) first and last slot of each stay, between which it is in the record; starts (N,): its first row."""
    unset = axis.slots < 0  # the row that follows it in the slot stands for it
    first = np.minimum.reduceat(np.where(unset, len(axis.hours), axis.slots), starts)
    return np.stack([first, np.maximum.reduceat(axis.slots, starts)], axis=1)
