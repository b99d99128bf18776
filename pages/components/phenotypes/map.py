"""The map of patients at any K, and the selected patients: as a list, or what sets them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.base.rng import stream
from core.figures.coloring import Coloring
from core.figures.phenotype_map import colored_map, phenotype_map, without_webgl
from core.figures.phenotype_quality import cluster_indices
from core.icu.ask.groups import stratified_sample
from core.icu.ask.hover import hover_texts
from core.icu.ask.names import phenotype_texts
from pages.components.phenotypes.color_choice import PHENOTYPE, choose_coloring
from pages.components.phenotypes.map_words import alternative, reading
from pages.components.phenotypes.point_map import MISSING, point_map
from pages.components.phenotypes.point_map import MOST_POINTS as POINTS_IN_BROWSER
from pages.components.phenotypes.selected import selected_patients
from pages.components.shell.controls import k_slider
from pages.components.shell.export import exports, show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.panels import panel
from pages.components.shell.patients import patient_table
from pages.components.shell.selections import chart_key, take_from_chart
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

MOST_POINTS = 20_000
MOST_VECTORS = 5000  # where the browser draws no WebGL
METHODS = {"umap": "UMAP", "pca": "PCA"}
NOT_MEASURED = (
    "**Distances, gaps and sizes of clouds on this map are not measurements; clustering is done in the latent space, "
    "not on the map.**"
)
NO_WEBGL = (
    "This browser draws no WebGL, so a plainer map stands here: fewer points at once, everything else the same. Its "
    "settings for graphics may allow it."
)
HINT = (
    "Drag a lasso around patients on the map, or click one point: they become the selection of every page, and appear "
    "here as a table, to compare with the rest or to open one by one. Without a mouse: *Select ...* above takes "
    "any column, outcome, hazard or policy, the entries of the legend take their group, and the map itself listens to "
    "arrows, plus, minus, and Enter, which selects all that is in view."
)


@panel
def map_panel(run: RunView) -> None:
    """Map, indices of every K, and the selected patients."""
    left, right = st.columns([3, 1.15], gap="medium")
    with right:
        k = k_slider(run, key="map-k")
        method = (
            st.segmented_control(
                "Projection",
                list(METHODS),
                format_func=METHODS.__getitem__,
                **held("map-method", METHODS),
                required=True,
                label_visibility="collapsed",
            )
            or "umap"
        )
        coloring = choose_coloring(run, k)
    with left:
        if st.session_state.get(MISSING):
            st.info(NO_WEBGL, icon=":material/info:")
            draw_map(run, k, method, coloring, most=MOST_VECTORS)
        else:
            _in_browser(run, k, method, coloring)
    with right:
        show(
            _indices_figure(str(run.path), run.manifest.created, k, run),
            "cluster-indices",
            f"Six small line charts of cluster quality against K from {min(run.k_values)} to {max(run.k_values)}; "
            f"K = {k} is marked.",
            caption="Computed in latent space on the training patients, not on the map.",
            data=run.indices,
        )
    selected_patients(run, k, HINT)


@st.cache_resource(max_entries=64, ttl="6h", show_spinner=False)
def _indices_figure(path: str, created: str, k: int, _run: RunView) -> go.Figure:
    """The indices with one K marked, drawn once for each: six panels take longer to build than the whole map."""
    return cluster_indices(_run.indices, k, height=440)


def shown_on_map(run: RunView, method: str, most: int = MOST_POINTS) -> np.ndarray:
    """Positions of the patients that are drawn, sorted; sampled where there are too many to draw.

    Sampled by the smallest K, so that the points on show stay the same while K moves.
    """
    drawn = np.flatnonzero(np.isfinite(run.projection(method)).all(axis=1))
    if not len(drawn):
        return drawn
    base = run.labels(min(run.k_values))[drawn]
    return np.asarray(drawn[stratified_sample(base, most, stream(run.config.run.seed, "figures", "map"))])


def stated_sample(run: RunView, shown: np.ndarray) -> str:
    """'All patients', or how many of them are drawn."""
    n = run.cohort.n_patients
    return "All patients" if len(shown) == n else f"{len(shown):,} of {n:,} patients, stratified by phenotype"


def _in_browser(run: RunView, k: int, method: str, coloring: Coloring) -> None:
    """The map that the browser draws, with its caption and exports; the figure to export is made when asked for."""
    shown = shown_on_map(run, method, POINTS_IN_BROWSER)
    if not len(shown):
        empty("No map in this run", "The projection was not stored; the phenotypes themselves are unaffected.")
        return
    alt = alternative(run, k, METHODS[method], coloring, stated_sample(run, shown))
    point_map(run, k, method, coloring, shown, alt)
    few = shown_on_map(run, method)
    exports(
        "phenotype-map",
        f"{stated_sample(run, shown)}. {reading(coloring, legend=True)}{_fitted(run, method)} {NOT_MEASURED}",
        alt,
        figure=lambda: map_figure(run, k, method, coloring, few),
        data=lambda: patient_table(run, k, shown).assign(
            x=run.projection(method)[shown, 0], y=run.projection(method)[shown, 1]
        ),
    )


def draw_map(
    run: RunView,
    k: int,
    method: str,
    coloring: Coloring,
    name: str = "phenotype-map",
    *,
    short: bool = False,
    most: int = MOST_POINTS,
) -> None:
    """The map as a chart that shows and makes the selection; `short` leaves how it was fitted out of its caption."""
    points, shown = run.projection(method), shown_on_map(run, method, most)
    if not len(shown):
        empty("No map in this run", "The projection was not stored; the phenotypes themselves are unaffected.")
        return
    chart = f"{name}-{method}"
    key = chart_key(chart)
    stated = stated_sample(run, shown)
    figure = map_figure(run, k, method, coloring, shown)
    show(
        without_webgl(figure) if st.session_state.get(MISSING) else figure,
        key,
        alternative(run, k, METHODS[method], coloring, stated),
        caption=f"{stated}. " + ("" if short else f"{reading(coloring)}{_fitted(run, method)} ") + NOT_MEASURED,
        on_select=lambda: take_from_chart(chart, key, "picked on the map"),
        selection_mode=("points", "box", "lasso"),
        data=lambda: patient_table(run, k, shown).assign(x=points[shown, 0], y=points[shown, 1]),
    )


def map_figure(run: RunView, k: int, method: str, coloring: Coloring, shown: np.ndarray) -> go.Figure:
    """The map as a figure, colored as asked; phenotypes carry their markers and numbers."""
    selection = get_session().selection
    points, keys = run.projection(method)[shown], run.cohort.patients[shown]
    selected, told = None if selection is None else selection.patients, hover_texts(run, shown)
    if coloring.title == PHENOTYPE:
        labels, names = run.labels(k)[shown], phenotype_texts(run, k)
        return phenotype_map(
            points, labels, shown, keys, k, method=METHODS[method], selected=selected, names=names, told=told
        )
    colors = coloring.among(shown)
    return colored_map(points, colors, shown, keys, method=METHODS[method], selected=selected, told=told)


def _fitted(run: RunView, method: str) -> str:
    """How the map was made, with its parameters and seed."""
    if method == "pca":
        return "PCA of the latent space: its two directions of largest variance."
    settings = run.config.phenotypes
    note = run.projection_note.split(". ")[0].rstrip(".")
    return (
        f"{note}; {settings.umap_neighbors} neighbors, least distance {settings.umap_min_dist:g}, "
        f"{settings.umap_epochs} epochs, seed {settings.seed}."
    )
