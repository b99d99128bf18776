"""The forest of differences: what is hollow, what is gray, where zero and the truth stand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.differences import difference_axis, difference_forest
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


ALONG = TABLE.assign(setting=[0.0, 0.5, np.inf])
PLACE = {0.0: 0.0, 0.5: 0.5, np.inf: 1.0}


def test_a_course_of_differences_stands_at_its_places_with_grades_and_truth() -> None:
    truth = pd.DataFrame({"setting": [np.inf], "true_difference": [-0.8], "true_difference_se": [0.1]})
    fig = difference_axis(ALONG, PLACE, {0.0: "0", np.inf: "∞"}, 0.5, axis="λ", who="experts", truth=truth)
    band, line, known = fig.data
    assert list(line.x) == [0, 0.5, 1]
    assert list(line.y) == list(TABLE["difference"])
    assert list(line.marker.symbol) == ["circle", "circle-open", "circle-open"]
    assert line.marker.color[2] == UNSUPPORTED
    assert list(band.y) == [0.7, 0.5, 1.0, -9.0, -2.5, 0.1]
    assert (known.x[0], known.y[0]) == (1, -0.8)
    np.testing.assert_allclose(known.error_y.array, [0.196], rtol=1e-3)
    zero, mark = fig.layout.shapes
    assert zero.y0 == zero.y1 == 0
    assert mark.x0 == mark.x1 == 0.5
    assert fig.layout.yaxis.title.text == "minus experts"
    told = difference_axis(ALONG, PLACE, {0.0: "0"}, 0.5, axis="λ", notes=["a", "b", "c"]).data[1].text
    assert [text.partition("<br>") for text in told] == [
        (grade, "<br>", note) for grade, note in zip(TABLE["grade"], "abc", strict=True)
    ]


def test_an_endless_interval_of_what_is_not_supported_does_not_set_the_scale() -> None:
    low, high = difference_axis(ALONG, PLACE, {0.0: "0"}, 0.0, axis="λ").layout.yaxis.range
    assert -9 < low < -3
    assert 0.7 < high < 3


def test_the_bars_of_the_truth_are_in_sight_where_no_interval_is_supported() -> None:
    truth = pd.DataFrame({"setting": [0.0], "true_difference": [-0.8], "true_difference_se": [2.0]})
    along = ALONG.assign(grade="not supported")
    low, high = difference_axis(along, PLACE, {0.0: "0"}, 0.0, axis="λ", truth=truth).layout.yaxis.range
    assert low < -0.8 - 1.96 * 2
    assert high > -0.8 + 1.96 * 2
