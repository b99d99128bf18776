"""Pages on stays that start late: whatever is drawn, listed or said over time stands at the recorded hour."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.icu.ask.names import phenotype_texts
from core.icu.view import RunView
from pages.components.encoder import views as encoder_views
from pages.components.patient.course import stay_of
from pages.components.patient.decision import stay_window
from pages.components.phenotypes import trust
from pages.components.policies.excess import SURPRISES


def decoded(values: object) -> list[float]:
    """Numbers of a drawn axis, which Plotly may send packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=np.dtype(values["dtype"])).tolist()
    return list(values)


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def trace(figure: dict, name: str) -> dict:
    return next(t for t in figure["data"] if t.get("name") == name)


def view(page: AppTest, name: str, key: str) -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


@pytest.fixture(scope="module")
def run(late_run: Path) -> RunView:
    return RunView(late_run)


@pytest.fixture(scope="module")
def late(run: RunView) -> int:
    """A stay of more than four steps that starts well after the window's start, in the test set."""
    first, lengths = run.cohort.hours[run.cohort.starts], run.cohort.lengths
    fits = (first > run.study.start_hours + 4) & (lengths > 4) & (run.split_name == "test")
    return int(np.flatnonzero(fits)[0])


@pytest.fixture
def name(app_data: Path, late_run: Path) -> str:
    (app_data / "runs" / "late").symlink_to(late_run, target_is_directory=True)
    return "late"


@pytest.fixture
def own(run: RunView, late: int) -> list[float]:
    """The recorded hours of that stay, which are none that a count of steps would give."""
    recorded = run.cohort.extra["hours"].to_numpy()[run.cohort.rows(late)]
    assert not np.any(recorded == run.study.hours(np.arange(len(recorded))))
    return recorded.tolist()


def recorded_mean(run: RunView, values: np.ndarray, members: np.ndarray, hour: float) -> tuple[float, int]:
    """Mean over the rows of these patients that were recorded at this hour, and their number."""
    of = np.repeat(members, run.cohort.lengths) & (run.cohort.extra["hours"].to_numpy() == hour)
    return float(values[of].mean()) if of.any() else np.nan, int(of.sum())


def test_the_patients_course_slider_and_weights_stand_at_recorded_hours(open_page, name, late: int, own) -> None:
    page = open_page("patient", {"run": name, "patient": str(late), "step": "2"})
    drawn = figures(page)[0]
    assert decoded(trace(drawn, "Platelets")["x"]) == own
    assert decoded(trace(drawn, "dose")["x"]) == own
    onset = [shape for shape in drawn["layout"]["shapes"] if shape["type"] == "line" and shape["x0"] == shape["x1"]]
    assert {shape["x0"] for shape in onset} == {0}
    chosen = [s for s in drawn["layout"]["shapes"] if s["type"] == "rect" and s.get("xref") == "x"]
    assert {(s["x0"] + s["x1"]) / 2 for s in chosen} == {own[2]}
    slider = next(s for s in page.select_slider if s.label == "Step (hours from onset)")
    assert [option.split("(")[1] for option in slider.options] == [f"{hour:+g} h)" for hour in own]
    assert f"recorded from {own[0]:+g} h to {own[-1]:+g} h" in " ".join(str(m.value) for m in page.markdown)
    weights = figures(view(page, "Phenotype", "decision-view"))[1]
    assert all(decoded(t["x"]) == own for t in weights["data"])


def test_the_table_of_a_stay_and_of_patients_name_recorded_hours(open_page, name, run, late: int, own) -> None:
    page = open_page("patient", {"run": name, "patient": str(late)})
    page = view(page, "Table", "patient-form")
    assert page.dataframe[-1].value["hours"].tolist() == own
    page.toggle(key="find-patient").set_value(True).run()
    listed = page.dataframe[0].value
    assert listed["from (h)"].tolist() == run.cohort.hours[run.cohort.starts].tolist()


def test_similar_patients_are_followed_by_the_hours_that_passed(open_page, name, run, late: int, own) -> None:
    page = view(
        open_page("patient", {"run": name, "patient": str(late), "step": "1"}), "Similar states", "decision-view"
    )
    page = view(page, "How they went on", "similar-part")
    stay = trace(figures(page)[1], "this stay, as it went on")
    assert decoded(stay["x"]) == [hour - own[1] for hour in own[1:]]
    page = view(page, "Who they are", "similar-part")
    listed = page.dataframe[-1].value
    position = {key: i for i, key in enumerate(run.cohort.patients)}
    rows = [
        run.cohort.starts[position[key]] + step - 1 for key, step in zip(listed["patient"], listed["step"], strict=True)
    ]
    assert listed["hours from onset"].tolist() == run.cohort.extra["hours"].to_numpy()[rows].tolist()


def test_courses_by_phenotype_are_means_of_those_recorded_at_the_hour(open_page, name, run: RunView) -> None:
    page = view(open_page("phenotypes", {"run": name}), "Published panel", "phenotypes-view")
    drawn = next(f for f in figures(page) if "hours from onset" in json.dumps(f["layout"]) and len(f["data"]) > 5)
    line = next(t for t in drawn["data"] if t["name"] == phenotype_texts(run, 3)[0] and t.get("fill") != "toself")
    column = run.study.highlights[0]
    values, members = run.cohort.states[:, run.study.index(column)], run.labels(3) == 0
    for hour, mean in zip(decoded(line["x"]), decoded(line["y"]), strict=True):
        expected, n = recorded_mean(run, values, members, hour)
        assert n >= 5
        assert mean == pytest.approx(expected, rel=1e-5)


