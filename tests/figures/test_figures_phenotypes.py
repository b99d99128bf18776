"""Phenotype figures carry the numbers they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.base.rng import stream
from core.figures.phenotype_map import phenotype_map
from core.figures.phenotype_quality import cluster_indices, early_agreement
from core.figures.phenotypes import (
    CourseSeries,
    course_panels,
    effect_bars,
    outcome_bars,
    severity_histograms,
)
from core.figures.theme import PHENOTYPE_COLORS, phenotype_color, phenotype_symbol

RNG = stream(0, "tests", "figures")
POINTS = RNG.normal(size=(40, 2))
PATIENTS = np.arange(100, 140)
KEYS = np.array([f"p{i}" for i in PATIENTS])


def draw_map(labels: np.ndarray, n_clusters: int, **options: object) -> go.Figure:
    return phenotype_map(POINTS, labels, PATIENTS, KEYS, n_clusters, method="UMAP", **options)  # type: ignore[arg-type]


def where(fig: go.Figure) -> dict[int, tuple[float, float]]:
    return {
        int(patient): (float(x), float(y))
        for trace in fig.data
        for patient, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }


def test_every_patient_is_on_the_map_once_with_its_position_as_customdata() -> None:
    placed = where(draw_map(np.arange(40) % 3, 3))
    assert sorted(placed) == PATIENTS.tolist()
    np.testing.assert_allclose([placed[p] for p in PATIENTS], POINTS, rtol=1e-6)


def test_points_and_axes_never_move_with_k() -> None:
    three, seven = draw_map(np.arange(40) % 3, 3), draw_map(np.arange(40) % 7, 7)
    assert where(three) == where(seven)
    assert three.layout.xaxis.range == seven.layout.xaxis.range
    assert three.layout.yaxis.range == seven.layout.yaxis.range


def test_a_phenotype_keeps_color_and_marker_and_an_empty_one_is_left_out() -> None:
    fig = draw_map(np.where(np.arange(40) < 20, 0, 2), 3)
    assert [t.marker.color for t in fig.data] == [phenotype_color(0), phenotype_color(2)]
    assert [t.marker.symbol for t in fig.data] == [phenotype_symbol(0), phenotype_symbol(2)]
    assert all(isinstance(t, go.Scattergl) for t in fig.data)


def test_selected_patients_stay_bright() -> None:
    labels = np.arange(40) % 2
    fig = draw_map(labels, 2, selected=np.array([100, 103]))
    bright = {int(t.customdata[i]) for t in fig.data for i in t.selectedpoints}
    assert bright == {100, 103}


def test_indices_mark_the_current_k_and_write_its_value() -> None:
    table = pd.DataFrame({"n_clusters": [2, 3, 4], "silhouette": [0.3, 0.2, 0.1], "smallest": [9, 7, 5]})
    fig = cluster_indices(table, 3)
    lines = [t for t in fig.data if t.mode == "lines+markers"]
    assert [list(t.y) for t in lines] == [[0.3, 0.2, 0.1], [9, 7, 5]]
    assert [list(t.y) for t in fig.data if t.mode == "markers"] == [[0.2], [7]]
    assert any("0.200" in a.text for a in fig.layout.annotations)


def test_outcome_bars_hold_shares_and_interval_ends() -> None:
    table = pd.DataFrame(
        {
            "group": [0, 1],
            "n": [10, 20],
            "survival": [0.8, 0.5],
            "survival_low": [0.5, 0.3],
            "survival_high": [0.9, 0.7],
            "mortality": [0.2, 0.5],
            "mortality_low": [0.1, 0.3],
            "mortality_high": [0.5, 0.7],
        }
    )
    survived, died = outcome_bars(table).data
    np.testing.assert_allclose(survived.x, [80, 50])
    np.testing.assert_allclose(died.x, [20, 50])
    np.testing.assert_allclose(died.x + died.error_x.array, [50, 70])
    np.testing.assert_allclose(died.x - died.error_x.arrayminus, [10, 30])


def test_courses_are_drawn_on_hours_with_numbers_at_their_ends() -> None:
    mean = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    fig = course_panels(np.array([-4.0, 0.0, 4.0]), [CourseSeries("Lactate", "mmol/L", mean, mean - 0.1, mean + 0.1)])
    lines = [t for t in fig.data if t.mode == "lines+markers"]
    assert [list(t.x) for t in lines] == [[-4.0, 0.0], [-4.0, 0.0, 4.0]]
    assert [list(t.y) for t in lines] == [[1.0, 2.0], [3.0, 4.0, 5.0]]
    texts = [a.text for a in fig.layout.annotations]
    assert "Lactate (mmol/L)" in texts
    assert {"<b>0</b>", "<b>1</b>"} <= set(texts)


def test_severity_bands_are_written_over_each_histogram() -> None:
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])
    bands = np.array([[0.1, 0.6, 0.3], [1.0, 0.0, 0.0]])
    fig = severity_histograms(np.array([0.0, 10, 20]), shares, bands, name="SOFA", unit="points", low=5, high=15)
    np.testing.assert_allclose([t.y for t in fig.data], 100 * shares)
    texts = [a.text for a in fig.layout.annotations]
    assert texts[:3] == ["10 %", "60 %", "30 %"]
    assert "<b>below 5</b>" in texts


def test_effects_are_sorted_by_size() -> None:
    fig = effect_bars(["a", "b", "c"], np.array([0.1, -0.9, np.nan]), versus="the rest", top=2)
    assert list(fig.data[0].y) == ["b", "a"]
    assert list(fig.data[0].x) == [-0.9, 0.1]
    assert not set(fig.data[0].marker.color) & set(PHENOTYPE_COLORS)


def test_early_agreement_survives_an_empty_table() -> None:
    nothing = np.empty(0)
    assert len(early_agreement(nothing, nothing, nothing).data) == 2
