"""A draft becomes the figure that plotly's own, slower calls make."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.io import to_json
from plotly.subplots import make_subplots

from core.figures.draft import Draft, scatter
from core.figures.theme import apply_theme, on_dark
from tests.slow_twins.figure_twin import GRIDS, fill


def content(fig: go.Figure) -> dict[str, Any]:
    """What the browser gets, without parts that are empty."""

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            cleaned = {name: kept(value) for name, value in part.items() if name != "template"}
            return {name: value for name, value in cleaned.items() if value not in ({}, [], None)}
        return [kept(value) for value in part] if isinstance(part, list) else part

    return dict(kept(json.loads(fig.to_json())))


@pytest.mark.parametrize(("rows", "cols", "grid"), GRIDS)
def test_a_grid_of_panels_is_what_plotly_makes_of_the_same_calls(rows: int, cols: int, grid: dict[str, Any]) -> None:
    plain, draft = make_subplots(rows, cols, **grid), Draft(rows, cols, **grid)
    fill(plain, go.Scatter, rows, cols)
    fill(draft, scatter, rows, cols)
    assert content(draft.figure()) == content(plain)


@pytest.mark.parametrize(("rows", "cols", "grid"), GRIDS)
def test_a_figure_that_plotly_does_not_check_is_the_same(
    monkeypatch: pytest.MonkeyPatch, rows: int, cols: int, grid: dict[str, Any]
) -> None:
    fill(draft := Draft(rows, cols, **grid), scatter, rows, cols)
    checked = apply_theme(draft, "title").figure()
    monkeypatch.setattr("core.figures.draft.CHECKED", False)
    for dark in (False, True):
        sent = [to_json(on_dark(fig) if dark else fig, validate=False) for fig in (checked, draft.figure())]
        assert json.loads(sent[0]) == json.loads(sent[1])


def test_a_figure_of_one_panel_is_what_plotly_makes_of_the_same_calls() -> None:
    plain, draft = go.Figure(), Draft()
    for fig, trace in ((plain, go.Scatter), (draft, scatter)):
        fig.add_trace(trace(x=[0, 1], y=[1, 2], error_x={"array": [0.1, 0.2]}))
        fig.add_hline(y=1.5, line={"dash": "dash"})
        fig.add_annotation(x=1, y=2, text="end", showarrow=True, ax=20, ay=2.5, ayref="y")
        fig.update_xaxes(type="log", title_text="x")
        fig.update_layout(height=300, showlegend=False, paper_bgcolor="white")
    assert content(draft.figure()) == content(plain)


def test_drafts_share_nothing() -> None:
    first = Draft(2, 1, subplot_titles=["a", "b"])
    first.update_xaxes(range=[0, 1])
    first.annotations[0].update(text="changed")
    second = Draft(2, 1, subplot_titles=["c", "d"])
    assert "range" not in second.layout["xaxis"]
    assert [note["text"] for note in second.annotations] == ["c", "d"]


@pytest.mark.parametrize(
    ("change", "named"),
    [({"colour": "red"}, "colour"), ({"range": "wide"}, "range"), ({"title": {"txt": "a"}}, "txt")],
)
def test_a_property_or_value_that_plotly_does_not_know_is_named(change: dict[str, Any], named: str) -> None:
    draft = Draft()
    draft.update_xaxes(**change)
    with pytest.raises(ValueError, match=named):
        draft.figure()


def test_a_panel_that_is_not_there_is_named() -> None:
    draft = Draft(2, 1)
    with pytest.raises(ValueError, match="no panel in row 3"):
        draft.update_yaxes(row=3, showgrid=False)


def test_a_title_may_be_a_text_or_a_part() -> None:
    draft = Draft()
    draft.update_xaxes(title="hours")
    draft.update_xaxes(title_font_size=15)
    draft.update_yaxes(title_standoff=3)
    draft.update_yaxes(title="share")
    fig = draft.figure()
    assert (fig.layout.xaxis.title.text, fig.layout.xaxis.title.font.size) == ("hours", 15)
    assert (fig.layout.yaxis.title.text, fig.layout.yaxis.title.standoff) == ("share", 3)