def test_values_along_the_stay_are_means_of_those_recorded_at_the_hour(open_page, name, run: RunView) -> None:
    page = open_page("values", {"run": name})
    drawn = next(f for f in figures(page) if "hours from onset" in json.dumps(f["layout"]))
    line = trace(drawn, "FQI (Q*, best policy)")
    values = run.fqi_q.max(axis=-1)[run.trajectories.mask]
    for hour, mean in zip(decoded(line["x"]), decoded(line["y"]), strict=True):
        assert mean == pytest.approx(recorded_mean(run, values, run.split_name == "test", hour)[0], rel=1e-5)


def test_early_agreement_is_counted_by_hour(run: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple] = []
    monkeypatch.setattr(trust, "show", lambda *given, **named: drawn.append((given, named)))
    trust._early(run, 3)
    table = drawn[0][1]["data"]
    prefix, whole = run.prefix_labels(3)[run.trajectories.mask], np.repeat(run.labels(3), run.cohort.lengths)
    assert table["hours"].tolist() == sorted(run.cohort.extra["hours"].unique())
    for row in table.itertuples():
        assert (row.agreement, row.n) == recorded_mean(run, prefix == whole, np.ones(300, dtype=bool), row.hours)
    assert drawn[0][0][0].data[0].x.tolist() == table["hours"].tolist()


def test_the_encoders_pictures_stand_at_recorded_hours(run: RunView, late: int, own, monkeypatch) -> None:
    drawn: dict[str, tuple] = {}
    monkeypatch.setattr(encoder_views, "show", lambda fig, key, *_, **named: drawn.update({key: (fig, named["data"])}))
    encoder_views._one_patient(run, late, ["Platelets"])
    picture, data = drawn["encoder-reconstruction"]
    assert all(list(t.x) == own for t in picture.data)
    assert data["hours"].tolist() == own
    encoder_views._attention_by_length(run, run.attention, run.cohort.lengths)
    picture, _ = drawn["encoder-attention-all"]
    weights, lengths = run.attention[run.trajectories.mask], run.cohort.lengths
    heat = picture.data[0]
    for length, row in zip(heat.y, heat.z, strict=True):
        expected = [recorded_mean(run, weights, lengths == length, hour)[0] for hour in heat.x]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_attention_of_one_patient_stands_at_recorded_hours(open_page, name, late: int, own) -> None:
    page = open_page("encoder", {"run": name, "patient": str(late)})
    page = view(page, "Attention", "encoder-view")
    bars = figures(page)[0]["data"][0]
    assert bars["type"] == "bar"
    assert decoded(bars["x"]) == own


def test_lists_of_policies_open_patients_at_recorded_hours(open_page, name, run: RunView) -> None:
    page = view(open_page("policies", {"run": name}), "Dose excess", "policies-view")
    listed = page.dataframe[0].value
    assert 0 < len(listed) <= SURPRISES
    position = {key: i for i, key in enumerate(run.cohort.patients)}
    for key, hour in zip(listed["patient"], listed["largest at (h)"], strict=True):
        assert hour in run.cohort.extra["hours"].to_numpy()[run.cohort.rows(position[key])]
    page = view(page, "Hazard rules", "policies-view")
    listed = next(frame.value for frame in page.dataframe if "first at (h)" in frame.value)
    low = run.cohort.states[:, run.study.index("Platelets")] < 50
    for key, hour in zip(listed["patient"], listed["first at (h)"], strict=True):
        rows = run.cohort.rows(position[key])
        against = low[rows] & (run.cohort.actions[rows] > 0)
        assert hour == run.cohort.extra["hours"].to_numpy()[rows][against][0]


def test_the_cohort_is_shown_by_recorded_hours(open_page, app_data: Path, name: str, late_cohort) -> None:
    page = open_page("cohort", {"run": name})
    page = view(page, "Outcome", "cohort-view")
    hours = late_cohort.extra["hours"].to_numpy()
    first, last = hours[late_cohort.starts], hours[late_cohort.starts + late_cohort.lengths - 1]
    numbers = page.dataframe[-1].value.set_index("group").loc["all"]
    assert numbers.to_dict() == {f"{h:g} h": ((first <= h) & (h <= last)).sum() for h in np.unique(hours)}
    assert "Stays enter at their first recorded hour." in " ".join(str(c.value) for c in page.caption)


def test_the_window_holds_every_stay_and_is_wider_only_where_one_needs_it(run: RunView) -> None:
    assert stay_window(run.study, np.array([0.0, 4.0])) == run.study.window == (-16.0, 44.0)
    assert stay_window(run.study, np.array([-30.0, 4.0])) == (-30.0, 44.0)
    assert stay_window(run.study, np.array([40.0, 500.0])) == (-16.0, 500.0)


def test_recorded_amounts_are_told_at_the_doses(run: RunView, late: int, tmp_path: Path) -> None:
    cohort = run.cohort
    dose = cohort.actions * 1000.0
    dose[cohort.rows(late).start] = np.nan
    cohort.extra["dose"], cohort.extra["dose_drip"] = dose, 0.5 * dose
    try:
        stay = stay_of(run, late)
        exported = stay.frame(["Platelets"])
        unit = run.study.actions.unit
        np.testing.assert_array_equal(exported[f"dose ({unit})"], dose[cohort.rows(late)])
        np.testing.assert_array_equal(exported[f"dose_drip ({unit})"], 0.5 * dose[cohort.rows(late)])
        assert list(stay.readable([], 0)) == ["step", "hours", "heparin", f"dose ({unit})"]
    finally:
        cohort.extra.drop(columns=["dose", "dose_drip"], inplace=True)
