"""Fill in missing state values, and remember which ones.

Temporal columns: the last recorded value of the same stay; before the first record, the median over the recorded values
of the training patients. Static columns: the stay's first recorded value in every step, else that median (one value
per patient). Binary columns use the most frequent value in place of the median. No value of a later step is ever
carried back into a temporal column, and no value of a patient outside training reaches another patient.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.study import Column, StudySpec


def impute(
    columns: Iterable[np.ndarray], starts: np.ndarray, lengths: np.ndarray, study: StudySpec, train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fill NaN in the state columns of sorted stays, one after another, so that only one is held twice.

    columns: (rows,) of each state column; starts, lengths: (N,) rows of each stay; train: (N,) bool, the patients whose
    values give the medians (where they have none in a column, all patients do). Returns (rows, D) float32 filled values
    and (rows, D) bool flags of filled ones.
    """
    n = int(lengths.sum())
    filled, imputed = np.empty((n, study.n_columns), np.float32), np.empty((n, study.n_columns), bool)
    train_rows = np.repeat(train, lengths)
    for j, (column, recorded) in enumerate(zip(study.columns, columns, strict=True)):
        missing = np.isnan(recorded)
        values = recorded
        if column.kind == "static":
            values = _first_recorded(recorded, starts, lengths)
        elif missing.any():
            latest = np.maximum.accumulate(np.where(missing, -1, np.arange(n)))
            values = np.where(latest >= np.repeat(starts, lengths), recorded[latest], np.nan)
        left = np.isnan(values)
        if left.any():
            values = np.where(left, _typical(column, recorded, starts, train_rows), values)
        filled[:, j], imputed[:, j] = values, missing
    return filled, imputed


def _first_recorded(values: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(rows,) each stay's first value that is not NaN, in all its rows."""
    n = len(values)
    row = np.where(np.isnan(values), n, np.arange(n))
    first = np.minimum.reduceat(row, starts)
    return np.repeat(np.append(values, np.nan)[first], lengths)


def _typical(column: Column, values: np.ndarray, starts: np.ndarray, train_rows: np.ndarray) -> float:
    """Median (binary: most frequent value) of the recorded training values; static columns count each patient once."""
    if column.kind == "static":
        ends = np.append(starts[1:], len(values))
        values, train_rows = _first_recorded(values, starts, ends - starts)[starts], train_rows[starts]
    recorded = values[train_rows & ~np.isnan(values)]
    if not len(recorded):
        recorded = values[~np.isnan(values)]
    if not len(recorded):
        return float(np.mean(column.plausible))
    return float(np.mean(recorded) > 0.5) if column.binary else float(np.median(recorded))
