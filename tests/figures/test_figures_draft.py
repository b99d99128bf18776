"""A draft becomes the figure that plotly's own, slower calls make."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from core.figures.draft import Draft, scatter

GRIDS: list[tuple[int, int, dict[str, Any]]] = [
    (1, 1, {"subplot_titles": ["one"]}),
    (3, 1, {"shared_xaxes": True, "vertical_spacing": 0.08, "row_heights": [0.5, 0.25, 0.25]}),
    (2, 2, {"shared_yaxes": True, "subplot_titles": ["a", "", "b <i>c</i>", "d"]}),
    (1, 3, {"column_widths": [0.5, 0.3, 0.2], "horizontal_spacing": 0.03, "subplot_titles": ["x", "y", "z"]}),
]


def content(fig: go.Figure) -> dict[str, Any]:
    """What the browser gets, without parts that are empty."""

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            cleaned = {name: kept(value) for name, value in part.items() if name != "template"}
            return {name: value for name, value in cleaned.items() if value not in ({}, [], None)}
        return [kept(value) for value in part] if isinstance(part, list) else part

    return dict(kept(json.loads(fig.to_json())))


def fill(fig: Any, trace: Any, rows: int, cols: int) -> None:
    """The same calls for both."""
    for row in range(1, rows + 1):
        for col in range(1, cols + 1):
            props = {"x": np.arange(3.0), "y": np.array([1.0, np.nan, row + col]), "marker": {"size": 4}}
            fig.add_trace(trace(mode="markers", name=f"{row}, {col}", **props), row=row, col=col)
    last = {"row": rows, "col": cols}
    fig.add_vline(x=1.5, line={"color": "red", "width": 1})
    fig.add_hline(y=2.0, line={"dash": "dot"}, **last)
    fig.add_hrect(0.5, 1.0, fillcolor="green", line_width=0, layer="below", row=1, col=1)
    fig.add_vrect(x0=0, x1=1, fillcolor="blue", opacity=0.5)
    fig.add_shape(type="rect", x0=0, x1=1, y0=2, y1=3, **last)
    fig.update_annotations(font_size=12.5, x=0.0)
    fig.add_annotation(x=0.5, y=1.0, text="note", yref="y domain", showarrow=False, **last)
    fig.add_annotation(x=0, y=0, text="outside", xref="paper", yref="paper", font={"color": "red"})
    fig.update_xaxes(title_text="all", range=[0, 3])
    fig.update_xaxes(title={"standoff": 3}, row=rows, col=1)
    fig.update_yaxes(tickvals=[1, 2], ticktext=["one", "two"], row=1)
    fig.update_yaxes(title_text="last", showgrid=False, col=cols)
    fig.update_layout(margin={"l": 1, "r": 2}, legend={"y": 1.0}, title={"text": "whole"})
    fig.update_layout(margin={"l": 8}, legend_orientation="h", title_font_size=15)


@pytest.mark.parametrize(("rows", "cols", "grid"), GRIDS)
def test_a_grid_of_panels_is_what_plotly_makes_of_the_same_calls(rows: int, cols: int, grid: dict[str, Any]) -> None:
    plain, draft = make_subplots(rows, cols, **grid), Draft(rows, cols, **grid)
    fill(plain, go.Scatter, rows, cols)
    fill(draft, scatter, rows, cols)
    assert content(draft.figure()) == content(plain)


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
