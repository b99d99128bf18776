"""Value figures carry the numbers they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.survival import survival_by_value
from core.figures.values import (
    agreement_density,
    convergence,
    estimates_by_group,
    spread_histograms,
    value_boxes,
    value_by_step,
)


def test_estimates_stand_side_by_side_with_their_intervals() -> None:
    table = pd.DataFrame({"mean": [1.0, np.nan], "low": [0.5, np.nan], "high": [2.0, np.nan], "n": [9, 1]})
    fig = estimates_by_group(["a", "b"], {"FQI": table, "FQE": table + 1}, x="return")
    assert [t.name for t in fig.data] == ["FQI", "FQE"]
    assert fig.data[0].x[0] == 1.0
    assert fig.data[0].error_x.array[0] == 1.0
    assert fig.data[0].error_x.arrayminus[0] == 0.5
    assert (fig.data[0].y < fig.data[1].y).all()


def test_value_by_step_leaves_out_steps_without_patients() -> None:
    curve = (np.array([1.0, 2.0, np.nan]), np.array([0.0, 1.0, np.nan]), np.array([2.0, 3.0, np.nan]))
    fig = value_by_step(np.array([0.0, 4.0, 8.0]), {"FQE (fused)": curve})
    line = fig.data[-1]
    assert list(line.x) == [0.0, 4.0]
    assert list(line.y) == [1.0, 2.0]


def test_convergence_shows_every_iteration() -> None:
    history = pd.DataFrame({"iteration": [1, 2, 3], "mean_v": [1.0, 1.5, 1.6], "max_change": [1.0, 0.1, 0.0]})
    value, change = convergence(history).data
    assert list(value.y) == [1.0, 1.5, 1.6]
    assert list(change.y)[:2] == [1.0, 0.1]
    assert change.y[2] > 0  # zero has no place on a log axis


def test_boxes_hold_the_quantiles_and_the_truth() -> None:
    fig = value_boxes({"clinician": np.arange(5.0), "fused": np.arange(5.0) + 1}, {"fused": 2.5, "random": 9.0})
    boxes = [t for t in fig.data if t.type == "box"]
    assert [b.median[0] for b in boxes] == [2.0, 3.0]
    assert list(next(t for t in fig.data if t.name == "true value").x) == [2.5]


def test_ties_are_written_over_the_spread() -> None:
    shares = {"per action": np.array([0.2, 0.8]), "joint": np.array([1.0, 0.0])}
    fig = spread_histograms(np.array([0.0, 1.0, 2.0]), shares, {"per action": 0.0, "joint": 0.84})
    np.testing.assert_allclose(fig.data[1].y, [100, 0])
    assert "84 %" in fig.layout.annotations[1].text


def test_survival_curve_has_its_band_bins_and_policies() -> None:
    curve = pd.DataFrame(
        {
            "value": [0.0, 1.0],
            "observed": [0.2, 0.9],
            "n": [4, 8],
            "fitted": [0.3, 0.8],
            "low": [0.1, 0.7],
            "high": [0.5, 0.9],
        }
    )
    fig = survival_by_value(curve, {"fused": (0.5, 0.55)})
    named = {t.name: t for t in fig.data}
    np.testing.assert_allclose(named["monotone fit"].y, [30, 80])
    np.testing.assert_allclose(named["patients as treated"].y, [20, 90])
    np.testing.assert_allclose(named["Fused"].y, [55])
    np.testing.assert_allclose(sorted(named["95 % band"].y), [10, 50, 70, 90])


def test_a_curve_without_bootstrap_has_no_band() -> None:
    curve = pd.DataFrame(
        {"value": [0.0], "observed": [0.5], "n": [4], "fitted": [0.5], "low": [np.nan], "high": [np.nan]}
    )
    assert "95 % band" not in {t.name for t in survival_by_value(curve).data}


def test_density_counts_states_and_draws_equality() -> None:
    counts = np.array([[0, 10], [100, 0]])
    edges = np.array([0.0, 1.0, 2.0])
    heat, line = agreement_density(edges, edges, counts, x="a", y="b").data
    assert heat.customdata.tolist() == counts.T.tolist()
    assert np.isnan(heat.z[0][0])
    assert heat.z[0][1] == 2.0
    assert list(line.x) == list(line.y)
