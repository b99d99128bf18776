"""A file of another form, checked through the mapping that brings it into the study's form: a given one, or its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.cohort.check import NOBODY, Checked, examine
from core.cohort.columns import needed_columns
from core.study import StudySpec, load_study
from core.tables.mapping import TableMapping, mapping_text, parse_mapping
from core.tables.report import CohortReport
from core.tables.transform import apply_mapping, file_columns
from core.tables.values import safe_text


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
    (`Column.other_units`). mapping: the document that brings the table into the study's form, before columns and units
    (None: the study's own, where the table needs it). Errors refuse the table; warnings say how `load_cohort` mends it.
    Never raises on bad data, whatever the table holds; `StudyError` where the study itself cannot be read,
    `ConfigError` where the mapping leaves out what it needs.
    """
    return examine_as(frame, load_study(study), mapping, columns, units)[1].report


def examine_as(
    frame: Any,
    study: StudySpec,
    mapping: TableMapping | None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    earlier: CohortReport | None = None,
) -> tuple[StudySpec, Checked]:
    """The study without the columns that the file lacks, and the check of the mapped table, its problems at the rows of
    the file. The report keeps the mapping, so that whoever has the file can read it again.

    mapping: None (or empty) is the study's own, unless columns or units are given or the file needs none. earlier: what
    a file that was saved here brings along; it was mapped then.
    """
    none = mapping is None or mapping.empty
    if none and isinstance(frame, pd.DataFrame) and not columns and not units:
        mapping = own_mapping(study, [safe_text(name) for name in frame.columns], earlier)
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


def own_mapping(study: StudySpec, names: Collection[str], earlier: CohortReport | None = None) -> TableMapping | None:
    """The study's own mapping; None where it has none, and for a file that is in the study's form already."""
    if not study.mapping or (earlier is not None and earlier.mapping):
        return None
    mapping = parse_mapping(study.mapping, f"study {study.name}: mapping")
    in_form = set(needed_columns(study)) <= set(names) and not set(file_columns(mapping)) <= set(names)
    return None if in_form else mapping
