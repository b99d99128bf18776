"""A file of another form, checked through the mapping that brings it into the study's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.cohort.check import NOBODY, Checked, examine
from core.study import StudySpec, load_study
from core.tables.mapping import TableMapping, mapping_text
from core.tables.report import CohortReport
from core.tables.transform import apply_mapping


def check_cohort(
    frame: pd.DataFrame,
    study: StudySpec | str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    mapping: TableMapping | None = None,
) -> CohortReport:
    """Every problem of a table by row (1 = first data row), column, value and rule, with attrition and a summary.

    columns: {file's name: our name} where they differ. units: {our column: the file's unit} for columns to convert
    (`Column.other_units`). mapping: the document that brings the table into the study's form, before columns and units.
    Errors refuse the table; warnings say how `load_cohort` mends it. Never raises on bad data, whatever the table
    holds; `StudyError` where the study itself cannot be read, `ConfigError` where the mapping leaves out what it needs.
    """
    return examine_as(frame, load_study(study), mapping, columns, units)[1].report


def examine_as(
    frame: Any,
    study: StudySpec,
    mapping: TableMapping | None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> tuple[StudySpec, Checked]:
    """The study without the columns that the file lacks, and the check of the mapped table, its problems at the rows of
    the file. The report keeps the mapping, so that whoever has the file can read it again."""
    if mapping is None or mapping.empty or not isinstance(frame, pd.DataFrame):
        return study, examine(frame, study, columns, units)
    mapped = apply_mapping(frame, study, mapping)
    text = mapping_text(mapping)
    if not mapped.ok:
        refused = CohortReport(mapped.problems, (), {"rows": len(frame), "patients": 0}, mapping=text)
        return mapped.study, Checked(refused, {}, None, None, None, NOBODY)
    checked = examine(mapped.frame, mapped.study, columns, {**mapped.units, **(units or {})})
    problems = (*mapped.problems, *(mapped.placed(problem) for problem in checked.report.problems))
    report = replace(checked.report, problems=problems, mapping=text)
    return mapped.study, replace(checked, report=report)
