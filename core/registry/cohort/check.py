"""Check a table against the rules of a registry: every problem, attrition, summary; never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.registry.cohort import rules
from core.registry.cohort.cells import Drugs, read_categories, read_drug_text
from core.registry.cohort.columns import Found, find_columns
from core.registry.cohort.drug_names import Words
from core.registry.spec import ALIVE, Decision, RegistrySpec
from core.tables.keys import Keys, read_keys
from core.tables.report import CohortReport, Exclusion, Problem, attrition_chart
from core.tables.rows import SortedRows, key_problems, rows_of_keys, sort_rows, static_changes
from core.tables.rules import folded, warned
from core.tables.values import Cells, read_cells


@dataclass(frozen=True, eq=False)
class Checked:
    """A report, and the table as `RegistryCohort.frame`; None where it cannot be used."""

    report: CohortReport
    frame: pd.DataFrame | None


@dataclass(frozen=True, eq=False)
class _Read:
    """Cells by column; drugs by decision; rows by patient and stage, with the stage index (n,) of each."""

    cells: Mapping[str, Cells]
    drugs: Mapping[str, Drugs]
    patients: SortedRows | None
    stage: np.ndarray


def examine(frame: Any, spec: RegistrySpec, words: Mapping[str, Words] | None = None) -> Checked:
    """`check_registry` that also returns the mended table; words: what a mapping says of drugs, by decision."""
    if not isinstance(frame, pd.DataFrame):
        message = f"a table is expected, not {type(frame).__name__}."
        problem = Problem("not-a-table", message, remedy="Give a DataFrame.")
        return Checked(CohortReport((problem,), (), {"rows": 0, "patients": 0}), None)
    found = find_columns(frame.columns, spec)
    problems = list(found.problems)
    if not len(frame):
        problems.insert(
            0, Problem("no-rows", "the table has no data rows.", remedy="Give one row a patient and stage.")
        )
    cells = _cells(frame, found, spec)
    keys = read_keys(frame.iloc[:, found.positions["patient"]]) if "patient" in found.positions else None
    patients, stage, of_keys = _sorted(keys, cells, spec)
    problems += of_keys
    drugs: dict[str, Drugs] = {}
    for decision in spec.decisions:
        given, drug_problems = _drugs(frame, found, decision, spec, (words or {}).get(decision.name, Words()))
        problems += drug_problems
        if given is not None:
            drugs[decision.name] = given
    read = _Read(cells, drugs, patients, stage)
    problems += _cell_problems(read, spec)
    if patients is not None:
        problems += _patient_problems(read, spec)
    problems = folded(problems)
    problems.sort(key=lambda problem: problem.severity)  # errors first, each kind in the order of the checks
    after = _after_death(read)
    report = CohortReport(
        tuple(problems),
        _attrition(len(frame), keys, None if patients is None else after),
        _summary(frame, read, after, spec),
    )
    if not report.ok or patients is None:
        return Checked(report, None)
    return Checked(report, _table(read, patients, ~after, spec))


def _cells(frame: pd.DataFrame, found: Found, spec: RegistrySpec) -> dict[str, Cells]:
    """Every numeric and category column that the file has."""
    categories = {feature.name: feature for feature in spec.features if feature.kind == "category"}
    cells = {}
    for name in ("stage", *spec.feature_names, *spec.indicator_names):
        if name in found.positions:
            series = frame.iloc[:, found.positions[name]]
            cells[name] = read_categories(series, categories[name]) if name in categories else read_cells(series)
    return cells


def _drugs(
    frame: pd.DataFrame, found: Found, decision: Decision, spec: RegistrySpec, words: Words
) -> tuple[Drugs | None, list[Problem]]:
    """Drugs of one decision from its text column or its columns of 0 and 1; None where neither is complete."""
    if decision.name in found.in_text:
        series = frame.iloc[:, found.positions[decision.name]]
        return read_drug_text(series, decision, spec.separator, words), []
    problems: list[Problem] = []
    columns = [column for column in decision.columns if column in found.positions]
    given = np.zeros((len(frame), len(decision.columns)), dtype=np.uint8)
    missing = np.zeros((len(frame), len(columns)), dtype=bool)
    for j, column in enumerate(columns):
        cells = read_cells(frame.iloc[:, found.positions[column]])
        given[:, decision.columns.index(column)], missing[:, j] = cells.values == 1, cells.missing
        problems += rules.drug_cell_problems(column, cells)
    if len(columns) < len(decision.columns):
        return None, problems
    # A decision that is not made in a row may leave all its cells empty.
    lacking = np.asarray(missing.any(axis=1) & ~missing.all(axis=1))
    return Drugs(given, lacking, {}), problems


def _sorted(
    keys: Keys | None, cells: Mapping[str, Cells], spec: RegistrySpec
) -> tuple[SortedRows | None, np.ndarray, list[Problem]]:
    """Sorted rows of patients whose keys and stages are all readable, the stage index of each, and key problems."""
    nothing = np.zeros(0, dtype=np.int64)
    if keys is None:
        return None, nothing, []
    problems = list(key_problems("patient", keys))
    if "stage" not in cells:
        return None, nothing, problems
    index = stage_index(cells["stage"], spec)
    patients = sort_rows(keys, ~rows_of_keys(keys, index < 0), index)
    return patients, index[patients.order], problems


def stage_index(cells: Cells, spec: RegistrySpec) -> np.ndarray:
    """(rows,) index into `spec.stages` of each cell's day, -1 where it is no stage."""
    days = np.asarray(spec.days, dtype=np.float64)
    place = np.minimum(np.searchsorted(days, np.where(cells.usable, cells.values, -1)), len(days) - 1)
    return np.where(days[place] == cells.values, place, -1).astype(np.int64)


