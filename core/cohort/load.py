"""From a file or table to a checked `Cohort`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.cohort.check import Checked
from core.cohort.cohort import Cohort
from core.cohort.columns import OPTIONAL, given_reward
from core.cohort.impute import impute
from core.cohort.mapped import examine_as
from core.study import StudySpec, load_study
from core.tables.mapping import TableMapping
from core.tables.origin import Origin
from core.tables.read import read_table
from core.tables.report import CohortReport, Problem
from core.tables.rows import SortedRows
from core.tables.text import error_text


def load_cohort(
    source: str | Path | IO[Any],
    study: StudySpec | str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    mapping: TableMapping | None = None,
    train_patients: np.ndarray | Sequence[int] | None = None,
) -> Cohort:
    """Read, check, impute and sort a cohort file (.csv, .csv.gz, .parquet; path or file object).

    columns: {file's name: our name} where they differ. units: {our column: the file's unit} for columns to convert
    (`Column.other_units` of the study lists what is known). mapping: the document that brings the file into the study's
    form, before columns and units (None: the study's own, where the file needs it); the report keeps it.
    train_patients: positions (0..N-1 in the loaded cohort) whose recorded values give the medians for imputation; None
    uses all patients. The report of a Parquet file that was saved or extracted here begins with what was left out and
    mended then. Raises `CohortError`, whose message lists every problem and whose `report` holds them; its remedies say
    what to do.
    """
    table = read_table(source)
    return make_cohort(
        table.frame,
        study,
        columns=columns,
        units=units,
        mapping=mapping,
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
    mapping: TableMapping | None = None,
    train_patients: np.ndarray | Sequence[int] | None = None,
    origin: Origin | None = None,
    file_warnings: tuple[Problem, ...] = (),
    earlier: CohortReport | None = None,
) -> Cohort:
    """`load_cohort` for a table in memory; `earlier` is what was left out and mended before, and opens the report."""
    spec = load_study(study)
    spec, checked = examine_as(frame, spec, mapping, columns, units, earlier)
    report = replace(checked.report, problems=checked.report.problems + file_warnings)
    if not report.ok or checked.stays is None:
        raise CohortError(error_text(report), report)
    report = report.following(earlier or CohortReport())
    return _build(spec, checked, report, train_patients, origin or Origin())


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
    step, action = (cohort.frame[name].to_numpy() for name in ("step", "action"))
    outcome = None if cohort.study.outcome == "none" else cohort.frame["outcome"].to_numpy()
    frame = _table(cohort.frame["traj"].array, step, action, outcome, states, cohort.study)
    return replace(cohort, frame=frame, imputed=imputed)


def _build(
    study: StudySpec,
    checked: Checked,
    report: CohortReport,
    train_patients: np.ndarray | Sequence[int] | None,
    origin: Origin,
) -> Cohort:
    """Sort, drop stays without a decision, impute, and set the types of `Cohort.frame`."""
    assert checked.stays is not None
    stays, cells = checked.stays, checked.cells
    kept = stays.lengths >= study.fewest_rows
    lengths = stays.lengths[kept]
    starts = np.cumsum(lengths) - lengths
    in_kept = np.repeat(kept, stays.lengths)
    order = stays.order[in_kept]
    recorded = (cells[name].values[order] for name in study.names)
    states, imputed = impute(recorded, starts, lengths, study, _train_mask(train_patients, len(lengths)))
    action = cells["action"].values[order].astype(np.int64)
    outcome = None if study.outcome == "none" else cells["outcome"].values[order]
    outcome = outcome.astype(np.int64) if outcome is not None and study.tells_survival else outcome
    if checked.filled is not None:
        imputed |= checked.filled[order]
    position = np.cumsum(kept) - 1
    twins = position[checked.twins[kept]]
    table = _table(_keys(stays, kept, lengths), stays.step[in_kept], action, outcome, states, study)
    return Cohort(table, study, origin, report, imputed, _extra(checked, order, study), twins)


def _table(
    keys: Any, step: np.ndarray, action: np.ndarray, outcome: np.ndarray | None, states: np.ndarray, study: StudySpec
) -> pd.DataFrame:
    """`Cohort.frame` around the array of states (rows, D), which is not copied; outcome None: the study has none."""
    head = pd.DataFrame({"traj": keys, "step": step}, copy=False)
    body = pd.DataFrame(states, columns=list(study.names), copy=False)
    ends = {} if outcome is None else {"outcome": outcome}
    tail = pd.DataFrame({"action": action, **ends}, copy=False)
    return pd.concat([head, body, tail], axis=1)


def _keys(stays: SortedRows, kept: np.ndarray, lengths: np.ndarray) -> Any:
    """(rows,) text, the key of each row's stay."""
    return pd.array(stays.keys[kept], dtype="str").take(np.repeat(np.arange(len(lengths)), lengths))


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


def _extra(checked: Checked, order: np.ndarray, study: StudySpec) -> pd.DataFrame | None:
    """The optional columns that the file has: dose and hours, NaN where a value cannot be used; subject as text; and
    the reward as given, 0 on a stay's last row."""
    found = {name: checked.cells[name] for name in OPTIONAL if name in checked.cells}
    values: dict[str, Any] = {n: np.where(cells.usable, cells.values, np.nan)[order] for n, cells in found.items()}
    if "dose" in values:
        values["dose"] = np.where(values["dose"] < 0, np.nan, values["dose"])
    for name in given_reward(study):
        values[name] = np.where(checked.cells[name].missing, 0.0, checked.cells[name].values)[order]
    if checked.persons is not None:
        values["subject"] = checked.persons.array.take(checked.persons.code[order], allow_fill=True)
    return pd.DataFrame(values) if values else None
