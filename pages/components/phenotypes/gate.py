"""Two features of each patient against each other: a box or lasso around some is the selection, as on the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.figures.phenotype_map import gate_plot
from core.figures.theme import axis_label
from core.icu.ask.coloring import by_phenotype
from core.icu.ask.hover import hover_texts
from core.icu.ask.names import phenotype_texts
from core.icu.ask.stay_values import STAY_VALUES, StayValue, values_of_stays
from pages.components.phenotypes.map import draw_map, shown_on_map, stated_sample
from pages.components.phenotypes.selected import selected_patients
from pages.components.shell.controls import k_slider
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.panels import panel
from pages.components.shell.patients import patient_table
from pages.components.shell.selections import chart_key, take_from_chart
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

GATE = "gate"
WORDS = {str(value): str(value) for value in STAY_VALUES} | {"mean": "mean of the stay", "change": "last minus first"}
HINT = (
    "Draw a box around patients on the left, or a lasso on the map at the right: both show the same selection, which "
    "is that of every page."
)


@panel
def gate_panel(run: RunView) -> None:
    """The plot of two features beside the map, and the selected patients under both."""
    names = [column.name for column in run.study.columns if not column.binary]
    if len(names) < 2:
        empty("Too few features", "Two columns that are not yes-or-no are needed to draw one against the other.")
        return
    first, second, third = st.columns([2, 2, 1.4], vertical_alignment="bottom")
    preferred = list(dict.fromkeys(name for name in (*run.study.highlights, run.study.severity) if name in names))
    chosen = (preferred + [name for name in names if name not in preferred])[:2]
    x, x_what = _feature(run, names, chosen[0], "x", "Across", first)
    y, y_what = _feature(run, names, chosen[1], "y", "Up", second)
    with third:
        k = k_slider(run, key="gate-k")
    left, right = st.columns([1.35, 1], gap="medium")
    with left:
        _draw(run, k, (x, x_what), (y, y_what))
    with right:
        draw_map(run, k, "umap", by_phenotype(run, k), "gate-map", short=True)
    selected_patients(run, k, HINT)


def _feature(
    run: RunView, names: list[str], default: str, axis: str, label: str, place: object
) -> tuple[str, StayValue]:
    """Choose a feature and which of its values in a stay is meant."""
    left, right = place.columns([1.4, 1])  # type: ignore[attr-defined]
    name = left.selectbox(
        label,
        names,
        format_func=lambda n: run.study.column(n).label or n,
        **held(f"gate-{axis}", names, default),
    )
    what = right.selectbox(
        "Value",
        STAY_VALUES,
        format_func=WORDS.__getitem__,
        **held(f"gate-{axis}-value", STAY_VALUES),
    )
    return name, what


def _draw(run: RunView, k: int, across: tuple[str, StayValue], up: tuple[str, StayValue]) -> None:
    study, selection = run.study, get_session().selection
    shown = shown_on_map(run, "umap")
    if not len(shown):
        shown = np.arange(run.cohort.n_patients)
    points = np.stack([values_of_stays(run, what)[shown, study.index(name)] for name, what in (across, up)], axis=1)
    titles = [_title(run, name, what) for name, what in (across, up)]
    chart = f"{GATE}-{'-'.join((*across, *up))}"
    key = chart_key(chart)
    labels = run.labels(k)[shown]
    event_name = "gate: " + " × ".join(f"{name}, {what}" for name, what in (across, up))
    show(
        gate_plot(
            points,
            labels,
            shown,
            run.cohort.patients[shown],
            k,
            x=titles[0],
            y=titles[1],
            selected=None if selection is None else selection.patients,
            names=phenotype_texts(run, k),
            told=hover_texts(run, shown),
        ),
        key,
        f"Scatter of {titles[1]} against {titles[0]} of {len(shown):,} patients, by phenotype.",
        caption=f"{stated_sample(run, shown)}, one point each, in the color and marker of the phenotype; filled-in "
        "values count. The tool bar has box and lasso; a double click selects nobody.",
        on_select=lambda: take_from_chart(chart, key, event_name),
        selection_mode=("points", "box", "lasso"),
        data=lambda: patient_table(run, k, shown).assign(**{titles[0]: points[:, 0], titles[1]: points[:, 1]}),
    )


def _title(run: RunView, name: str, what: StayValue) -> str:
    column = run.study.column(name)
    return axis_label(f"{column.label or column.name}, {WORDS[what]}", column.unit)
