"""The report of a cohort as it survives in a Parquet file: JSON under the schema metadata key `phenopolicy-report`.

A saved cohort is clean, so its own check finds nothing. What was left out and filled in before is only here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.tables.mapping import MOST_MAPPING
from core.tables.report import CohortReport, Exclusion, Problem

REPORT_KEY = b"phenopolicy-report"
MAX_BYTES = 1 << 20
MAX_WARNINGS = 500
MAX_EXCLUSIONS = 100
MAX_NOTES = 100
MAX_TEXT = 1000
MAX_NOTE = 4000


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Warning(_Stored):
    rule: str = Field(max_length=MAX_TEXT)
    message: str = Field(max_length=MAX_TEXT)
    row: int | None = Field(None, ge=0)
    column: str | None = Field(None, max_length=MAX_TEXT)
    value: str | None = Field(None, max_length=MAX_TEXT)
    remedy: str = Field("", max_length=MAX_TEXT)
    severity: Literal["warning"]
    count: int = Field(1, ge=0)


class _Exclusion(_Stored):
    reason: str = Field(max_length=MAX_TEXT)
    patients: int = Field(ge=0)
    rows: int = Field(ge=0)
    patients_left: int = Field(ge=0)
    rows_left: int = Field(ge=0)


class _Report(_Stored):
    problems: list[_Warning] = Field(max_length=MAX_WARNINGS)
    attrition: list[_Exclusion] = Field(max_length=MAX_EXCLUSIONS)
    notes: list[Annotated[str, Field(max_length=MAX_NOTE)]] = Field(default=[], max_length=MAX_NOTES)
    mapping: str = Field("", max_length=MOST_MAPPING)


def report_metadata(report: CohortReport) -> dict[bytes, bytes]:
    """Schema metadata that `read_report` understands: attrition, first warnings and notes; empty without any."""
    values = CohortReport(report.warnings[:MAX_WARNINGS], report.attrition[:MAX_EXCLUSIONS]).to_json()
    notes = [note[:MAX_NOTE] for note in report.notes[:MAX_NOTES]]
    if not values["problems"] and not values["attrition"] and not notes and not report.mapping:
        return {}
    shortened: dict[str, Any] = {name: [_shorten(item) for item in items] for name, items in values.items()}
    shortened |= {"notes": notes, "mapping": report.mapping}
    text = _Report.model_validate(shortened).model_dump_json().encode()
    return {REPORT_KEY: text} if len(text) <= MAX_BYTES else {}


def read_report(metadata: Mapping[bytes, bytes] | None) -> CohortReport:
    """The report in a file's metadata; empty where there is none, or one that is malformed or too large."""
    text = (metadata or {}).get(REPORT_KEY, b"")
    if not text or len(text) > MAX_BYTES:
        return CohortReport()
    try:
        stored = _Report.model_validate_json(text)
    except ValidationError:
        return CohortReport()
    problems = tuple(Problem(**item.model_dump()) for item in stored.problems)
    attrition = tuple(Exclusion(**item.model_dump()) for item in stored.attrition)
    return CohortReport(problems, attrition, notes=tuple(stored.notes), mapping=stored.mapping)


def _shorten(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in item.items()}
