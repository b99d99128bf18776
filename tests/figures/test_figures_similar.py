"""Figures of similar patients carry what they got and how they went on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.similar import LaterCourse, later_courses, similar_states

LABELS = ["no heparin", "low", "high"]


def test_similar_states_show_what_they_got_and_how_they_did() -> None:
    table = pd.DataFrame(
        {
            "action": [0, 1, 2],
            "n": [8, 2, 0],
            "share": [0.8, 0.2, 0.0],
            "survival": [0.5, 1.0, np.nan],
            "low": [0.2, 0.4, np.nan],
            "high": [0.8, 1.0, np.nan],
        }
    )
    got, did = similar_states(table, LABELS).data
    np.testing.assert_allclose(got.x, [80, 20, 0])
    assert "n = 8" in got.text[0]
    np.testing.assert_allclose(did.x, [50, 100, np.nan])


def test_later_courses_leave_out_what_too_few_patients_reached_and_say_how_many_did() -> None:
    others = pd.DataFrame(
        {
            "hours": [0.0, 4.0, 8.0],
            "n": [30, 12, 2],
            "low": [40.0, 45.0, np.nan],
            "median": [50.0, 60.0, np.nan],
            "high": [70.0, 90.0, np.nan],
        }
    )
    own = np.array([55.0, 52.0, 48.0, 30.0])
    hours = np.array([0.0, 4.0, 9.0, 12.0])  # one step was recorded an hour late
    fig = later_courses([LaterCourse("Platelets", "10^9/L", others, own, hours, (150.0, 400.0))], step_hours=4.0)
    band, median, stay = fig.data
    assert list(median.x) == [0, 4]
    assert list(median.y) == [50, 60]
    assert set(band.y) == {40, 45, 70, 90}
    assert list(stay.x) == [0, 4, 9, 12]  # the stay itself is drawn to its end
    assert list(stay.y) == own.tolist()
    assert fig.layout.xaxis.ticktext[1] == "+4<br>n = 12"
    assert [a.text for a in fig.layout.annotations] == ["Platelets (×10⁹/L)"]
    assert not fig.layout.shapes  # the reference range lies outside of what the lines reach


def test_each_later_course_has_a_panel_of_its_own_and_one_legend_entry() -> None:
    others = pd.DataFrame({"hours": [0.0, 4.0], "n": [9, 8], "low": [1.0, 1.0], "median": [2.0, 2.0], "high": [3.0, 3]})
    course = LaterCourse("SOFA", "points", others, np.array([2.0]), np.zeros(1), (0.0, 2.5))
    fig = later_courses([course, course], step_hours=4.0)
    assert sorted({trace.yaxis for trace in fig.data}) == ["y", "y2"]
    assert sum(trace.showlegend for trace in fig.data) == 3
    assert {(shape.y0, shape.y1) for shape in fig.layout.shapes} == {(1.0, 2.5)}
