"""Why an option is worth what it is: bars of the columns that move its value, against what similar patients have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.figures.why import moved_bars
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show

if TYPE_CHECKING:
    from core.evaluation.moved import Why

MOST_BARS = 8  # of the columns; all are in the CSV


def why_bars(found: Why, option: int, line: Callable[[Any], str], *, name: str, lead: str, how: str) -> None:
    """Draw them. line: what stands beside a bar, of a row of `Why.table`; name: of the option; lead: how the caption
    begins; how: what was done, behind the question mark."""
    whole = found.table(option)
    table = whole.dropna(subset=["moved"])
    shown = table.head(MOST_BARS)
    names = [line(row) for row in rows_of(shown)]
    few, many = shown["patients"].min(), shown["patients"].max()
    similar = f"{few}" if few == many else f"{few} to {many}"
    show(
        moved_bars(shown, names),
        "why",
        f"What moves the value of {name}: "
        + "; ".join(f"{text} {row.moved:+.2f}" for text, row in zip(names, rows_of(shown), strict=True)),
        caption=f"{lead} Lines: the middle 80 % over {similar} similar patients. What the model "
        f"leans on, not an effect. The {len(shown)} largest of {len(table)} columns.",
        data=whole,
        help=how,
    )


def beside_similar(title: str, value: str, similar: str) -> str:
    """'Platelets 62 ×10⁹/L' over 'similar patients: 118'."""
    return f"{title} {value}<br>similar patients: {similar}"
