"""From a file or table to a checked `Cohort`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.cohort.check import Checked, examine
from core.cohort.cohort import Cohort, Origin
from core.cohort.columns import IMPUTED, OPTIONAL
from core.cohort.impute import impute
from core.cohort.sequences import Stays
from core.study import StudySpec, load_study
from core.tables.read import read_table
from core.tables.report import CohortReport, Problem
from core.tables.text import error_text
from core.tables.values import Cells, read_keys


def load_cohort(
    source: str | Path | IO[Any],
    study: StudySpec | str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    train_patients: np.ndarray | Sequence[int] | None = None,
) -> Cohort:
    """Read, check, impute and sort a cohort file (.csv, .csv.gz, .parquet; path or file object).

    columns: {file's name: our name} where they differ. units: {our column: the file's unit} for columns to convert
    (`Column.other_units` of the study lists what is known). train_patients: positions (0..N-1 in the loaded cohort)
    whose recorded values give the medians for imputation; None uses all patients. The report of a Parquet file that
    was saved or extracted here begins with what was left out and mended then. Raises `CohortError`, whose message
    lists every problem and whose `report` holds them; its remedies say what to do.
    """
    table = read_table(source)
    return make_cohort(
        table.frame,
        study,
        columns=columns,
        units=units,
        train_patients=train_patients,
        origin=table.origin,
        file_warnings=table.warnings,
        earlier=table.earlier,
    )


def make_cohort(
    frame: pd.DataFrame,
    study: StudySpec | str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    train_patients: np.ndarray | Sequence[int] | None = None,
    origin: Origin | None = None,
    file_warnings: tuple[Problem, ...] = (),
    earlier: CohortReport | None = None,
) -> Cohort:
    """`load_cohort` for a table in memory; `earlier` is what was left out and mended before, and opens the report."""
    spec = load_study(study)
    checked = examine(frame, spec, columns, units)
    report = replace(checked.report, problems=checked.report.problems + file_warnings)
    if not report.ok or checked.stays is None:
        raise CohortError(error_text(report), report)
    report = report.following(earlier or CohortReport())
    return _build(frame, spec, checked, report, train_patients, origin or Origin())


def reimpute(cohort: Cohort, train_patients: np.ndarray | Sequence[int]) -> Cohort:
    """The same cohort with its imputed values filled in anew from the recorded values of these patients alone.

    A file is imputed before it can be split; this removes what other patients lent to the medians. Recorded values,
    rows, outcomes, and so any split, stay as they are. A cohort without imputed values is returned unchanged.
    """
    if cohort.imputed is None or not cohort.imputed.any():
        return cohort
    flags, stored = cohort.imputed, cohort.states
    recorded = (np.where(flags[:, j], np.float32(np.nan), stored[:, j]) for j in range(cohort.study.n_columns))
    train = _train_mask(train_patients, cohort.n_patients)
    states, imputed = impute(recorded, cohort.starts, cohort.lengths, cohort.study, train)
    step, action, outcome = (cohort.frame[name].to_numpy() for name in ("step", "action", "outcome"))
    frame = _table(cohort.frame["traj"].array, step, action, outcome, states, cohort.study)
    return replace(cohort, frame=frame, imputed=imputed)


def _build(
    frame: pd.DataFrame,
    study: StudySpec,
    checked: Checked,
    report: CohortReport,
    train_patients: np.ndarray | Sequence[int] | None,
    origin: Origin,
) -> Cohort:
    """Sort, drop stays of one step, impute, and set the types of `Cohort.frame`."""
    assert checked.stays is not None
    stays, cells = checked.stays, checked.cells
    kept = stays.lengths > 1
    lengths = stays.lengths[kept]
    starts = np.cumsum(lengths) - lengths
    in_kept = np.repeat(kept, stays.lengths)
    order = stays.order[in_kept]
    recorded = (cells[name].values[order] for name in study.names)
    states, imputed = impute(recorded, starts, lengths, study, _train_mask(train_patients, len(lengths)))
    action, outcome = (cells[name].values[order].astype(np.int64) for name in ("action", "outcome"))
    imputed |= _stored_flags(frame, checked.positions, order, study.n_columns)
    table = _table(_keys(stays, kept, lengths), stays.step[in_kept], action, outcome, states, study)
    return Cohort(table, study, origin, report, imputed, _extra(checked, order))


def _table(
    keys: Any, step: np.ndarray, action: np.ndarray, outcome: np.ndarray, states: np.ndarray, study: StudySpec
) -> pd.DataFrame:
    """`Cohort.frame` around the array of states (rows, D), which is not copied."""
    head = pd.DataFrame({"traj": keys, "step": step}, copy=False)
    body = pd.DataFrame(states, columns=list(study.names), copy=False)
    tail = pd.DataFrame({"action": action, "outcome": outcome}, copy=False)
    return pd.concat([head, body, tail], axis=1)


def _keys(stays: Stays, kept: np.ndarray, lengths: np.ndarray) -> Any:
    keys = np.repeat(stays.keys[kept], lengths)
    return keys if keys.dtype == np.int64 else pd.array(keys, dtype="str")


def _train_mask(train_patients: np.ndarray | Sequence[int] | None, n: int) -> np.ndarray:
    """(N,) True for training patients; all of them where none are named."""
    if train_patients is None:
        return np.ones(n, dtype=bool)
    positions = np.asarray(train_patients, dtype=np.int64)
    if len(positions) and (positions.min() < 0 or positions.max() >= n):
        raise CohortError(f"train_patients names positions outside 0..{n - 1}; split the cohort as it was loaded.")
    mask = np.zeros(n, dtype=bool)
    mask[positions] = True
    return mask


def _stored_flags(frame: pd.DataFrame, positions: Mapping[str, int], order: np.ndarray, width: int) -> np.ndarray:
    """(rows, D) imputation flags that `save_cohort` packed into the file; none where they are absent or foreign."""
    none = np.zeros((len(order), width), dtype=bool)
    if IMPUTED not in positions:
        return none
    packed = frame.iloc[:, positions[IMPUTED]].to_numpy(dtype=object)
    size = (width + 7) // 8
    if not all(isinstance(cell, bytes) and len(cell) == size for cell in packed):
        return none
    bits = np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(len(packed), size)
    return np.unpackbits(bits[order], axis=1, count=width).astype(bool)


def _persons(cells: Cells) -> np.ndarray:
    """(rows,) a number for each person, NaN where none is named; keys that are text are numbered."""
    keys, missing = read_keys(cells.raw)
    numbers = keys if keys.dtype == np.int64 else np.unique(keys, return_inverse=True)[1]
    return np.where(missing, np.nan, numbers)


def _extra(checked: Checked, order: np.ndarray) -> pd.DataFrame | None:
    """The optional columns that the file has, NaN where a value cannot be used."""
    found = {name: checked.cells[name] for name in OPTIONAL if name in checked.cells}
    if not found:
        return None
    values = {name: np.where(cells.usable, cells.values, np.nan)[order] for name, cells in found.items()}
    if "subject" in found:
        values["subject"] = _persons(found["subject"])[order]
    if "dose" in values:
        values["dose"] = np.where(values["dose"] < 0, np.nan, values["dose"])
    return pd.DataFrame(values)
