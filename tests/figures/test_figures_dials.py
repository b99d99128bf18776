"""The frontier figure shows the supported part, the mark and the truth where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.figures.dials import frontier_axis


def course() -> pd.DataFrame:
    rows = []
    for setting, ess, grade in ((0.0, 90.0, "supported"), (0.5, 40.0, "weak"), (1.0, 4.0, "not supported")):
        for estimator in ("phwis", "phwdr"):
            rows.append((setting, estimator, 5 + setting, 4.0, 7.0, ess, grade))
    table = pd.DataFrame(rows, columns=["setting", "estimator", "value", "low", "high", "ess", "support"])
    return table.assign(pooled_ess=table["ess"] / 2)


TICKS = {0.0: "clinicians", 1.0: "policy"}


@pytest.mark.parametrize(("furthest", "places"), [(0.5, 1.0), (1.0, 2.0), (0.0, 0.0)])
def test_the_supported_part_is_shaded_up_to_the_furthest_setting(furthest: float, places: float) -> None:
    fig = frontier_axis(course(), TICKS, 0.5, furthest, ess_floor=30, axis="a")
    shades = [shape for shape in fig.layout.shapes if shape.type == "rect"]
    assert shades
    assert all((shape.x0, shape.x1) == (0, places) for shape in shades)
    lines = [shape for shape in fig.layout.shapes if shape.type == "line" and shape.x0 == shape.x1]
    assert {shape.x0 for shape in lines} == {1.0}


def test_nothing_is_shaded_where_nothing_is_supported() -> None:
    fig = frontier_axis(course(), TICKS, 0.0, None, ess_floor=300, axis="a")
    assert not [shape for shape in fig.layout.shapes if shape.type == "rect"]


def test_truth_stands_at_its_settings_with_its_error() -> None:
    truth = pd.DataFrame({"setting": [0.0, 1.0], "true_value": [5.0, 6.5], "true_se": [0.1, 0.2]})
    fig = frontier_axis(course(), TICKS, 0.5, 0.5, ess_floor=30, axis="a", truth=truth)
    drawn = next(trace for trace in fig.data if trace.name and trace.name.startswith("true"))
    np.testing.assert_allclose(drawn.x, [0, 2])
    np.testing.assert_allclose(drawn.error_y.array, [0.196, 0.392])
