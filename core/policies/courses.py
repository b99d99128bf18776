"""Recorded stays as rules on doses read them: a few columns, the doses and the hours, on one grid of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from core.cohort import Cohort


@dataclass(frozen=True, eq=False)
class Courses:
    """n stays of at most T steps. values: column -> (n, T) in physical units at the start of the step, NaN on padding;
    imputed: column -> (n, T) bool, filled in rather than recorded; actions (n, T) dose bin of the step, 0 on padding;
    hours (n, T) start of the step from onset, rising, NaN on padding; mask (n, T) the real steps."""

    values: Mapping[str, np.ndarray]
    imputed: Mapping[str, np.ndarray]
    actions: np.ndarray
    hours: np.ndarray
    mask: np.ndarray


def courses_of(cohort: Cohort, columns: Iterable[str], patients: np.ndarray | None = None) -> Courses:
    """The stays of these patients (positions; None: all) in their order, T the study's horizon."""
    who = np.arange(cohort.n_patients) if patients is None else np.asarray(patients)
    steps = np.arange(cohort.study.horizon)
    mask = steps < cohort.lengths[who, None]
    rows = cohort.starts[who, None] + np.where(mask, steps, 0)
    values, imputed = {}, {}
    for name in dict.fromkeys(columns):
        place = cohort.study.index(name)
        values[name] = np.where(mask, cohort.states[rows, place].astype(np.float64), np.nan)
        filled = np.zeros(mask.shape, dtype=bool) if cohort.imputed is None else cohort.imputed[rows, place]
        imputed[name] = filled & mask
    hours = np.where(mask, cohort.hours[rows], np.nan)
    return Courses(values, imputed, np.where(mask, cohort.actions[rows], 0), hours, mask)
