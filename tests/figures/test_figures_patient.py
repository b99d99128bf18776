"""Figures of one patient carry the stay's own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.figures.patient import (
    Measurement,
    probability_table,
    q_by_action,
    timeline,
    weight_course,
)
from core.figures.theme import GROUND, REFERENCE_BAND

LABELS = ["no heparin", "low", "high"]
HOURS = np.array([-8.0, -4.0, 0.0, 4.0])


def lactate(**changes: object) -> Measurement:
    values = {
        "name": "Lactate",
        "unit": "mmol/L",
        "values": np.array([1.0, 2.0, 3.0, 2.0]),
        "imputed": np.array([False, True, False, True]),
        "reference": (0.5, 2.2),
    }
    return Measurement(**(values | changes))  # type: ignore[arg-type]


def test_imputed_values_are_hollow_and_named() -> None:
    fig = timeline(HOURS, [lactate()], np.array([0, 1, 0, 2]), LABELS, drug="heparin", unit="units")
    course = fig.data[0]
    assert list(course.y) == [1.0, 2.0, 3.0, 2.0]
    assert list(course.customdata) == ["recorded", "imputed", "recorded", "imputed"]
    assert [c == GROUND for c in course.marker.color] == [False, True, False, True]


def test_values_that_the_study_warns_of_are_triangles_and_named() -> None:
    warned = np.array([False, False, True, True])
    course = timeline(HOURS, [lactate(warned=warned)], np.zeros(4, int), LABELS, drug="heparin", unit="units").data[0]
    assert list(course.marker.symbol) == ["circle", "circle", "triangle-down", "triangle-down"]
    assert list(course.customdata)[1:] == ["imputed", "recorded, falling", "imputed, falling"]
    assert course.marker.color[3] == GROUND, "filled in is hollow, falling or not"


def test_recorded_amounts_are_told_where_there_are_some() -> None:
    amounts = np.array([0.0, 1250.0, np.nan, 6000.0])
    actions = np.array([0, 1, 0, 2])
    fig = timeline(HOURS, [lactate()], actions, LABELS, drug="heparin", unit="units", amounts=amounts)
    told = next(t for t in fig.data if t.name == "dose").customdata
    assert list(told) == [
        f"{LABELS[0]} (recorded: 0)",
        f"{LABELS[1]} (recorded: 1,250)",
        LABELS[0],
        f"{LABELS[2]} (recorded: 6,000)",
    ]


def test_a_long_stay_has_no_more_ticks_than_can_be_read() -> None:
    hours = np.array([-16.0, 0.0, 400.0, 900.0])
    fig = timeline(hours, [lactate()], np.zeros(4, int), LABELS, drug="heparin", unit="units", window=(-16, 900))
    assert fig.layout.xaxis.dtick == 168
    assert tuple(fig.layout.xaxis.range) == (-19, 903)


def test_doses_are_bars_on_the_same_hours() -> None:
    fig = timeline(HOURS, [lactate()], np.array([0, 1, 0, 2]), LABELS, drug="heparin", unit="units")
    bars = fig.data[-1]
    assert list(bars.x) == HOURS.tolist()
    assert list(bars.customdata) == ["no heparin", "low", "no heparin", "high"]
    assert bars.y[3] == 2
    assert [a.text for a in fig.layout.annotations][:2] == ["Lactate (mmol/L)", "Heparin given (units)"]


def test_reference_and_target_are_told_apart() -> None:
    fig = timeline(HOURS, [lactate(target=(1.5, 2.0))], np.zeros(4, int), LABELS, drug="heparin", unit="units")
    healthy, target = (s for s in fig.layout.shapes if s.type == "rect")
    assert healthy.fillcolor == REFERENCE_BAND
    assert target.x0 > 0.9  # a bar at the edge, so that the fills never lie on each other
    assert (target.y0, target.y1) == (1.5, 2.0)
    dashed = [s for s in fig.layout.shapes if s.type == "line" and s.line.dash == "dash"]
    assert sorted(s.y0 for s in dashed) == [1.5, 2.0]


def test_the_chosen_step_is_marked_inside_the_panels_and_not_over_their_titles() -> None:
    fig = timeline(HOURS, [lactate()], np.zeros(4, int), LABELS, drug="heparin", unit="units", step=1)
    marks = [s for s in fig.layout.shapes if s.type == "rect" and s.xref == "x"]
    assert [s.yref for s in marks] == ["y domain", "y2 domain"]
    assert all(s.x0 < -4.0 < s.x1 for s in marks)


@pytest.mark.parametrize(
    ("values", "reference"),
    [([0.0, 0.0], (0.0, 2.0)), ([0.1, 3.0], None), ([5.0, 5.0], (0.0, 100.0)), ([-3.0, 1.0], None)],
)
def test_a_panel_hardly_goes_below_0_where_no_value_does(values: list[float], reference) -> None:
    course = lactate(values=np.array(values), imputed=np.zeros(2, dtype=bool), reference=reference)
    fig = timeline(HOURS[:2], [course], np.zeros(2, int), LABELS, drug="heparin", unit="units")
    low, high = fig.layout.yaxis.range
    assert low <= min(values) < max(values) + 0.01 < high
    assert low < -3 if min(values) < 0 else low >= -0.1 * high


def test_a_range_outside_of_the_view_is_not_drawn() -> None:
    fig = timeline(HOURS, [lactate(reference=(50.0, 51.0))], np.zeros(4, int), LABELS, drug="heparin", unit="units")
    assert not [s for s in fig.layout.shapes if s.type == "rect"]


def test_one_step_and_a_constant_course_can_be_drawn() -> None:
    one = lactate(values=np.array([2.0]), imputed=np.array([False]), reference=None)
    fig = timeline(HOURS[:1], [one], np.array([1]), LABELS, drug="heparin", unit="units", step=0)
    low, high = fig.layout.yaxis.range
    assert low < 2.0 < high


def test_weights_stack_to_all_and_the_step_stands_out() -> None:
    weights = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.0, 1.0]])
    fig = weight_course(HOURS, weights, 2)
    np.testing.assert_allclose(np.sum([t.y for t in fig.data], axis=0), 100)
    assert fig.data[0].marker.opacity[2] == 1.0
    assert fig.data[0].marker.opacity[1] < 1.0


def test_probabilities_are_written_and_the_given_dose_is_framed() -> None:
    fig = probability_table(["Clinicians", "Fused"], np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]]), LABELS, 1)
    np.testing.assert_allclose(fig.data[0].z, [[90, 10, 0], [20, 30, 50]])
    assert "50 %" in [a.text for a in fig.layout.annotations]
    assert fig.layout.shapes[0].x0 == 0.5


def test_q_values_carry_their_spread() -> None:
    table = pd.DataFrame({"estimate": ["FQI"] * 3, "action": [0, 1, 2], "value": [1.0, 2.0, 3.0]})
    fig = q_by_action(table.assign(low=table["value"] - 0.5, high=table["value"] + 0.5), LABELS)
    assert list(fig.data[0].x) == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(fig.data[0].error_x.array, 0.5)


def test_actions_without_an_order_are_blocks_in_rows_of_their_own() -> None:
    actions = np.array([2, 0, 1, 2])
    fig = timeline(HOURS, [lactate()], actions, LABELS, drug="way", unit="", ordered=False)
    block = fig.data[-1]
    assert len(set(block.y)) == 1, "none is higher than another"
    np.testing.assert_allclose(np.asarray(block.base, dtype=float) + np.asarray(block.y) / 2, actions)
    assert fig.layout.annotations[1].text == "Way"
