"""How a broken rule becomes problems of a report, and the rules on numbers that every table obeys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from core.tables.report import Problem
from core.tables.values import Cells

EXAMPLES = 20  # rows listed for one rule in one column; `Problem.count` tells how many there are

NUMBERS = "Write plain numbers: a point for decimals, no thousands separators, no units; leave unknown values empty."


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


def number_problems(name: str, cells: Cells, required: bool) -> Iterator[Problem]:
    """Cells that are text, infinite, or (where `required`) missing."""
    unreadable = np.flatnonzero(cells.unreadable)
    yield from listed(
        "not-a-number", name, unreadable, lambda r: f"'{cells.at(r)}' is not a number.", NUMBERS, cells.at
    )
    infinite = np.flatnonzero(np.isinf(cells.values))
    yield from listed(
        "infinite", name, infinite, lambda r: "the value is infinite.", "Leave it empty or correct it.", cells.at
    )
    if required:
        missing = np.flatnonzero(cells.missing)
        remedy = "Every row needs a value here; it is never filled in."
        yield from listed("missing-value", name, missing, lambda r: "the value is missing.", remedy, cells.at)
