"""How far recorded columns move the odds of what was given: what the strength of a hidden cause is read beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pages.components.shell.export import table

if TYPE_CHECKING:
    from core.evaluation.judging.left_out import ColumnOdds

MOST_COLUMNS = 8  # that are shown; all are in the CSV


def left_out_table(columns: Sequence[ColumnOdds], key: str, given: str, over: str) -> None:
    """The strongest columns; given: what the odds are of, as "the dose given"; over: as "steps"."""
    table(
        pd.DataFrame(
            {
                "recorded column, left out": [one.column for one in columns],
                "multiplies the odds by up to": [round(one.gamma, 2) for one in columns],
            }
        ).head(MOST_COLUMNS),
        key,
        name="columns-left-out",
        caption=f"The strongest of {len(columns)}: the odds of {given} with the column and without it, beyond what the "
        f"other columns tell of it; up to: at 95 % of {over}.",
        csv=pd.DataFrame([one.model_dump() for one in columns]),
    )
