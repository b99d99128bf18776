"""Pictures of the patients similar to one step of a stay: what they got, how they did, and how they went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, scatter
from core.figures.theme import (
    ACCENT,
    INK,
    REFERENCE_BAND,
    action_colors,
    apply_theme,
    axis_label,
    with_alpha,
)

COURSE_HEIGHT = 150  # pixels of one panel


@dataclass(frozen=True, eq=False)
class LaterCourse:
    """One measurement from a step on: `others` of similar patients (hours, n, low, median, high; see
    `core.icu.ask.similar.later_course`), `own` (t,) of this stay from the same step on, `own_hours` (t,) after it."""

    name: str
    unit: str
    others: pd.DataFrame
    own: np.ndarray
    own_hours: np.ndarray
    reference: tuple[float, float] | None = None


def later_courses(courses: Sequence[LaterCourse], *, step_hours: float) -> go.Figure:
    """How similar patients went on, one panel a measurement: median and quartiles, and what this stay did (dashed).

    Under each hour of the lowest panel stands how many similar patients are still in the record.
    """
    titles = [axis_label(course.name, course.unit) for course in courses]
    rows = len(courses)
    fig = Draft(rows=rows, cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.22 / rows)
    for row, course in enumerate(courses, start=1):
        _add_course(fig, course, row)
    apply_theme(fig, height=rows * COURSE_HEIGHT + 92, legend=True)
    fig.update_annotations(font_size=12.5, x=0.0, xanchor="left")
    others = courses[0].others
    every = max(1, -(-len(others) // 8))
    shown = others.iloc[::every]
    fig.update_xaxes(
        tickvals=shown["hours"],
        ticktext=[f"+{hours:g}<br>n = {n}" for hours, n in zip(shown["hours"], shown["n"], strict=True)],
        range=[-0.3 * step_hours, float(others["hours"].max()) + 0.5 * step_hours],
    )
    fig.update_xaxes(title_text="hours from the similar state; patients still in the record", row=rows, col=1)
    fig.update_layout(
        margin={"l": 48, "r": 10, "t": 52, "b": 56},
        legend={"y": 1 + 26 / (rows * COURSE_HEIGHT)},
        hovermode="x unified",
    )
    return fig.figure()


def _add_course(fig: Draft, course: LaterCourse, row: int) -> None:
    first, others = row == 1, course.others
    known = others.dropna(subset=["median"])
    hours = known["hours"].to_numpy()
    place = {"row": row, "col": 1}
    fig.add_trace(
        scatter(
            x=np.concatenate([hours, hours[::-1]]),
            y=np.concatenate([known["high"], known["low"][::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=with_alpha(ACCENT, 0.18),
            line={"width": 0},
            hoverinfo="skip",
            name="middle half",
            showlegend=first,
        ),
        **place,
    )
    fig.add_trace(
        scatter(
            x=hours,
            y=known["median"],
            mode="lines+markers",
            line={"color": ACCENT, "width": 2},
            marker={"size": 5},
            name="similar patients, median",
            showlegend=first,
            customdata=known[["low", "high", "n"]],
            hovertemplate="%{y:.4g} (middle half %{customdata[0]:.4g} to %{customdata[1]:.4g}, n = %{customdata[2]})",
        ),
        **place,
    )
    fig.add_trace(
        scatter(
            x=course.own_hours,
            y=course.own,
            mode="lines+markers",
            line={"color": INK, "width": 1.6, "dash": "dot"},
            marker={"color": INK, "size": 6, "symbol": "diamond"},
            name="this stay, as it went on",
            showlegend=first,
            hovertemplate="%{y:.4g}",
        ),
        **place,
    )
    if course.reference is not None:
        low, high = _span(known, course.own)
        bottom, top = max(course.reference[0], low), min(course.reference[1], high)
        if bottom < top:
            fig.add_hrect(y0=bottom, y1=top, fillcolor=REFERENCE_BAND, line_width=0, layer="below", **place)


def _span(known: pd.DataFrame, own: np.ndarray) -> tuple[float, float]:
    """What the panel's lines reach, so that a reference range does not stretch it."""
    values = np.concatenate([known["low"], known["high"], np.asarray(own, dtype=float)])
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)


def similar_states(table: pd.DataFrame, action_labels: Sequence[str], *, ordered: bool = True) -> go.Figure:
    """What similar states got and how those patients did: table action, n, share, survival, low, high (0..1)."""
    fig = Draft(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.1,
        subplot_titles=("What they got", "Of these, survived"),
    )
    y = [action_labels[int(a)] for a in table["action"]]
    colors = action_colors(len(action_labels), ordered)
    share = 100 * table["share"].to_numpy(dtype=float)
    fig.add_trace(
        bar(
            x=share,
            y=y,
            orientation="h",
            marker={"color": [colors[int(a)] for a in table["action"]]},
            name="share",
            text=[f"{s:.0f} % (n = {n:,})" for s, n in zip(share, table["n"], strict=True)],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x:.1f} % of similar states<extra></extra>",
        ),
        row=1,
        col=1,
    )
    survival, low, high = (100 * table[c].to_numpy(dtype=float) for c in ("survival", "low", "high"))
    fig.add_trace(
        scatter(
            x=survival,
            y=y,
            mode="markers",
            marker={"color": ACCENT, "size": 9},
            name="survival",
            error_x={"array": high - survival, "arrayminus": survival - low, "thickness": 1.4, "width": 3},
            hovertemplate="%{x:.0f} % survived<extra></extra>",
        ),
        row=1,
        col=2,
    )
    apply_theme(fig, height=36 * len(action_labels) + 110, legend=False)
    fig.update_xaxes(title_text="similar states (%)", range=[0, 150], tickvals=[0, 50, 100], row=1, col=1)
    fig.update_xaxes(title_text="patients (%)", range=[0, 103], tickvals=[0, 50, 100], row=1, col=2)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_annotations(font_size=13)
    fig.update_layout(margin={"l": 8, "r": 8, "t": 28, "b": 44})
    return fig.figure()
