"""The look that all figures share."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.theme import (
    GROUND,
    GROUND_ON_DARK,
    INK,
    INK_ON_DARK,
    INK_ON_FILL,
    LINE,
    LINE_ON_DARK,
    apply_theme,
    on_dark,
)


def test_ink_turns_light_on_a_dark_ground_and_nothing_else_changes() -> None:
    draft = Draft()
    draft.add_trace(scatter(x=np.arange(3.0), y=np.ones(3), marker={"color": [INK, "red", INK]}))
    draft.add_vline(x=1, line={"color": INK})
    draft.add_annotation(x=0, y=0, text="n = 3", font={"color": INK_ON_FILL})
    fig = apply_theme(draft).figure()
    dark = on_dark(fig)
    assert list(dark.data[0].marker.color) == [INK_ON_DARK, "red", INK_ON_DARK]
    assert dark.layout.shapes[0].line.color == INK_ON_DARK
    assert dark.layout.annotations[0].font.color == INK_ON_FILL, "it stands on a light fill"
    assert fig.layout.shapes[0].line.color == INK, "the figure itself, which exports take, stays as it is"
    assert json.loads(dark.to_json().replace(INK_ON_DARK, INK)) == json.loads(fig.to_json())


def test_courses_are_light_and_hollow_marks_dark_on_a_dark_ground() -> None:
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], line={"color": LINE}, marker={"color": [GROUND, LINE]}))
    dark = on_dark(fig).data[0]
    assert dark.line.color == LINE_ON_DARK
    assert list(dark.marker.color) == [GROUND_ON_DARK, LINE_ON_DARK]
