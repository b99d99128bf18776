"""Phenotypes: the map at any K, what sets a selection apart, the published panel, and how far to trust it all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.phenotype_quality import cluster_indices
from core.figures.phenotypes import CourseSeries, course_panels, outcome_bars, severity_histograms
from core.icu.ask.groups import band_shares, histogram_shares, mean_courses, outcome_table
from core.icu.ask.names import phenotype_texts
from core.icu.view import RunView
from core.trajectories import padded
from pages.components.phenotypes.gate import gate_panel
from pages.components.phenotypes.map import map_panel
from pages.components.phenotypes.trust import trust_panel
from pages.components.shell.controls import k_slider
from pages.components.shell.export import show
from pages.components.shell.frame import empty, no_survival, page, require_run
from pages.components.shell.held import held, held_many
from pages.components.shell.panels import panel
from pages.components.shell.selection_bar import selection_bar

VIEWS = ("Map", "Two features", "Published panel", "How far to trust them")
FEWEST_PATIENTS = 5  # behind a point of a mean course


def main() -> None:
    """Draw the page."""
    page(
        "Phenotypes",
        "Groups of stays that resemble each other in the encoder's latent space. Move K: colors change, points "
        "never do.",
    )
    run = require_run()
    selection_bar(run)
    if not run.k_values:
        empty("No phenotypes in this run yet", "The run has not come to this stage; open another run on the Overview.")
        return
    view = st.segmented_control(
        "View",
        VIEWS,
        **held("phenotypes-view", VIEWS),
        required=True,
        label_visibility="collapsed",
    )
    panels = dict(zip(VIEWS, (map_panel, gate_panel, published_panel, trust_panel), strict=True))
    panels[view or VIEWS[0]](run)


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
            **held_many("panel-features", temporal, list(dict.fromkeys(default))[:3]),
            format_func=lambda name: study.column(name).label or name,
            max_selections=9,
        )
    left, right = st.columns([1, 2], gap="medium")
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
        _outcomes(run, k)
    _courses(run, k, features)
    _severity(run, k)


def _outcomes(run: RunView, k: int) -> None:
    """Survival and mortality by phenotype, where the study's outcome tells them."""
    study, names = run.study, phenotype_texts(run, k)
    if not study.tells_survival:
        no_survival()
        return
    outcomes = outcome_table(run.labels(k), run.cohort.outcomes, k)
    st.markdown(f"**{study.survived_label.capitalize()} and {study.died_label} by phenotype**")
    show(
        outcome_bars(
            outcomes,
            survived=study.survived_label.capitalize(),
            died=study.died_label.capitalize(),
            height=70 * k + 90,
            names=names,
        ),
        "outcomes",
        "Bars of survival and mortality by phenotype: "
        + "; ".join(f"{name} {100 * m:.1f} % died" for name, m in zip(names, outcomes["mortality"], strict=True)),
        caption=f"All {run.cohort.n_patients:,} patients, 95 % Wilson intervals.",
        data=outcomes,
    )


def _courses(run: RunView, k: int, features: Sequence[str]) -> None:
    study, labels, hours = run.study, run.labels(k), run.cohort.axis.hours
    if not features:
        empty("No feature chosen", "Choose at least one feature above to see its course by phenotype.")
        return
    series, rows = [], []
    for name in features:
        column = study.column(name)
        values = padded(run.cohort.states[:, study.index(name)], run.trajectories.mask)
        course = mean_courses(values, run.slots, labels, len(hours), k, FEWEST_PATIENTS)
        series.append(CourseSeries(column.label or name, column.unit, course.mean, course.low, course.high))
        group, slot = np.indices(course.mean.shape)
        rows.append(
            pd.DataFrame(
                {
                    "feature": name,
                    "phenotype": group.ravel(),
                    "hours": hours[slot.ravel()],
                    "mean": course.mean.ravel(),
                    "low": course.low.ravel(),
                    "high": course.high.ravel(),
                    "patients": course.n.ravel(),
                }
            )
        )
    st.markdown("**Courses by phenotype**")
    show(
        course_panels(hours, series, names=phenotype_texts(run, k)),
        "courses",
        f"Mean of {', '.join(features)} by hours from onset, one line a phenotype, with 95 % bands.",
        caption="Mean with 95 % interval of the mean over the patients in the record then; the number at the end of "
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
    names = phenotype_texts(run, k)
    bands = band_shares(values, labels, k, low, high)
    st.markdown(f"**{column.label or column.name} of every step, by phenotype**")
    data = pd.DataFrame(counts, columns=[f"{(a + b) / 2:g}" for a, b in pairwise(edges)])
    data.insert(0, "phenotype", np.arange(k))
    show(
        severity_histograms(
            edges, shares, bands, name=column.label or column.name, unit=column.unit, low=low, high=high, names=names
        ),
        "severity",
        f"Histograms of {column.name} by phenotype; shares below {low:g}, from {low:g} to {high:g} and above {high:g}: "
        + "; ".join(
            f"{name} " + ", ".join(f"{100 * v:.0f} %" for v in band) for name, band in zip(names, bands, strict=True)
        ),
        caption=f"{len(values):,} patient-steps; the percentages are the share of a phenotype's steps in each band.",
        data=data,
    )


main()
