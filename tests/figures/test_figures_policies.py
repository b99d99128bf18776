"""Policy figures carry the numbers they were given, and say where the records do not support them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.figures.dials import lambda_axis
from core.figures.dose_excess import mortality_by_dose
from core.figures.policies import action_share_bars, bin_names, dose_difference_map, fused_share_area
from core.figures.policy_values import UNSUPPORTED, calibration_plot, policy_forest, support_curves
from core.figures.theme import ESTIMATOR_COLORS, policy_style

LABELS = ["none", "low", "high"]


def forest_table() -> pd.DataFrame:
    rows = []
    for policy, ess, value in (("clinician", 90.0, 5.0), ("fused", 4.0, 6.0)):
        grade = "supported" if ess > 30 else "not supported"
        for estimator in ("phwis", "phwdr"):
            rows.append((policy, estimator, value, value - 1, value + 2, ess, 100, grade, value - 0.5))
    names = ["policy", "estimator", "value", "low", "high", "ess", "n", "support", "true_value"]
    return pd.DataFrame(rows, columns=names)


def test_share_bars_stack_to_all_steps() -> None:
    shares = np.array([[0.86, 0.1, 0.04], [0.2, 0.3, 0.5]])
    fig = action_share_bars(["given", "fused"], shares, LABELS, legend="dose (units)")
    np.testing.assert_allclose(np.sum([t.x for t in fig.data], axis=0), [100, 100])
    np.testing.assert_allclose(fig.data[2].x, 100 * shares[:, 2])
    assert [t.name for t in fig.data] == LABELS
    assert list(fig.data[2].text) == ["", "50.0"]


def test_cells_with_too_few_records_are_hatched_and_carry_no_value() -> None:
    difference = np.array([[0.1, -0.1, np.nan], [0.2, 0.0, -0.2]])
    count = np.array([[50, 3, 0], [50, 50, 19]])
    fig = dose_difference_map(difference, count, 20, ["a", "b"], LABELS, row_title="r", action_title="d")
    heat = fig.data[0]
    short = np.array([[False, True, True], [False, False, True]])
    assert np.isnan(heat.z[short]).all()
    np.testing.assert_allclose(heat.z[~short], 100 * difference[~short])
    assert heat.zmid == 0
    assert len(fig.layout.shapes) == short.sum()
    assert {a.text for a in fig.layout.annotations} == {"n = 3", "n = 0", "n = 19"}


def test_severity_bins_of_whole_numbers_are_named_by_what_they_hold() -> None:
    assert bin_names(np.array([3.0, 4.0, 7.0]), 0.0, whole=True) == ["0–2", "3", "4–6", "7 or more"]
    assert bin_names(np.array([3.5, 7.0]), 0.0, whole=False) == ["under 3.5", "3.5 to 7", "7 or more"]
    assert bin_names(np.array([]), 2.0, whole=True) == ["all"]


def test_a_value_without_support_is_hollow_gray_and_says_so() -> None:
    fig = policy_forest(forest_table(), truth=False)
    drawn = [t for t in fig.data if t.x[0] is not None]
    good = [t for t in drawn if t.y[0] < 0.5]
    bad = [t for t in drawn if t.y[0] > 0.5]
    assert all(t.marker.symbol.endswith("-open") and t.marker.color == UNSUPPORTED for t in bad)
    assert all("not supported" in t.hovertemplate for t in bad)
    assert not any(t.marker.symbol.endswith("-open") for t in good)
    assert "not supported" in [t.name for t in fig.data if t.x[0] is None]
    for trace in drawn:
        np.testing.assert_allclose(trace.error_x.array, 2)
        np.testing.assert_allclose(trace.error_x.arrayminus, 1)


def test_a_weak_value_is_hollow_in_its_own_color_and_the_critic_claims_no_support() -> None:
    table = forest_table().assign(support=["weak", "", "weak", ""], estimator=["phwis", "fqe"] * 2)
    drawn = [t for t in policy_forest(table, truth=False).data if t.x[0] is not None]
    weak, critic = (next(t for t in drawn if t.name.startswith(name)) for name in ("PHWIS", "FQE"))
    assert weak.marker.symbol == "circle-open"
    assert weak.marker.color != UNSUPPORTED
    assert critic.marker.symbol == "square"
    assert "no interval, no ESS" in critic.hovertemplate
    assert "customdata" not in critic.hovertemplate


def test_estimators_share_no_color_with_phenotypes_and_policies() -> None:
    names = [*(f"phenotype-{k}" for k in range(9)), "clinician", "fused", "single-expert", "random", "zero-drug"]
    assert not {policy_style(name).color for name in names} & set(ESTIMATOR_COLORS.values())


def test_the_truth_is_drawn_where_it_is_known() -> None:
    fig = policy_forest(forest_table(), truth=True)
    truth = next(t for t in fig.data if t.name and t.name.startswith("true value"))
    assert list(truth.x) == [4.5, 5.5]


def lambda_table() -> pd.DataFrame:
    rows = [
        (lam, name, v, v - 1, v + 1, ess, "supported" if ess > 30 else "not supported", 0.3, d)
        for lam, ess, d in ((0.0, 60.0, 0.2), (5.0, 40.0, 0.1), (np.inf, 3.0, 0.0))
        for name, v in (("phwis", 5.0), ("phwdr", 5.5))
    ]
    names = ["lambda_", "estimator", "value", "low", "high", "ess", "support"]
    names += ["disagreement_clinicians", "disagreement_experts"]
    return pd.DataFrame(rows, columns=names).assign(pooled_ess=lambda table: table["ess"] / 2)


@pytest.mark.parametrize("current", [0.0, 5.0, np.inf])
def test_the_lambda_axis_marks_the_current_value_in_every_panel(current: float) -> None:
    place = {0.0: 0.0, 5.0: 0.5, np.inf: 1.0}
    truth = pd.Series([4.8, 5.1], index=[0.0, np.inf])
    fig = lambda_axis(lambda_table(), place, {0.0: "0", np.inf: "∞"}, current, ess_floor=30, clinician=4.9, truth=truth)
    marks = [s for s in fig.layout.shapes if s.x0 == s.x1 == place[current]]
    assert {s.xref for s in marks} == {"x", "x2", "x3"}
    ess = next(t for t in fig.data if t.name == "ESS")
    assert list(ess.y) == [60.0, 40.0, 3.0]
    pooled = next(t for t in fig.data if t.line.dash == "dot")
    assert list(pooled.y) == [30.0, 20.0, 1.5]
    assert ess.marker.color[-1] == UNSUPPORTED
    experts = next(t for t in fig.data if t.name == "among experts")
    np.testing.assert_allclose(experts.y, [20, 10, 0])
    assert {"PHWIS", "PHWDR", "clinicians", "true value", "floor 30"} <= {a.text for a in fig.layout.annotations}


def test_dose_shares_along_lambda_stack_to_all() -> None:
    shares = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    fig = fused_share_area(np.array([0.0, 1.0]), shares, LABELS, {0.0: "0", 1.0: "∞"}, 0.5)
    np.testing.assert_allclose(np.sum([t.y for t in fig.data], axis=0), [100, 100])


def test_support_curves_and_calibration_hold_percentages() -> None:
    floors = np.array([0.0, 0.1])
    fig = support_curves(floors, {"fused": np.array([0.0, 0.4]), "clinician": np.array([0.0, 0.1])}, 0.02)
    assert [list(t.y) for t in fig.data] == [[0, 40], [0, 10]]
    table = pd.DataFrame(
        {"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.1, 0.7], "high": [0.3, 0.9], "n": [5, 9]}
    )
    points = calibration_plot(table).data[1]
    np.testing.assert_allclose(points.y, [20, 80])
    np.testing.assert_allclose(points.error_y.array, [10, 10])


def test_mortality_by_dose_has_line_and_band_of_each_policy() -> None:
    table = pd.DataFrame(
        {"excess": [-5.0, 0.0, 9.0], "mortality": [0.4, 0.2, 0.3], "low": 0.1, "high": 0.5, "n": [5, 9, 5]}
    )
    band, line = mortality_by_dose({"fused": table}, unit="units").data
    np.testing.assert_allclose(line.y, [40, 20, 30])
    assert sorted(band.y) == [10, 10, 10, 50, 50, 50]
    assert band.mode == "none"  # of few points, plotly would else mark the corners of the band
