"""How a broken rule becomes problems of a report, and the rules on numbers that every table obeys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from core.tables.causes import POINT, Cause, cause_of
from core.tables.report import Problem
from core.tables.values import Cells, safe_text

EXAMPLES = 20  # rows listed for one rule in one column; `Problem.count` tells how many there are


def listed(
    rule: str,
    column: str | None,
    rows: np.ndarray,
    message: Callable[[int], str],
    remedy: str,
    value: Callable[[int], object] = lambda row: None,
) -> Iterator[Problem]:
    """One error for each of the first rows (0-based positions in the file) that break a rule in a column."""
    for row in np.sort(rows)[:EXAMPLES].tolist():
        yield Problem(rule, message(row), row + 1, column, value(row), remedy, "error", len(rows))


def warned(
    rule: str, column: str | None, rows: np.ndarray, message: str, remedy: str = "", value: object = None
) -> Iterator[Problem]:
    """One warning for all rows (0-based positions in the file) that were mended, placed at the first of them."""
    if len(rows):
        yield Problem(rule, message, int(rows.min()) + 1, column, value, remedy, "warning", len(rows))


def number_problems(
    name: str, cells: Cells, required: bool, coding: str = "", mapped: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Problem]:
    """Cells that are text, infinite, or (where `required`) missing; `coding` says what 0 and 1 stand for.

    mapped: {kind of cause: what a mapping can say of such cells}, where the table may be read through one.
    """
    for cause, rows in _by_cause(cells, coding):
        remedy = _or_mapped(cause, mapped)
        yield from listed(
            "not-a-number",
            name,
            rows,
            lambda r: f"'{cells.at(r)}' is not a number.",
            _or_mapped(cause, mapped),
            cells.at,
        )
    infinite = np.flatnonzero(np.isinf(cells.values))
    yield from listed(
        "infinite", name, infinite, lambda r: "the value is infinite.", "Leave it empty or correct it.", cells.at
    )
    if required:
        missing = np.flatnonzero(cells.missing)
        remedy = "Every row needs a value here; it is never filled in."
        yield from listed("missing-value", name, missing, lambda r: "the value is missing.", remedy, cells.at)


def _or_mapped(cause: Cause, mapped: Mapping[str, str]) -> str:
    """The remedy in the file, and the one in the mapping where there is one."""
    return f"{cause.remedy[:-1]}; or {mapped[cause.kind]}." if cause.kind in mapped else cause.remedy


def _by_cause(cells: Cells, coding: str) -> Iterator[tuple[Cause, np.ndarray]]:
    """Unreadable rows by what would mend them, each with the remedy of its first cell."""
    rows = np.flatnonzero(cells.unreadable)
    texts = cells.raw.iloc[rows].astype(object).map(safe_text) if len(rows) else pd.Series(dtype=object)
    code, words = pd.factorize(texts)
    causes = [cause_of(str(word), coding) for word in words]
    kinds = np.array([cause.kind for cause in causes], dtype=object)
    for kind in dict.fromkeys(kinds):
        first = causes[int(np.flatnonzero(kinds == kind)[0])]
        yield first, rows[np.isin(code, np.flatnonzero(kinds == kind))]


def folded(problems: Iterable[Problem], mapped: str = "") -> list[Problem]:
    """The problems with decimal commas in several columns as one, since one setting of a spreadsheet made them all.

    mapped: what a mapping can say of them, where the table may be read through one.
    """
    found = list(problems)
    commas = [problem for problem in found if problem.rule == "not-a-number" and problem.remedy.startswith(POINT)]
    columns = {problem.column: problem for problem in reversed(commas)}
    if len(columns) < 2:
        return found
    first = min(columns.values(), key=lambda problem: (problem.row or 0, found.index(problem)))
    message = (
        f"decimals are written with a comma in {len(columns)} columns (first: column '{first.column}', "
        f"'{first.value}')."
    )
    remedy = f"{POINT}, or separate the columns by semicolons: then commas are read as decimal signs"
    remedy += f"; or {mapped}." if mapped else "."
    count = sum(problem.count for problem in columns.values())
    one = Problem("decimal-comma", message, first.row, None, first.value, remedy, "error", count)
    kept = [problem for problem in found if problem not in commas or problem is commas[0]]
    return [one if problem is commas[0] else problem for problem in kept]
