"""How the columns and units of a file are read: the steps of an upload between its preview and its check."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.cohort import CohortReport, needed_columns, suggest_columns
from core.cohort.columns import resolve_columns
from core.figures.theme import fmt_unit
from core.study import StudySpec
from core.tables.read import RawTable

NONE = "(not in the file)"
UNIT_WIDTH = 190  # pixels, for '0 = male, 1 = female'
UNIT_COLUMN = st.column_config.TextColumn(width=UNIT_WIDTH)


def map_columns(raw: RawTable, spec: StudySpec) -> dict[str, str]:
    """{file's name: our name}; select boxes for what was not found by itself, prefilled with the best guess."""
    names = [str(name) for name in raw.frame.columns]
    found = resolve_columns(names, spec, None)
    needed = needed_columns(spec)
    lacking = [name for name in needed if name not in found.positions]
    st.markdown(f"**2. Columns** · {len(needed) - len(lacking)} of {len(needed)} found by name")
    mapping: dict[str, str] = {}
    if lacking:
        guesses = {ours: theirs for theirs, ours in suggest_columns(names, spec).items()}
        used = {names[position] for position in found.positions.values()}
        free = [NONE, *(name for name in dict.fromkeys(names) if name not in used)]
        columns = st.columns(3)
        for i, ours in enumerate(lacking):
            with columns[i % 3]:
                guess = guesses.get(ours, NONE)
                theirs = st.selectbox(
                    f"{ours}{_unit(ours, spec)}",
                    free,
                    index=free.index(guess) if guess in free else 0,
                    key=f"upload-map-{ours}",
                )
                if theirs != NONE:
                    mapping[theirs] = ours
        st.caption("Guesses are by spelling only; the unit that the study uses stands in parentheses.")
    return mapping


def choose_units(raw: RawTable, spec: StudySpec, mapping: dict[str, str], report: CohortReport) -> dict[str, str]:
    """{our column: the file's unit} for columns that the file holds in another unit than the study.

    report: of the file as it is, whose warnings name the columns that look as if they were.
    """
    names = [str(name) for name in raw.frame.columns]
    positions = resolve_columns(names, spec, mapping).positions
    doubtful = {str(problem.column): problem.message for problem in report.warnings if problem.rule == "unit"}
    st.markdown(
        "**3. Units** · "
        + (f"look at {', '.join(doubtful)}" if doubtful else "no column looks as if it were in another unit")
    )
    for message in doubtful.values():
        st.caption(f":material/warning: {message[:1].upper()}{message[1:]}")
    units: dict[str, str] = {}
    with st.expander("Units of the file", expanded=bool(doubtful)):
        columns = st.columns(4)
        choices = [column for column in spec.columns if column.other_units]
        for i, column in enumerate(choices):
            with columns[i % 4]:
                unit = st.selectbox(
                    f"{column.name} :orange-badge[check]" if column.name in doubtful else column.name,
                    [column.unit, *(other.unit for other in column.other_units)],
                    format_func=fmt_unit,
                    key=f"upload-unit-{column.name}",
                    help=f"In the file: {_range(raw, positions.get(column.name))}",
                )
            if unit != column.unit:
                units[column.name] = unit
        fixed = [
            {
                "column": column.name,
                "unit": fmt_unit(column.unit),
                "in the file (middle 98 %)": _range(raw, positions.get(column.name)),
                "plausible": f"{column.plausible[0]:g} to {column.plausible[1]:g}",
            }
            for column in spec.columns
        ]
        st.dataframe(
            pd.DataFrame(fixed),
            hide_index=True,
            height=260,
            column_config={"unit": UNIT_COLUMN},
            alt="Units and ranges of the columns",
        )
    return units


def _unit(name: str, spec: StudySpec) -> str:
    return f" ({fmt_unit(spec.column(name).unit)})" if name in spec.names else ""


def _range(raw: RawTable, position: int | None) -> str:
    """Middle 98 % of the values in the file, to hold a unit against."""
    if position is None:
        return "–"
    values = pd.to_numeric(raw.frame.iloc[:, position], errors="coerce").dropna()
    return f"{values.quantile(0.01):g} to {values.quantile(0.99):g}" if len(values) else "–"
