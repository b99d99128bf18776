"""Phenotypes: the map at any K, what sets a selection apart, the published panel, and how far to trust it all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.phenotype_quality import cluster_indices
from core.figures.phenotypes import (
    CourseSeries,
    course_panels,
    outcome_bars,
    phenotype_map,
    severity_histograms,
)
from core.figures.theme import fmt_percent, phenotype_name
from core.rng import stream
from core.runs.summaries.groups import band_shares, histogram_shares, mean_courses, outcome_table, stratified_sample
from core.runs.view import RunView
from pages.components.controls import k_slider
from pages.components.export import show, table
from pages.components.frame import empty, page, require_run
from pages.components.panels import panel
from pages.components.patients import MOST_ROWS, open_patient, patient_table
from pages.components.selections import MAP_VERSION, clear_selection, compare_selection, keep_selection
from pages.components.session import get_session
from pages.components.trust_panel import trust_panel

VIEWS = ("Map", "Published panel", "How far to trust them")
MOST_POINTS = 20_000
FEWEST_PATIENTS = 5  # behind a point of a mean course
MAP = "phenotype-map"
METHODS = {"umap": "UMAP", "pca": "PCA"}


def main() -> None:
    """Draw the page."""
    page(
        "Phenotypes",
        "Groups of stays that resemble each other in the encoder's latent space. Move K: colors change, points "
        "never do.",
    )
    run = require_run()
    if not run.k_values:
        empty("No phenotypes in this run yet", "The run has not come to this stage; open another run on the Overview.")
        return
    view = st.segmented_control(
        "View",
        VIEWS,
        default=VIEWS[0],
        key="phenotypes-view",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    {VIEWS[0]: map_panel, VIEWS[1]: published_panel, VIEWS[2]: trust_panel}[view or VIEWS[0]](run)


@panel
def map_panel(run: RunView) -> None:
    """Map, indices of every K, and the selected patients."""
    session = get_session()
    left, right = st.columns([3, 1.15], gap="medium")
    with right:
        k = k_slider(run, key="map-k")
        method = (
            st.segmented_control(
                "Projection",
                list(METHODS),
                format_func=METHODS.__getitem__,
                default="umap",
                key="map-method",
                required=True,
                label_visibility="collapsed",
                persist_state="session",
            )
            or "umap"
        )
    with left:
        _draw_map(run, k, method)
    with right:
        show(
            cluster_indices(run.indices, k, height=440),
            "cluster-indices",
            f"Six small line charts of cluster quality against K from {min(run.k_values)} to {max(run.k_values)}; "
            f"K = {k} is marked.",
            caption="Computed in latent space on the training patients, not on the map.",
            data=run.indices,
        )
    if session.selection is not None and len(session.selection):
        _selection(run, k)
    else:
        st.info(
            "Drag a lasso around patients on the map (a box is among its tools), or click one point: "
            "they appear here as a table, to compare with the rest or to open one by one.",
            icon=":material/gesture_select:",
        )


def _draw_map(run: RunView, k: int, method: str) -> None:
    session = get_session()
    points, labels = run.projection(method), run.labels(k)
    drawn = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(drawn):
        empty("No map in this run", "The projection was not stored; the phenotypes themselves are unaffected.")
        return
    # Sampled by the smallest K, so that the points on show stay the same while K moves.
    base = run.labels(min(run.k_values))[drawn]
    shown = drawn[stratified_sample(base, MOST_POINTS, stream(run.config.run.seed, "figures", "map"))]
    selected = np.asarray(session.selection.patients) if session.selection is not None else None
    version = st.session_state.setdefault(MAP_VERSION, 0)
    key = f"{MAP}-{method}-{version}"
    n = run.cohort.n_patients
    stated = "all patients" if len(shown) == n else f"{len(shown):,} of {n:,} patients, stratified by phenotype"
    sizes = np.bincount(labels, minlength=k)
    figure = phenotype_map(
        points[shown], labels[shown], shown, run.cohort.patients[shown], k, method=METHODS[method], selected=selected
    )
    show(
        figure,
        key,
        f"{METHODS[method]} map of {stated} in {k} phenotypes of "
        + ", ".join(f"{size:,}" for size in sizes)
        + " patients; each phenotype has its own color, marker and number.",
        caption=f"{stated[0].upper()}{stated[1:]}. {_fitted(run, method)} **Distances, gaps and sizes of clouds "
        "on this map are not measurements; clustering is done in the latent space, not on the map.**",
        on_select=lambda: _take_selection(key),
        selection_mode=("points", "box", "lasso"),
        data=patient_table(run, k, shown).assign(x=points[shown, 0], y=points[shown, 1]),
    )


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


def _take_selection(key: str) -> None:
    """Copy a lasso, box or click into the session (a callback; an emptied selection clears it)."""
    points = st.session_state[key]["selection"]["points"]
    patients = [int(np.ravel(point["customdata"])[0]) for point in points if point.get("customdata") is not None]
    if patients:
        get_session().select("map", patients)
    else:
        get_session().selection = None


def _selection(run: RunView, k: int) -> None:
    session = get_session()
    assert session.selection is not None
    patients = np.asarray(session.selection.patients)
    died = float((run.cohort.outcomes[patients] < 0).mean())
    title, clear = st.columns([5, 1], vertical_alignment="bottom")
    noun = "patient" if len(patients) == 1 else "patients"
    title.subheader(
        f"{len(patients):,} selected {noun} · {fmt_percent(died)} {run.study.died_label}"
        + (" (few: read with care)" if len(patients) < 20 else ""),
        anchor=False,
    )
    clear.button("Clear selection", key="clear-selection", icon=":material/close:", on_click=clear_selection)
    keep_selection()
    what = st.segmented_control(
        "Show",
        ("Patients", "What sets them apart"),
        default="Patients",
        key="selection-show",
        label_visibility="collapsed",
        persist_state="session",
    )
    if what == "What sets them apart":
        compare_selection(run, session.selection, k)
        return
    rows = patient_table(run, k, patients[:MOST_ROWS])
    event = table(
        rows,
        f"selected-{session.selection.name}-{len(patients)}-{int(patients[0])}",
        name="selection",
        caption="Mark a row to open that patient; the selection is kept."
        + (f" First {MOST_ROWS:,} shown, the CSV holds all." if len(patients) > MOST_ROWS else ""),
        height=min(38 + 35 * len(rows), 320),
        on_select="rerun",
        selection_mode="single-row",
        csv=patient_table(run, k, patients, every_column=True),
    )
    if event and (marked := list(event["selection"]["rows"])):
        open_patient(int(patients[marked[0]]))


@panel
def published_panel(run: RunView) -> None:
    """The published figure, on this run: silhouette, outcomes, courses and severity by phenotype."""
    study = run.study
    slider, choice = st.columns([1, 2], vertical_alignment="bottom")
    with slider:
        k = k_slider(run, key="panel-k")
    temporal = [c.name for c in study.columns if c.kind == "temporal"]
    default = [name for name in (study.severity, *study.highlights) if name in temporal]
    with choice:
        features = st.multiselect(
            "Courses of",
            temporal,
            default=list(dict.fromkeys(default))[:3],
            key="panel-features",
            format_func=lambda name: study.column(name).label or name,
            max_selections=9,
            persist_state="session",
        )
    left, right = st.columns([1, 2], gap="medium")
    labels = run.labels(k)
    outcomes = outcome_table(labels, run.cohort.outcomes, k)
    with left:
        st.markdown("**Silhouette by K**")
        show(
            cluster_indices(run.indices, k, columns=("silhouette",), height=250),
            "silhouette",
            f"Silhouette against K; at K = {k} it is marked.",
            data=run.indices[["n_clusters", "silhouette"]],
            caption="Higher is better; below 0.25 there is little cluster structure.",
        )
    with right:
        st.markdown(f"**{study.survived_label.capitalize()} and {study.died_label} by phenotype**")
        show(
            outcome_bars(
                outcomes,
                survived=study.survived_label.capitalize(),
                died=study.died_label.capitalize(),
                height=70 * k + 90,
            ),
            "outcomes",
            "Bars of survival and mortality by phenotype: "
            + ", ".join(f"{phenotype_name(i)} {m:.1%} died" for i, m in enumerate(outcomes["mortality"])),
            caption=f"All {run.cohort.n_patients:,} patients, 95 % Wilson intervals.",
            data=outcomes,
        )
    _courses(run, k, features)
    _severity(run, k)


def _courses(run: RunView, k: int, features: Sequence[str]) -> None:
    study, mask, labels = run.study, run.trajectories.mask, run.labels(k)
    if not features:
        empty("No feature chosen", "Choose at least one feature above to see its course by phenotype.")
        return
    series, rows = [], []
    for name in features:
        column = study.column(name)
        values = np.zeros(mask.shape, dtype=np.float32)
        values[mask] = run.cohort.states[:, study.index(name)]
        course = mean_courses(values, mask, labels, k, FEWEST_PATIENTS)
        series.append(CourseSeries(column.label or name, column.unit, course.mean, course.low, course.high))
        group, step = np.indices(course.mean.shape)
        rows.append(
            pd.DataFrame(
                {
                    "feature": name,
                    "phenotype": group.ravel(),
                    "step": step.ravel(),
                    "mean": course.mean.ravel(),
                    "low": course.low.ravel(),
                    "high": course.high.ravel(),
                    "patients": course.n.ravel(),
                }
            )
        )
    hours = study.hours(np.arange(study.horizon))
    st.markdown("**Courses by phenotype**")
    show(
        course_panels(hours, series),
        "courses",
        f"Mean of {', '.join(features)} by hours from onset, one line a phenotype, with 95 % bands.",
        caption="Mean with 95 % interval of the mean over the patients still in the unit; the number at the end of "
        "a line is the "
        f"phenotype. Points with fewer than {FEWEST_PATIENTS} patients are not drawn.",
        data=pd.concat(rows),
    )


def _severity(run: RunView, k: int) -> None:
    study = run.study
    column = study.column(study.severity)
    labels = np.repeat(run.labels(k), run.cohort.lengths)
    values = run.cohort.states[:, study.index(study.severity)]
    low, high = 5.0, 15.0
    edges = np.arange(np.floor(values.min()) - 0.5, max(np.ceil(values.max()), high + 3) + 1.5)
    if len(edges) > 60:
        edges = np.linspace(values.min(), values.max(), 41)
    shares, counts = histogram_shares(values, labels, k, edges)
    bands = band_shares(values, labels, k, low, high)
    st.markdown(f"**{column.label or column.name} of every step, by phenotype**")
    data = pd.DataFrame(counts, columns=[f"{(a + b) / 2:g}" for a, b in pairwise(edges)])
    data.insert(0, "phenotype", np.arange(k))
    show(
        severity_histograms(
            edges, shares, bands, name=column.label or column.name, unit=column.unit, low=low, high=high
        ),
        "severity",
        f"Histograms of {column.name} by phenotype; shares below {low:g}, from {low:g} to {high:g} and above {high:g}: "
        + "; ".join(f"{phenotype_name(i)} " + ", ".join(f"{v:.0%}" for v in band) for i, band in enumerate(bands)),
        caption=f"{len(values):,} patient-steps; the percentages are the share of a phenotype's steps in each band.",
        data=data,
    )


main()
