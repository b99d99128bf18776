"""Figures of the registry study draw what they are given, in any size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.figures.registry import (
    age_histogram,
    combination_tail,
    stage_timeline,
    state_bars,
)
from core.figures.registry_accuracy import accuracy_by_stage, calibration_panels, top_n_accuracy
from core.figures.registry_looks import make_looks
from core.figures.registry_patient import patient_course, ranked_options
from core.figures.registry_values import modeled_by_stage, registry_policy, value_forest

LOOKS = make_looks(
    [
        ("conditioning", "Conditioning"),
        ("acute", "Acute GVHD treatment"),
        ("chronic", "Chronic GVHD treatment"),
    ],
    [("acute_gvhd", "Acute GVHD"), ("chronic_gvhd", "Chronic GVHD"), ("relapse", "Relapse")],
    "transplant",
)


def texts(fig) -> list[str]:
    return [str(note.text) for note in fig.layout.annotations]


def test_every_decision_and_state_of_any_registry_has_a_look_of_its_own() -> None:
    looks = make_looks(
        [(f"d{i}", f"Decision {i}") for i in range(4)] + [("acute", "Acute")],
        [("fever", "Fever"), ("sepsis", "Sepsis"), ("relapse", "Relapse")],
        "admission",
    )
    for named in (looks.decisions, looks.states):
        assert len({(look.color, look.symbol) for look in named.values()}) == len(named)
    assert looks.states["relapse"] == LOOKS.states["relapse"], "a known state looks alike in every registry"
    assert looks.states["well"].name == "Alive, none of these"
    assert LOOKS.states["well"].name == "Alive, no GVHD"
    assert list(looks.states)[:5] == ["well", "fever", "sepsis", "relapse", "dead"]
    assert looks.decision("whole course").name == "Whole course"


def test_the_timeline_has_one_lane_a_decision_on_a_real_time_axis() -> None:
    table = pd.DataFrame(
        [("conditioning", 0, 90, 90, 5), ("acute", 100, 80, 40, 7), ("acute", 180, 60, 20, 6)],
        columns=["decision", "day", "patients", "treated", "combinations"],
    )
    fig = stage_timeline(table, [0, 100, 180], 365, LOOKS)
    assert [trace.name for trace in fig.data] == ["Conditioning", "Acute GVHD treatment"]
    assert list(fig.data[1].x) == [100, 180]
    assert list(fig.data[1].text) == ["40", "20"]
    assert list(fig.layout.xaxis.ticktext) == ["day 0", "100 d", "180 d", "1 y"]


def test_state_bars_stack_to_all_patients() -> None:
    table = pd.DataFrame(
        [(stage, state, n, n / 21) for stage in ("a", "b") for state, n in zip(LOOKS.states, range(7), strict=True)],
        columns=["stage", "state", "patients", "share"],
    )
    fig = state_bars(table, LOOKS)
    assert np.allclose(sum(np.asarray(trace.y) for trace in fig.data), 100)
    assert "Alive, no GVHD" not in [trace.name for trace in fig.data], "nobody is drawn as nobody"


def test_children_are_lighter_where_age_is_drawn() -> None:
    colors = age_histogram(np.array([0, 10, 20, 30]), np.array([1, 2, 3])).data[0].marker.color
    assert colors[0] == colors[1] != colors[2]
    other = age_histogram(np.array([0, 10, 20]), np.array([1, 2]), label="Weight", unit="kg", adult=None)
    assert len(set(other.data[0].marker.color)) == 1
    assert other.layout.xaxis.title.text == "Weight (kg)"


def test_the_tail_keeps_every_combination() -> None:
    table = pd.DataFrame({"decision": "acute", "rank": [1, 2, 3], "uses": [30, 4, 1], "combination": ["a", "b", "c"]})
    fig = combination_tail(table, LOOKS)
    assert list(fig.data[0].y) == [30, 4, 1]
    assert fig.data[0].name.endswith("(3)")


def accuracy(decision: str, stages: list[str]) -> pd.DataFrame:
    rows = [(decision, s, n, 0.1 * n, 0.1 * n - 0.05, 0.1 * n + 0.05) for s in stages for n in (1, 7, 10)]
    return pd.DataFrame(rows, columns=["decision", "stage", "n", "accuracy", "low", "high"])


def test_accuracy_is_drawn_in_percent_with_its_band() -> None:
    fig = top_n_accuracy(accuracy("acute", ["100 days", "6 months"]), LOOKS, (0.75, 0.9))
    lines = [trace for trace in fig.data if trace.mode == "lines+markers"]
    assert [trace.name for trace in lines] == ["100 days", "6 months"]
    assert np.allclose(lines[0].y, [10, 70, 100])
    assert any("published" in text for text in texts(fig))
    assert any("6 months" in text for text in texts(fig))
    by_stage = accuracy_by_stage(accuracy("chronic", ["100 days", "1 year"]).query("n > 1"))
    assert [trace.name for trace in by_stage.data] == ["top 7", "top 10"]
    assert np.allclose(by_stage.data[0].error_y.array, 5)


def test_calibration_has_a_panel_a_decision_and_room_for_its_largest_value() -> None:
    table = pd.DataFrame(
        {"decision": ["acute", "chronic"], "predicted": [0.1, 0.3], "observed": [0.1, 0.3], "low": 0.05, "high": 0.4,
         "n": 9}
    )  # fmt: skip
    fig = calibration_panels(table, LOOKS)
    assert texts(fig)[:2] == ["Acute GVHD treatment", "Chronic GVHD treatment"]
    assert fig.layout.xaxis.range[1] == pytest.approx(44)


def forest(support: str = "supported") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "decision": "acute", "policy": ["dqn", "observed"], "estimator": "matched", "value": [0.9, 0.7],
            "low": [0.8, np.nan], "high": [1.0, np.nan], "basis": "n", "label": ["n = 3", ""], "support": support,
            "true_value": [0.7, np.nan],
        }
    )  # fmt: skip


def test_the_forest_marks_truth_support_and_numbers() -> None:
    fig = value_forest(forest(), LOOKS, truth=True)
    bars = [trace for trace in fig.data if trace.marker.symbol == "line-ns" and trace.x[0] is not None]
    assert [list(trace.x) for trace in bars] == [[0.7], [0.7]], "a black bar on a white one, so that dark shows it"
    assert "n = 3" in texts(fig)
    hollow = value_forest(forest("not supported"), LOOKS)
    assert all(str(trace.marker.symbol).endswith("-open") for trace in hollow.data if trace.x[0] is not None)


def test_every_policy_has_a_look_of_its_own() -> None:
    looks = [registry_policy(p) for p in ("observed", "dqn", "dqn-screened", "random-forest", "most-frequent")]
    assert len({look.color for look in looks}) == len({look.symbol for look in looks}) == 5


def test_model_based_rewards_stand_at_their_stage() -> None:
    table = pd.DataFrame(
        [("acute", "100 days", "dqn", 0.8, 0.7, 0.9), ("acute", "6 months", "dqn", 0.9, 0.8, 1.0)],
        columns=["decision", "stage", "policy", "value", "low", "high"],
    )
    fig = modeled_by_stage(table, LOOKS)
    assert list(fig.data[0].y) == [0.8, 0.9]
    assert list(fig.layout.xaxis.ticktext) == ["100 days", "6 months"]


def test_a_course_draws_states_and_hollow_marks_where_nothing_was_given() -> None:
    given = pd.DataFrame(
        {"decision": "acute", "stage": [1, 2], "day": [100, 180], "drugs": [0, 2], "combination": ["no drug", "a + b"]}
    )
    fig = patient_course([0, 100, 180], ["well", "acute_gvhd", "dead"], given, 365.0, LOOKS, chosen=100)
    assert list(fig.data[-1].marker.symbol) == ["diamond-open", "diamond"]
    assert fig.layout.yaxis.ticktext == ("State", "Acute GVHD treatment")


def test_ranked_options_keep_their_order_and_mark_the_given_one() -> None:
    table = pd.DataFrame(
        {
            "name": ["a", "b", "c"], "q": [3.0, 2.0, 1.0], "reward": [0.8, 0.9, 0.7], "low": [0.7, 0.8, np.nan],
            "high": [0.9, 1.0, np.nan], "count": [40, 30, 5], "probability": [0.2, 0.5, 0.1], "group": [1, 1, 2],
            "given": [False, True, False],
        }
    )  # fmt: skip
    fig = ranked_options(table)
    assert list(fig.layout.yaxis.ticktext) == ["a", "★ b", "c"]
    assert list(fig.data[1].error_x.array) == pytest.approx([0.1, 0.1, 0])
    assert [shape.y0 for shape in fig.layout.shapes if shape.type == "line"][:1] == [1.5], "one border, between groups"
    chances = table.assign(chance=[0.4, 0.35, 0.25])
    supported = ranked_options(chances, supported=True)
    diamonds = next(trace for trace in supported.data if trace.name == "as far as supported")
    assert list(diamonds.x) == pytest.approx([40, 35, 25])
    written = next(trace for trace in supported.data if trace.name == "experts → policy")
    assert [text.strip() for text in written.text] == ["20.0 → 40.0", "50.0 → 35.0", "10.0 → 25.0"]
    assert list(written.x) == pytest.approx([40, 50, 25]), "beside the longer of the two, not under the diamond"
    assert next(trace for trace in supported.data if trace.name == "experts").text is None
    assert not [shape for shape in supported.layout.shapes if shape.type == "line"], "sorted by chance, not by group"
