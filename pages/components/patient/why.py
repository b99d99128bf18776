"""Why an option is worth what it is: the columns that move its value, against what similar patients have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.figures.theme import fmt, fmt_percent, fmt_unit
from core.icu.ask.why import why
from pages.components.study.why import beside_similar, why_bars

if TYPE_CHECKING:
    from core.icu.ask.decision import Decision
    from core.icu.view import RunView
    from core.study import Column

LONGEST = 16  # characters of a column's label in a bar; a longer one gives way to the column's short name
HOW = (
    "For each column in turn: the value is replaced by those of the 30 training states that are nearest in all other "
    "columns and meet the same hazards, and encoder, weights and agents are asked again (with FQI, the forest). Bar: "
    "the dose's advantage as recorded, minus the mean with the values set in. Columns are moved one at a time: bars do "
    "not add up, and a score made from a column keeps its recorded value."
)


def why_view(run: RunView, decision: Decision, by: str) -> None:
    """Bars of what moves the value of a dose at this step; refused where no options are ranked.

    by: the estimate that ranks doses.
    """
    if decision.options.refused:
        st.caption(f":material/block: Nothing is explained here. {decision.options.refused}")
        return
    ranked = decision.options.ranked(by)
    doses = [int(action) for action in ranked["action"]]
    action = st.selectbox(
        run.study.actions.word.capitalize(),
        doses,
        format_func=lambda a: f"{run.study.actions.label(a)}{_place(ranked, a)}",
        key=f"why-dose-{decision.patient}-{decision.step}-{by}",
    )
    found = why(run, decision.patient, decision.step, decision.settings.key, by)
    spread = float(ranked.loc[ranked["action"] == action, "spread"].iloc[0])
    why_bars(
        found,
        action,
        lambda row: _line(run.study.column(row.column), row.value, row.similar),
        name=run.study.actions.label(action),
        lead=run.study.actions.said(
            f"Advantage of this dose over what clinicians give here: {found.advantage[action]:+.2f} by "
            f"{by.split(' (')[0]}. Doses closer than {fmt(spread)} are one option: smaller bars say little."
        ),
        how=run.study.actions.said(HOW),
    )


def _place(ranked: pd.DataFrame, action: int) -> str:
    """Which option a dose is."""
    group = int(ranked.loc[ranked["action"] == action, "group"].iloc[0])
    return f" (option {group})" if group else " (not ranked)"


def _line(column: Column, value: float, similar: float) -> str:
    """'Platelets 62 ×10⁹/L' over 'similar patients: 118'; of a 0/1 column its word, and how many share it."""
    title = column.label if 0 < len(column.label) <= LONGEST else column.name
    if column.binary:
        word, share = column.word(value) or ("yes" if value else "no"), similar if value else 1 - similar
        return beside_similar(f"{title}:", word, fmt_percent(share, 0))
    unit = "" if column.unit == "1" else f" {fmt_unit(column.unit)}"
    return beside_similar(title, f"{column.text(value)}{unit}", column.text(similar))
