"""From a file or table to a checked `RegistryCohort`, and back to a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pandas as pd

from core.base.errors import CohortError
from core.registry.cohort.check import examine
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import RegistrySpec, load_registry_spec
from core.tables.origin import Origin
from core.tables.read import read_table
from core.tables.report import CohortReport, Problem
from core.tables.text import error_text
from core.tables.write import write_frame


def load_registry(source: str | Path | IO[Any], spec: RegistrySpec | str | Path | None = None) -> RegistryCohort:
    """Read, check, mend and sort a registry file (.csv, .csv.gz, .parquet; path or file object).

    The report of a Parquet file that was saved here begins with what was left out and mended then. Raises
    `CohortError`, whose message lists every problem and whose `report` holds them.
    """
    table = read_table(source)
    return make_registry(table.frame, spec, origin=table.origin, file_warnings=table.warnings, earlier=table.earlier)


def make_registry(
    frame: pd.DataFrame,
    spec: RegistrySpec | str | Path | None = None,
    *,
    origin: Origin | None = None,
    file_warnings: tuple[Problem, ...] = (),
    earlier: CohortReport | None = None,
) -> RegistryCohort:
    """`load_registry` for a table in memory; `earlier` is what was left out and mended before, and opens the report."""
    registry = load_registry_spec(spec)
    checked = examine(frame, registry)
    report = replace(checked.report, problems=checked.report.problems + file_warnings)
    if not report.ok or checked.frame is None:
        raise CohortError(error_text(report), report)
    return RegistryCohort(registry, checked.frame, origin or Origin(), report.following(earlier or CohortReport()))


def check_registry(frame: pd.DataFrame, spec: RegistrySpec | str | Path | None = None) -> CohortReport:
    """Every problem of a table by row (1 = first data row), column, value and rule, with attrition and a summary.

    Errors refuse the table; warnings say how `load_registry` mends it. Never raises on bad data, whatever the table
    holds; `StudyError` where the registry's definition itself cannot be read.
    """
    return examine(frame, load_registry_spec(spec)).report


def save_registry(cohort: RegistryCohort, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz`, by the ending of the path; returns the path.

    Values, order and `data_hash` survive in all formats; Parquet also keeps the origin, so that a simulated registry is
    known as one, and the report. Raises `CohortError` for another ending or a folder that cannot be written.
    """
    return write_frame(cohort.frame, Path(path), cohort.origin, cohort.report)
