"""Check a table against the rules of a cohort: every problem, attrition, summary; never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.cohort import rules, sequences, twins
from core.cohort.columns import IMPUTED, OPTIONAL, needed_columns, resolve_columns
from core.cohort.save import stored_flags
from core.cohort.units import convert_units
from core.study import StudySpec
from core.tables.keys import Keys, read_keys
from core.tables.report import CohortReport, Exclusion, Problem, attrition_chart
from core.tables.rows import SortedRows, key_problems, key_warnings, rows_of_keys, sort_rows, static_changes
from core.tables.rules import folded
from core.tables.sense import sense_warnings, without_notes
from core.tables.values import Cells, read_cells

NOBODY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Checked:
    """A report, and what the rest of loading needs.

    cells: by our column name; filled: (rows, D) values that were filled in before the file was saved, None for none;
    persons: None where the file names none; stays: None where unusable; twins: see `core.cohort.twins`.
    """

    report: CohortReport
    cells: Mapping[str, Cells]
    filled: np.ndarray | None
    persons: Keys | None
    stays: SortedRows | None
    twins: np.ndarray


def examine(
    frame: Any,
    study: StudySpec,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Checked:
    """Every problem of a table in the study's form, with the cells that were read; see `core.cohort.mapped`."""
    if not isinstance(frame, pd.DataFrame):
        problem = Problem(
            "not-a-table", f"a table is expected, not {type(frame).__name__}.", remedy="Give a DataFrame."
        )
        return Checked(CohortReport((problem,), (), {"rows": 0, "patients": 0}), {}, None, None, None, NOBODY)
    found = resolve_columns(frame.columns, study, columns)
    problems = list(found.problems)
    if not len(frame):
        problems.insert(0, Problem("no-rows", "the table has no data rows.", remedy="Give one row a patient and step."))
    cells = {name: read_cells(frame.iloc[:, i]) for name, i in found.positions.items() if name in _numeric(study)}
    cells, unit_problems = convert_units(cells, units or {}, study)
    problems += unit_problems
    problems += _cell_problems(cells, study)
    keys = {name: read_keys(frame.iloc[:, i]) for name, i in found.positions.items() if name in ("traj", "subject")}
    traj, persons, same = keys.get("traj"), keys.get("subject"), NOBODY
    stays, stay_problems = _stays(traj, cells)
    problems += stay_problems
    filled = stored_flags(frame.iloc[:, found.positions[IMPUTED]], study) if IMPUTED in found.positions else None
    if persons is not None:
        problems += key_warnings("subject", persons)
    if stays is not None:
        same = twins.find_twins(stays, cells, filled, study)
        problems += _stay_problems(stays, cells, persons, study)
        problems += twins.twin_warning(stays, same)
        problems += sense_warnings(stays, cells, filled, study)
    problems = without_notes(folded(problems, rules.MAPPED["comma"]))
    problems.sort(key=lambda problem: problem.severity)  # errors first, each kind in the order of the checks
    summary = _summary(frame, found.renamed, cells, stays, study)
    report = CohortReport(tuple(problems), _attrition(len(frame), stays, traj, study), summary)
    return Checked(report, cells, filled, persons, stays, same)


def _numeric(study: StudySpec) -> set[str]:
    return {*needed_columns(study), *OPTIONAL} - {"traj", "subject"}


def _cell_problems(cells: Mapping[str, Cells], study: StudySpec) -> list[Problem]:
    problems: list[Problem] = []
    for column in study.columns:
        if column.name in cells:
            problems += rules.state_problems(column, cells[column.name])
            problems += rules.missing_state_warning(column, cells[column.name])
    if "step" in cells:
        problems += rules.step_problems(cells["step"])
    if "action" in cells:
        problems += rules.action_problems(cells["action"], study)
    if "outcome" in cells:
        problems += rules.outcome_problems(cells["outcome"], study)
    if "dose" in cells and "action" in cells:
        problems += rules.dose_problems(cells["dose"], cells["action"], study)
    return problems


def _stays(keys: Keys | None, cells: Mapping[str, Cells]) -> tuple[SortedRows | None, list[Problem]]:
    """Sorted stays, and the problems of their keys; None where traj or step is missing altogether."""
    if keys is None:
        return None, []
    problems = list(key_problems("traj", keys))
    if "step" not in cells:
        return None, problems
    good = rules.good_steps(cells["step"])
    steps = np.where(good, cells["step"].values, 0)
    return sort_rows(keys, ~rows_of_keys(keys, ~good), steps), problems


def _stay_problems(
    stays: SortedRows, cells: Mapping[str, Cells], persons: Keys | None, study: StudySpec
) -> list[Problem]:
    problems = list(sequences.step_order_problems(stays, study))
    if "outcome" in cells:
        problems += sequences.outcome_places(stays, cells["outcome"], study)
    if study.reward_column in cells:
        problems += sequences.reward_places(stays, cells[study.reward_column], study)
    for column in study.columns:
        if column.kind == "static" and column.name in cells:
            problems += static_changes(column.name, stays, cells[column.name])
    if "hours" in cells:
        problems += sequences.hours_problems(stays, cells["hours"], study)
    if study.fewest_rows > 1:
        problems += sequences.single_step_warning(stays)
    if persons is not None:
        problems += twins.person_warning(stays, persons)
    if len(stays.keys) and not (stays.lengths >= study.fewest_rows).any():
        remedy = "Each patient needs at least two steps; check that 'traj' holds the patient."
        problems.append(Problem("no-patients", "no patient has more than one step.", None, "traj", None, remedy))
    return problems


def _attrition(rows: int, stays: SortedRows | None, keys: Keys | None, study: StudySpec) -> tuple[Exclusion, ...]:
    """From the rows read to the rows that a cohort would hold."""
    single = 0 if stays is None else int((stays.lengths < study.fewest_rows).sum())
    removed = [] if stays is None else [("stay of one step", single, single)]
    return attrition_chart(0 if keys is None else len(keys.names), rows, *removed)


def _summary(
    frame: pd.DataFrame,
    renamed: Mapping[str, str],
    cells: Mapping[str, Cells],
    stays: SortedRows | None,
    study: StudySpec,
) -> dict[str, Any]:
    """Facts of the table as far as they can be read."""
    facts: dict[str, Any] = {
        "rows": len(frame),
        "columns": frame.shape[1],
        "study": study.name,
        "renamed": dict(renamed),
    }
    states = [cells[name] for name in study.names if name in cells]
    total = max(len(frame) * len(states), 1)
    facts["missing_percent"] = 100 * sum(int(cell.missing.sum()) for cell in states) / total
    facts["patients"] = 0 if stays is None else int((stays.lengths >= study.fewest_rows).sum())
    if stays is not None and len(stays.keys):
        facts["steps_median"], facts["steps_max"] = float(np.median(stays.lengths)), int(stays.lengths.max())
        if "outcome" in cells and study.tells_survival:
            final = cells["outcome"].values[stays.order[stays.starts + stays.lengths - 1]]
            known = final[np.isin(final, (-1, 1)) & (stays.lengths >= study.fewest_rows)]
            facts["mortality_percent"] = float(100 * np.mean(known == -1)) if len(known) else float("nan")
    if "action" in cells:
        taken = cells["action"].values
        counts = np.array([(taken == action).sum() for action in range(study.n_actions)])
        facts["action_percent"] = (100 * counts / max(counts.sum(), 1)).round(2).tolist()
    return facts
