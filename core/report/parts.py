"""What a report is made of: sections of sentences, tables and figures; text only, so that the template escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.icu.panels import PanelFigure

NUMERIC = set("0123456789.,-+–∞ %[]()±*")


@dataclass(frozen=True)
class Table:
    """A table as text; `numeric` says which columns are set flush right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    @classmethod
    def of(cls, caption: str, frame: pd.DataFrame) -> Table:
        """From a table of texts; a column of numbers alone is numeric."""
        rows = tuple(tuple(str(cell) for cell in row) for row in frame.itertuples(index=False))
        numeric = tuple(bool(rows) and all(set(row[i]) <= NUMERIC for row in rows) for i in range(len(frame.columns)))
        return cls(caption, tuple(str(column) for column in frame.columns), rows, numeric)


@dataclass(frozen=True, eq=False)
class Section:
    """One heading with what stands under it, in this order: sentences, list, tables, figures."""

    key: str
    title: str
    sentences: Sequence[str] = ()
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[PanelFigure] = ()
