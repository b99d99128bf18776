"""Reports as plain text, for error messages and the command line."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.errors import Report
from core.tables.report import CohortReport, Problem

GROUPS = 20  # groups of equal problems in one message
ROWS = 5  # row numbers quoted in one group


def error_text(report: CohortReport) -> str:
    """All errors of a report, equal ones in one line, the first 20 lines and how many more there are."""
    lines = _lines(report.errors)
    total = len(lines)
    if not total:
        return "the cohort cannot be used."
    head = f"the cohort has {total} {'kinds of problem' if total > 1 else 'kind of problem'}:"
    more = [f"... and {total - GROUPS} more."] if total > GROUPS else []
    return "\n".join([head, *(f"- {line}" for line in lines[:GROUPS]), *more])


def report_text(report: Report) -> str:
    """The whole report: facts, attrition, errors and warnings with their remedies."""
    facts = report.summary
    lines = [f"patients {facts.get('patients', 0):,}, rows {facts.get('rows', 0):,}, study {facts.get('study', '-')}"]
    if "mortality_percent" in facts:
        lines.append(f"mortality {facts['mortality_percent']:.2f} %, steps up to {facts['steps_max']}")
    for item in report.attrition:
        removed = f"removed patients {item.patients:,}, rows {item.rows:,}; left " if item.rows else ""
        lines.append(f"{item.reason}: {removed}patients {item.patients_left:,}, rows {item.rows_left:,}")
    if report.notes:
        lines += ["where it comes from:", *(f"- {note}" for note in report.notes)]
    if report.mapping:
        lines += ["read through a mapping:", *(f"  {line}" for line in report.mapping.splitlines())]
    for title, problems in (("errors", report.errors), ("warnings", report.warnings)):
        if problems:
            lines += [f"{title}:", *(f"- {line}" for line in _lines(problems))]
    lines.append("The cohort can be used." if report.ok else "The cohort cannot be used until the errors are mended.")
    return "\n".join(lines)


def _lines(problems: Sequence[Problem]) -> list[str]:
    """One line per rule, column and remedy: first problem in words, other rows by number."""
    groups: dict[tuple[str, str | None, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.rule, problem.column, problem.remedy), []).append(problem)
    return [_line(group) for group in groups.values()]


def _line(group: list[Problem]) -> str:
    first = group[0]
    if first.severity == "warning" or first.row is None or first.count == 1:
        return " ".join(str(problem) for problem in group)
    rows = [str(problem.row) for problem in group[1:ROWS]]
    left = first.count - 1 - len(rows)
    also = f"also rows {', '.join(rows)}" if len(rows) > 1 else f"also row {rows[0]}" if rows else "also"
    return f"{first} ({also}{f' and {left:,} more' if left else ''})"