def _cell_problems(read: _Read, spec: RegistrySpec) -> list[Problem]:
    """Rules on single rows."""
    problems: list[Problem] = []
    cells = read.cells
    if "stage" in cells:
        problems += rules.stage_problems(cells["stage"], spec)
    for feature in spec.features:
        if feature.name in cells:
            problems += rules.feature_problems(feature, cells[feature.name])
    for name in spec.indicator_names:
        if name in cells:
            problems += rules.indicator_problems(name, cells[name])
    problems += rules.kept_after_death(cells, spec)
    stage = stage_index(cells["stage"], spec) if "stage" in cells else None
    for decision in spec.decisions:
        if decision.name in read.drugs:
            drugs = read.drugs[decision.name]
            problems += rules.drug_problems(decision, drugs)
            if stage is not None:
                problems += rules.place_problems(decision, drugs, stage, cells, spec)
    return problems


def _patient_problems(read: _Read, spec: RegistrySpec) -> list[Problem]:
    """Rules on the rows of one patient."""
    patients, cells = read.patients, read.cells
    assert patients is not None
    problems = list(rules.order_problems(patients, read.stage, spec))
    if ALIVE in cells and all(name in cells for name in spec.ending):
        problems += rules.history_problems(patients, cells, spec)
        ended = np.any([cells[ALIVE].values == 0, *(cells[name].values == 1 for name in spec.ending)], axis=0)
        problems += rules.follow_up_warnings(patients, read.stage, ended[patients.order], spec)
    for feature in spec.features:
        if feature.name in cells:
            problems += static_changes(feature.name, patients, cells[feature.name])
    after = patients.order[_after_death(read)]
    message = f"rows after the stage at which the patient was first dead: {len(after):,}; they were left out."
    problems += warned("rows-after-death", "alive", after, message)
    return problems


def _after_death(read: _Read) -> np.ndarray:
    """(n,) sorted rows that follow a row of the dead."""
    if read.patients is None or ALIVE not in read.cells:
        return np.zeros(0 if read.patients is None else len(read.patients.order), dtype=bool)
    return rules.before(read.cells[ALIVE].values[read.patients.order] == 0, read.patients)


def _attrition(rows: int, keys: Keys | None, after: np.ndarray | None) -> tuple[Exclusion, ...]:
    """From the rows read to the rows that a registry would hold."""
    removed = [] if after is None else [("row after death", 0, int(after.sum()))]
    return attrition_chart(0 if keys is None else len(keys.names), rows, *removed)


def _summary(frame: pd.DataFrame, read: _Read, after: np.ndarray, spec: RegistrySpec) -> dict[str, Any]:
    """Facts of the table as far as they can be read."""
    facts: dict[str, Any] = {"rows": len(frame), "columns": frame.shape[1], "study": spec.name, "patients": 0}
    features = [read.cells[name] for name in spec.feature_names if name in read.cells]
    total = max(len(frame) * len(features), 1)
    facts["missing_percent"] = 100 * sum(int(cells.missing.sum()) for cells in features) / total
    patients = read.patients
    if patients is not None and len(patients.keys):
        facts["patients"] = len(patients.keys)
        facts["steps_median"], facts["steps_max"] = float(np.median(patients.lengths)), int(patients.lengths.max())
        if ALIVE in read.cells:
            dead = (read.cells[ALIVE].values == 0)[patients.order] & ~after
            facts["mortality_percent"] = 100 * float(dead.sum()) / len(patients.keys)
    return facts


def _table(read: _Read, patients: SortedRows, keep: np.ndarray, spec: RegistrySpec) -> pd.DataFrame:
    """The rows to keep, sorted, with one value of each feature a patient."""
    order = patients.order[keep]
    columns: dict[str, Any] = {
        "patient": pd.array(patients.keys, dtype="str").take(patients.patient[keep]),
        "stage": np.asarray(spec.days, dtype=np.int64)[read.stage[keep]],
    }
    for feature in spec.features:
        value = _first_value(read.cells[feature.name].values[patients.order], patients)[patients.patient[keep]]
        if feature.kind == "category":
            codes = np.where(np.isnan(value), len(feature.categories), value).astype(np.int64)
            columns[feature.name] = pd.array(np.array([*feature.categories, None], dtype=object)[codes], dtype="str")
        else:
            columns[feature.name] = value
    alive = read.cells[ALIVE].values[order] == 1
    for name in spec.indicator_names:
        value = read.cells[name].values[order].astype(np.int64)
        columns[name] = np.where(alive, value, 0) if name in spec.passing else value  # kept flags of the dead
    for decision in spec.decisions:
        given = read.drugs[decision.name].given[order]
        columns |= {name: given[:, j] for j, name in enumerate(decision.columns)}
    return pd.DataFrame(columns)


def _first_value(values: np.ndarray, patients: SortedRows) -> np.ndarray:
    """(P,) first value (n,) of each patient that is not NaN, NaN where there is none."""
    place = np.where(np.isnan(values), len(values), np.arange(len(values)))
    first = np.minimum.reduceat(place, patients.starts) if len(values) else np.zeros(0, dtype=np.int64)
    return np.append(values, np.nan)[first]
