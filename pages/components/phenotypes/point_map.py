"""The map of patients in the browser, by WebGL: all points at once, colored and lassoed there; rows come back.

Three messages make one map, which meet in the browser: points and program, the look, and the selection. Streamlit sends
a long message once and names it by its hash while it stays the same, so a new color costs a byte or two a point, and a
lasso no more than its rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.figures.coloring import Coloring
from core.figures.point_map import Told, look_message, points_message
from core.figures.theme import fmt_percent
from core.icu.ask.hover import hover_columns, outcome_texts
from core.icu.ask.names import phenotype_names
from core.icu.selection import Selection
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

SOURCE = Path(__file__).resolve().parents[3] / "assets" / "point_map"
MISSING = "map-without-webgl"  # True once the browser has said that it cannot draw the map
MOST_POINTS = 1_500_000
SELECTED_BY = {  # what a selection is called, by how it was made
    "lasso": "lasso on the map",
    "click": "click on the map",
    "legend": "group of the map's legend",
    "view": "in view on the map",
}


def _read(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")


_points = st.components.v2.component(
    "point_map", css=_read("point_map.css"), js=_read("point_map.js"), isolate_styles=False
)
_look = st.components.v2.component("point_map_look", js=_read("looks.js"), isolate_styles=False)


def point_map(run: RunView, k: int, method: str, coloring: Coloring, shown: np.ndarray, alt: str) -> None:
    """Draw the patients `shown` (sorted positions), colored as asked, with the selection; a lasso selects."""
    name = f"point-map-{method}"
    names = phenotype_names(run, k)
    died = run.study.died_label if run.study.tells_survival else ""
    details = [f"{one.n:,} patients" + (f", {fmt_percent(one.mortality, 0)} {died}" if died else "") for one in names]
    texts = tuple(one.text for one in names)
    look = look_message(
        name,
        coloring.among(shown),
        run.labels(k)[shown],
        texts,
        details=details if coloring.names == texts else (),
        alt=alt,
    )
    message = _message(str(run.path), run.manifest.created, method, run, shown, name)
    with st.container(gap=None):
        _points(
            key=name,
            data=message,
            on_rows_change=lambda: take_rows(st.session_state[name].get("rows"), shown),
            on_missing_change=lambda: st.session_state.update({MISSING: True}),
        )
        _look(key=f"{name}-look", data=look)
        _look(key=f"{name}-selection", data={"id": name, "selection": _selected_rows(shown)})


def take_rows(text: str | None, shown: np.ndarray) -> None:
    """Make the rows that the browser names the selection (a callback); none of them: no selection.

    text: how they were chosen, a colon, and rows of `shown` as `Selection.encode` writes them; what is no such text
    changes nothing.
    """
    how, _, text = (text or "").partition(":")
    if how not in SELECTED_BY:
        return
    rows = Selection.decode("rows", text) if text else Selection.of("rows", [])
    if rows is not None:
        get_session().select(SELECTED_BY[how], shown[rows.among(len(shown)).patients])


def _selected_rows(shown: np.ndarray) -> str:
    """The selection as rows of `shown`; empty where nobody is selected."""
    selection = get_session().selection
    if selection is None:
        return ""
    if len(shown) and shown[-1] == len(shown) - 1:  # everybody is shown: rows are positions
        return selection.encode()
    rows = np.flatnonzero(np.isin(shown, selection.patients, assume_unique=True))
    return Selection.of("rows", rows).encode() if len(rows) else ""


@st.cache_resource(max_entries=4, ttl="6h", show_spinner="Preparing the map ...")
def _message(path: str, created: str, method: str, _run: RunView, _shown: np.ndarray, name: str) -> bytes:
    """The points of a run's map, packed once for all who see it."""
    told = [
        Told(
            one.label, one.unit, one.column.decimals, one.first[_shown], None if one.last is None else one.last[_shown]
        )
        for one in hover_columns(_run)
    ]
    cohort = _run.cohort
    return points_message(
        name,
        _run.projection(method)[_shown],
        cohort.patients[_shown],
        cohort.died[_shown],
        outcome_texts(_run.study),
        told,
    )
