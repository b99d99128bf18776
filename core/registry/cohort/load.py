"""From a file or table to a checked `RegistryCohort`, and back to a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pandas as pd

from core.base.errors import CohortError
from core.registry.cohort.check import Checked, examine
from core.registry.cohort.mapping import RegistryMapping, registry_mapping_text
from core.registry.cohort.table import RegistryCohort
from core.registry.cohort.transform import apply_mapping
from core.registry.spec import RegistrySpec, load_registry_spec
from core.tables.origin import Origin
from core.tables.read import read_table
from core.tables.report import CohortReport, Problem
from core.tables.text import error_text
from core.tables.write import write_frame


def load_registry(
    source: str | Path | IO[Any],
    spec: RegistrySpec | str | Path | None = None,
    mapping: RegistryMapping | None = None,
) -> RegistryCohort:
    """Read, check, mend and sort a registry file (.csv, .csv.gz, .parquet; path or file object).

    mapping: the document that brings the file into the registry's form; the report keeps it. The report of a Parquet
    file that was saved here begins with what was left out and mended then. Raises `CohortError`, whose message lists
    every problem and whose `report` holds them.
    """
    table = read_table(source)
    return make_registry(
        table.frame, spec, mapping=mapping, origin=table.origin, file_warnings=table.warnings, earlier=table.earlier
    )


def make_registry(
    frame: pd.DataFrame,
    spec: RegistrySpec | str | Path | None = None,
    *,
    mapping: RegistryMapping | None = None,
    origin: Origin | None = None,
    file_warnings: tuple[Problem, ...] = (),
    earlier: CohortReport | None = None,
) -> RegistryCohort:
    """`load_registry` for a table in memory; `earlier` is what was left out and mended before, and opens the report."""
    registry = load_registry_spec(spec)
    checked = _examine(frame, registry, mapping)
    report = replace(checked.report, problems=checked.report.problems + file_warnings)
    if not report.ok or checked.frame is None:
        raise CohortError(error_text(report), report)
    return RegistryCohort(registry, checked.frame, origin or Origin(), report.following(earlier or CohortReport()))


def check_registry(
    frame: pd.DataFrame, spec: RegistrySpec | str | Path | None = None, mapping: RegistryMapping | None = None
) -> CohortReport:
    """Every problem of a table by row (1 = first data row), column, value and rule, with attrition and a summary.

    Errors refuse the table; warnings say how `load_registry` mends it. Never raises on bad data, whatever the table
    holds; `StudyError` where the registry's definition itself cannot be read.
    """
    return _examine(frame, load_registry_spec(spec), mapping).report


def _examine(frame: Any, spec: RegistrySpec, mapping: RegistryMapping | None) -> Checked:
    """The check of a table as it is, or through a mapping: its problems at the rows of the file, the rows that the
    mapping left out or made in the attrition, and the mapping itself in the report."""
    if mapping is None or mapping.empty or not isinstance(frame, pd.DataFrame):
        return examine(frame, spec)
    text = registry_mapping_text(mapping)
    mapped = apply_mapping(frame, spec, mapping)
    if not mapped.ok:
        facts = {"rows": len(frame), "study": spec.name, "patients": 0}
        return Checked(CohortReport(mapped.problems, (), facts, mapped.notes, text), None)
    checked = examine(mapped.frame, spec, mapping.words)
    problems = (*mapped.problems, *(mapped.placed(problem) for problem in checked.report.problems))
    later = checked.report.attrition
    made = (step for step in later[1:] if step.patients or step.rows)
    attrition = (*mapped.attrition, *made) if mapped.attrition else later
    report = replace(checked.report, problems=problems, attrition=attrition, notes=mapped.notes, mapping=text)
    return replace(checked, report=report)


def save_registry(cohort: RegistryCohort, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz`, by the ending of the path; returns the path.

    Values, order and `data_hash` survive in all formats; Parquet also keeps the origin, so that a simulated registry is
    known as one, and the report. Raises `CohortError` for another ending or a folder that cannot be written.
    """
    return write_frame(cohort.frame, Path(path), cohort.origin, cohort.report)
