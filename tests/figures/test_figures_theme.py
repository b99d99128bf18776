"""The look that all figures share."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from core.figures.draft import Draft, scatter
from core.figures.theme import (
    ACCENT,
    DARK,
    DARK_LETTERS,
    GROUND,
    GROUND_ON_DARK,
    INK,
    INK_ON_DARK,
    INK_ON_FILL,
    LINE,
    LINE_ON_DARK,
    PHENOTYPE_COLORS,
    apply_theme,
    on_dark,
    policy_style,
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


def test_a_name_in_the_color_of_its_line_is_lighter_than_the_line_on_a_dark_ground() -> None:
    draft = Draft()
    draft.add_trace(scatter(x=np.arange(3.0), y=np.ones(3), line={"color": ACCENT}))
    draft.add_annotation(x=0, y=0, text="ESS", font={"color": ACCENT})
    dark = on_dark(draft.figure())
    assert dark.data[0].line.color == ACCENT
    assert dark.layout.annotations[0].font.color == DARK_LETTERS[ACCENT] != ACCENT


@pytest.mark.parametrize("policy", ["clinician", "fused", "single-expert", "random", "zero-drug", "advice", "dqn"])
def test_policies_are_seen_and_their_names_read_on_a_dark_ground(policy: str) -> None:
    color = policy_style(policy).color
    assert _contrast(DARK.get(color, color)) >= 3
    assert _contrast(DARK_LETTERS.get(color, color)) >= 4.5


@pytest.mark.parametrize("color", PHENOTYPE_COLORS)
def test_phenotypes_are_seen_and_their_names_read_on_a_dark_ground(color: str) -> None:
    assert _contrast(DARK.get(color, color)) >= 3
    assert _contrast(DARK_LETTERS.get(color, color)) >= 4.5


def _contrast(color: str) -> float:
    """The contrast of WCAG 2 between a color and the dark ground."""
    return (_luminance(color) + 0.05) / (_luminance(GROUND_ON_DARK) + 0.05)


def _luminance(color: str) -> float:
    parts = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return float(np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def test_courses_are_light_and_hollow_marks_dark_on_a_dark_ground() -> None:
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], line={"color": LINE}, marker={"color": [GROUND, LINE]}))
    dark = on_dark(fig).data[0]
    assert dark.line.color == LINE_ON_DARK
    assert list(dark.marker.color) == [GROUND_ON_DARK, LINE_ON_DARK]
