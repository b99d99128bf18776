"""One number a patient and column: the mean, first, last, lowest or highest of the stay, or last minus first."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from core.base.remembered import remembered_by
from core.icu.view import RunView

StayValue = Literal["mean", "first", "last", "lowest", "highest", "change"]
STAY_VALUES: tuple[StayValue, ...] = get_args(StayValue)


def stay_values(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, what: StayValue) -> np.ndarray:
    """Summarize each stay's rows: rows (R, D), stays starts (N,) and lengths (N,) >= 1, back to back -> (N, D) float64.

    The mean counts every step alike, filled-in values included, as the tables of the cohort do.
    """
    if what == "first":
        return np.asarray(rows[starts].astype(np.float64))
    if what == "last":
        return np.asarray(rows[starts + lengths - 1].astype(np.float64))
    if what == "change":
        return np.asarray(stay_values(rows, starts, lengths, "last") - stay_values(rows, starts, lengths, "first"))
    if what == "mean":
        return np.asarray(np.add.reduceat(rows, starts, axis=0, dtype=np.float64) / lengths[:, None])
    reduce = np.minimum if what == "lowest" else np.maximum
    return reduce.reduceat(rows, starts, axis=0).astype(np.float64)


@remembered_by(5)
def values_of_stays(view: RunView, what: StayValue) -> np.ndarray:
    """(N, D) `stay_values` of a run's patients, in physical units."""
    return stay_values(view.cohort.states, view.cohort.starts, view.cohort.lengths, what)
