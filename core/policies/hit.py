"""Heparin-induced thrombocytopenia by the 4Ts, as far as a record tells, at each step from the steps before it.

The pretest score of Lo et al. (J Thromb Haemost 2006; 4:759-765) gives 0 to 2 points for each of

    thrombocytopenia   2: fall > 50 % and lowest count >= 20; 1: fall 30-50 % or lowest count 10-19; else 0
    timing of the fall 2: day 5-10, or within a day after heparin in the last 30 days; 1: after day 10, or unclear;
                       0: before day 4 without recent heparin
    thrombosis         2: new and confirmed; 1: suspected or recurrent; 0: none
    other causes       2: none apparent; 1: possible; 0: definite

0-3 low, 4-5 intermediate, 6-8 high. A T that is not on record counts as anything from 0 to 2, so the score is a range:
"unlikely" where even its upper end is at most 3, "possible" where even its lower end is 4 or more, else "unknown".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNLIKELY, POSSIBLE, UNKNOWN = "unlikely", "possible", "unknown"
THROMBOCYTOPENIA, TIMING, THROMBOSIS, OTHER = range(4)
TS = ("thrombocytopenia", "timing", "thrombosis", "other causes")
LOW_AT_MOST, MIDDLE_AT_LEAST = 3, 4  # points
OTHER_CAUSE = {"unknown": (0, 2), "none": (2, 2), "possible": (1, 1), "definite": (0, 0)}
FALL, GREAT_FALL = 30.0, 50.0  # percent
LOWEST, LOW = 10.0, 20.0  # 10^9/L


@dataclass(frozen=True, eq=False)
class FourTs:
    """low, high (n, T, 4) int points of each T as `TS` orders them; fall (n, T) percent, the largest so far under the
    drug; lowest (n, T) count so far since the drug began, inf where it has not; given (n, T) whether it has."""

    low: np.ndarray
    high: np.ndarray
    fall: np.ndarray
    lowest: np.ndarray
    given: np.ndarray

    @property
    def words(self) -> np.ndarray:
        """(n, T) `UNLIKELY`, `POSSIBLE` or `UNKNOWN`."""
        possible = np.where(self.low.sum(axis=-1) >= MIDDLE_AT_LEAST, POSSIBLE, UNKNOWN)
        return np.where(self.high.sum(axis=-1) <= LOW_AT_MOST, UNLIKELY, possible)


def fall_under_drug(values: np.ndarray, actions: np.ndarray, hours: np.ndarray, within: float = np.inf) -> np.ndarray:
    """How far values lie below their highest of the last hours, the drug given in between; (n, T) percent, 0 for none.

        fall_t = 100 (m_t - x_t) / m_t,  m_t = max {x_s : s < t, h_t - h_s <= within, a dose at some step s..t-1}

    values (n, T) not negative, actions (n, T) dose bins, 0 for no drug, hours (n, T) rising. The dose of step t itself
    comes after its value, so it does not count.
    """
    values, hours = np.asarray(values, dtype=np.float64), np.asarray(hours, dtype=np.float64)
    doses = np.pad(np.cumsum(actions > 0, axis=1), ((0, 0), (1, 0)))  # before each step
    highest = np.zeros(values.shape)
    for lag in range(1, values.shape[1]):
        near = hours[:, lag:] - hours[:, :-lag] <= within
        if not near.any():
            break
        counts = near & (doses[:, lag:-1] > doses[:, : -lag - 1])
        highest[:, lag:] = np.fmax(highest[:, lag:], np.where(counts, values[:, :-lag], 0.0))
    known = (highest > 0) & (values < highest)  # a missing value is not below anything
    below = 100.0 * (highest - values)  # in this order a fall from 100 to 80 is 20 % exactly
    return np.asarray(np.divide(below, highest, out=np.zeros_like(values), where=known))


def four_ts(
    platelets: np.ndarray,
    actions: np.ndarray,
    hours: np.ndarray,
    other_cause: str = "unknown",
    exposed: np.ndarray | None = None,
    thrombosis: np.ndarray | None = None,
) -> FourTs:
    """The 4Ts at every step, from what was measured up to it and given before it.

    platelets (n, T) in 10^9/L, actions (n, T), hours (n, T) rising; exposed (n, T): 1 for heparin within 30 days before
    the stay; thrombosis (n, T): 1 for a new, confirmed one; None: not on record. Without a dose there is nothing that
    could have caused a fall, and without a fall of 30 % there is nothing to time: no points.
    """
    given = np.pad(np.cumsum(actions > 0, axis=1)[:, :-1], ((0, 0), (1, 0))) > 0
    fall = np.maximum.accumulate(fall_under_drug(platelets, actions, hours), axis=1)
    lowest = np.fmin.accumulate(np.where(given, platelets, np.inf), axis=1)
    counted = np.where((fall > GREAT_FALL) & (lowest >= LOW), 2, np.where((fall >= FALL) | (lowest < LOW), 1, 0))
    counted = np.where(given & (lowest >= LOWEST), counted, 0)
    nothing, anything = np.zeros(fall.shape, dtype=np.int64), np.full(fall.shape, 2)
    early, late = _timing(fall, actions, hours, exposed)
    clots = (nothing, anything) if thrombosis is None else (2 * np.maximum.accumulate(thrombosis > 0, axis=1),) * 2
    least, most = OTHER_CAUSE[other_cause]
    low = np.stack([counted, early, clots[0], nothing + least], axis=-1)
    high = np.stack([counted, late, clots[1], nothing + most], axis=-1)
    return FourTs(low.astype(np.int64), high.astype(np.int64), fall, lowest, given)


def _timing(
    fall: np.ndarray, actions: np.ndarray, hours: np.ndarray, exposed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(n, T) least and most points for the day of the fall, counted from the first dose on record.

    Where heparin within 30 days before the stay is not excluded the count may have begun earlier: 2 points for a fall
    within a day where it is known to have been given, else anything from 0 to 2.
    """
    fell = fall >= FALL
    first, onset = (np.take_along_axis(hours, x.argmax(axis=1)[:, None], axis=1) for x in (actions > 0, fell))
    day = (onset - first) / 24.0  # the same at every step after the onset, and not looked at before it
    points = np.select([day < 4.0, day < 5.0, day <= 10.0], [0, 1, 2], 1)
    none, all_of = np.zeros(fall.shape, dtype=np.int64), np.full(fall.shape, 2)
    if exposed is None:
        low, high = none, all_of
    else:
        recent = exposed > 0
        low = np.where(recent, np.where(day <= 1.0, 2, 0), points)
        high = np.where(recent, 2, points)
    return np.where(fell, low, 0), np.where(fell, high, 0)
