"""The published panels of a run, and the box plots over an experiment's repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.figures.experiments import repeat_boxes, sweep_map
from core.icu.panels import PanelFigure, phenotype_panel, policy_panel
from core.icu.view import RunView


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def repeats(preset: str = "quick", cohort: str = "development") -> pd.DataFrame:
    rows = [
        {
            "preset": preset,
            "repeat": repeat,
            "cohort": cohort,
            "policy": policy,
            "estimator": estimator,
            "value": base + repeat,
            "ess": 40.0,
            "support": support,
            "true_value": base,
            "own_mode": own,
        }
        for repeat in (1, 2, 3)
        for policy, base, support in (("clinician", 5.0, "supported"), ("fused", 7.0, "not supported"))
        for estimator in ("phwis", "phwdr")
        for own in (True, False)
    ]
    return pd.DataFrame(rows)


def by_name(panel: list[PanelFigure]) -> dict[str, PanelFigure]:
    return {plot.name: plot for plot in panel}


def test_the_phenotype_panel_has_nine_plots_at_three_phenotypes(view: RunView) -> None:
    panel = by_name(phenotype_panel(view))
    assert len(panel) == 6 + view.n_clusters
    assert all(plot.alt and plot.title and plot.caption for plot in panel.values())
    assert view.n_clusters == 3
    drawn = [np.sum(trace.y) for k in range(3) for trace in panel[f"severity-{k}"].figure.data]
    assert drawn == pytest.approx([100.0] * 3), "the bars of a phenotype are shares of its steps"
    assert sum(len(trace.x) for trace in panel["phenotype-map"].figure.data) == view.cohort.n_patients


def test_a_large_map_is_sampled_and_says_so(view: RunView) -> None:
    plot = by_name(phenotype_panel(view, most_points=50))["phenotype-map"]
    assert sum(len(trace.x) for trace in plot.figure.data) <= 50
    assert f"of {view.cohort.n_patients:,} patients drawn" in plot.caption


def test_the_policy_panel_says_which_repeats_are_missing(view: RunView) -> None:
    panel = policy_panel(view)
    assert len(panel) == 8
    for plot in panel[:4]:
        assert "No repeats of preset 'quick'" in plot.alt
    given = by_name(panel)["shares-given"].figure
    mask = view.trajectories.mask[view.split.test]
    actions = view.trajectories.actions[view.split.test][mask]
    assert [trace.x[0] for trace in given.data] == pytest.approx([100 * (actions == a).mean() for a in range(5)])


def test_box_plots_hold_the_repeats_of_this_preset_and_the_published_means(view: RunView) -> None:
    published = pd.DataFrame({"cohort": ["development"], "policy": ["fused"], "estimator": ["phwis"], "value": [11.56]})
    table = pd.concat([repeats(), repeats("standard").assign(value=99.0)])
    panel = by_name(policy_panel(view, table, published))
    traces = panel["phwis-development"].figure.data
    box = next(t for t in traces if t.type == "box" and t.name == "Fused")
    assert list(box.x) == [8.0, 9.0, 10.0]
    square = next(t for t in traces if t.name and t.name.startswith("published"))
    assert list(square.x) == [11.56]
    assert "open" in square.marker.symbol
    truth = next(t for t in traces if t.name and t.name.startswith("true value"))
    assert list(truth.x) == [5.0, 7.0]
    assert "Open squares: published means" in panel["phwis-development"].caption
    assert "No repeats" in panel["phwis-external"].alt
    bare = by_name(policy_panel(view, table, published.head(0)))["phwis-development"]
    assert not any(t.name and t.name.startswith("published") for t in bare.figure.data)
    assert "published" not in bare.caption


def test_unsupported_repeats_are_hollow_and_the_baseline_is_a_line() -> None:
    rows = repeats().query("estimator == 'phwis' and own_mode")
    fig = repeat_boxes(rows, baseline=7.0)
    points = {t.name: t for t in fig.data if t.type == "scatter" and t.showlegend is False}
    assert set(points["Fused"].marker.symbol) == {"circle-open"}
    assert set(points["Clinicians"].marker.symbol) == {"circle"}
    assert [shape.x0 for shape in fig.layout.shapes] == [7.0]


def test_a_sweep_map_brackets_what_is_not_supported_and_leaves_holes() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 4.0]])
    hollow = np.array([[False, True], [False, False]])
    labels = {"title": "PHWIS", "row_title": "K", "column_title": "lambda"}
    fig = sweep_map(values, ["2", "3"], ["0", "15"], cells=np.ones((2, 2)), hollow=hollow, **labels)
    assert fig.data[0].text.tolist() == [["1.00", "(2.00)"], ["", "4.00"]]
