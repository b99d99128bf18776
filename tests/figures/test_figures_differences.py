"""The forest of differences: what is hollow, what is gray, where zero and the truth stand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.differences import difference_forest
from core.figures.theme import UNSUPPORTED

TABLE = pd.DataFrame(
    {
        "policy": ["advice:0.5", "fused", "random"],
        "difference": [0.4, -1.0, -3.0],
        "difference_low": [0.1, -2.5, -9.0],
        "difference_high": [0.7, 0.5, 1.0],
        "ess": [90.0, 12.0, 1.2],
        "n": [400, 60, 60],
        "grade": ["supported", "weak", "not supported"],
        "true_difference": [np.nan, -0.8, -1.5],
    }
)


def test_each_grade_has_its_mark_and_each_policy_its_line() -> None:
    fig = difference_forest(TABLE)
    by_name = {trace.name: trace for trace in fig.data}
    assert by_name["supported"].marker.symbol == "circle"
    assert by_name["weak"].marker.symbol == by_name["not supported"].marker.symbol == "circle-open"
    assert by_name["not supported"].marker.color == UNSUPPORTED != by_name["weak"].marker.color
    weak = by_name["weak"]
    assert (weak.x[0], weak.y[0]) == (-1.0, 1)
    np.testing.assert_allclose([weak.error_x.arrayminus[0], weak.error_x.array[0]], [1.5, 1.5])
    assert list(fig.layout.yaxis.ticktext) == ["Advice, 0.5", "Fused", "Random"]
    assert fig.layout.shapes[0].x0 == fig.layout.shapes[0].x1 == 0


def test_the_truth_is_marked_where_it_is_known_alone() -> None:
    truth = next(trace for trace in difference_forest(TABLE).data if "true" in trace.name)
    assert list(zip(truth.x, truth.y, strict=True)) == [(-0.8, 1), (-1.5, 2)]
    unknown = difference_forest(TABLE.assign(true_difference=np.nan))
    assert not any("true" in trace.name for trace in unknown.data)
