"""Pictures of what policies give: dose shares, where they depart from the clinicians, and doses along lambda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, heatmap, scatter
from core.figures.labels import end_labels
from core.figures.theme import (
    DIVERGING,
    INK,
    INK_ON_FILL,
    action_colors,
    apply_theme,
    ink_on,
)


def action_share_bars(
    names: Sequence[str],
    shares: np.ndarray,
    action_labels: Sequence[str],
    *,
    legend: str,
    ordered: bool = True,
    title: str = "",
) -> go.Figure:
    """Share of steps with each action, one bar a policy: shares (policies, A), rows sum to 1; legend: what the actions
    are, such as "dose (U)"; ordered: each is more than the one before."""
    fig = Draft()
    colors = action_colors(len(action_labels), ordered)
    for a, label in enumerate(action_labels):
        ink = ("white" if a > len(action_labels) / 2 else INK_ON_FILL) if ordered else ink_on(colors[a])
        fig.add_trace(
            bar(
                x=100 * shares[:, a],
                y=list(names),
                orientation="h",
                name=label,
                marker={"color": colors[a], "line": {"color": "white", "width": 1}},
                text=[f"{100 * s:.1f}" if s >= 0.045 else "" for s in shares[:, a]],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": ink, "size": 12},
                hovertemplate=f"%{{y}}<br>{label}: %{{x:.2f}} % of steps<extra></extra>",
            )
        )
    apply_theme(fig, title, x="share of steps (%)", height=38 * len(names) + 120, legend=True)
    fig.update_layout(
        barmode="stack",
        bargap=0.22,
        legend={"title": {"text": f"{legend}  "}, "orientation": "h", "y": 1.02, "yanchor": "bottom"},
        legend_traceorder="normal",
        margin={"l": 8, "r": 12, "t": 60 if title else 44, "b": 44},
    )
    fig.update_xaxes(range=[0, 100])
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig.figure()


def dose_difference_map(
    difference: np.ndarray,
    count: np.ndarray,
    minimum: int,
    row_labels: Sequence[str],
    action_labels: Sequence[str],
    *,
    row_title: str,
    action_title: str,
) -> go.Figure:
    """Recommended minus given share (percentage points) in each cell; cells with too few records are hatched.

    difference, count (C, A): a cell is hatched where fewer than `minimum` recorded steps had that dose.
    """
    difference, count = np.asarray(difference, dtype=float), np.asarray(count)
    short = (count < minimum) | ~np.isfinite(difference)
    shown = np.where(short, np.nan, 100 * difference)
    reach = float(np.nanmax(np.abs(shown))) if np.isfinite(shown).any() else 1.0
    text = np.where(short, "", np.char.mod("%+.1f", np.nan_to_num(shown)))
    rows, actions = difference.shape
    fig = Draft()
    fig.add_trace(
        heatmap(
            x=np.arange(actions),
            y=np.arange(rows),
            z=shown,
            text=text,
            texttemplate="%{text}",
            customdata=count,
            colorscale=[list(stop) for stop in DIVERGING],
            zmid=0,
            zmin=-max(reach, 1.0),
            zmax=max(reach, 1.0),
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "points", "side": "top"}, "thickness": 10, "len": 0.8},
            hovertemplate="%{z:+.1f} percentage points, %{customdata} recorded steps<extra></extra>",
        )
    )
    for r, a in zip(*np.nonzero(short), strict=True):
        fig.add_shape(type="path", path=_hatch(int(a), int(r)), line={"color": "rgba(138, 143, 152, 0.55)", "width": 1})
        fig.add_annotation(
            x=int(a),
            y=int(r),
            text=f"n = {int(count[r, a])}",
            showarrow=False,
            font={"size": 11, "color": INK_ON_FILL},
            bgcolor="rgba(255,255,255,0.85)",
        )
    apply_theme(fig, x=action_title, y=row_title, height=max(44 * rows, 150) + 90, legend=False)
    fig.update_xaxes(
        tickvals=list(range(actions)), ticktext=list(action_labels), showgrid=False, range=[-0.5, actions - 0.5]
    )
    fig.update_yaxes(tickvals=list(range(rows)), ticktext=list(row_labels), showgrid=False, range=[rows - 0.5, -0.5])
    fig.update_layout(margin={"l": 8, "r": 8, "t": 12, "b": 52})
    return fig.figure()


def bin_names(cuts: np.ndarray, low: float, whole: bool) -> list[str]:
    """Names of the bins between the cuts, of which each opens a bin: '0–2', '3', '4 or more' for whole numbers."""
    if not len(cuts):
        return ["all"]
    last = f"{cuts[-1]:g} or more"
    if not whole:
        return [f"under {cuts[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(cuts)), last]
    bounds = [(a, b - 1) for a, b in pairwise([low, *cuts])]
    return [*(f"{a:g}" if a == b else f"{a:g}–{b:g}" for a, b in bounds), last]


def _hatch(column: int, row: int, lines: int = 7) -> str:
    """SVG path of diagonal lines that fill the unit cell around (column, row)."""
    left, top, size = column - 0.48, row - 0.46, 0.95
    parts = []
    for i in range(1, 2 * lines):
        s = size * i / lines
        start = (left + max(0.0, s - size), top + min(s, size))
        end = (left + min(s, size), top + max(0.0, s - size))
        parts.append(f"M {start[0]:.3f},{start[1]:.3f} L {end[0]:.3f},{end[1]:.3f}")
    return " ".join(parts)


def fused_share_area(
    x: np.ndarray,
    shares: np.ndarray,
    action_labels: Sequence[str],
    ticks: Mapping[float, str],
    current: float,
    *,
    ordered: bool = True,
) -> go.Figure:
    """Dose shares of the fused policy along lambda: shares (L, A), x (L,) positions on the lambda axis."""
    fig = Draft()
    colors = action_colors(len(action_labels), ordered)
    floor, ends = np.zeros(len(x)), []
    for a, label in enumerate(action_labels):
        fig.add_trace(
            scatter(
                x=x,
                y=100 * shares[:, a],
                mode="lines",
                stackgroup="dose",
                name=label,
                fillcolor=colors[a],
                line={"width": 0.5, "color": "white"},
                hovertemplate=label + ": %{y:.1f} %<extra></extra>",
            )
        )
        ends.append((label, 100 * float(floor[-1] + shares[-1, a] / 2), INK))
        floor = floor + shares[:, a]
    end_labels(fig, 1.0, ends, 7.5, within=(3, 97))
    fig.add_vline(x=current, line={"color": INK_ON_FILL, "width": 1.5})
    apply_theme(fig, x="λ (stored values, evenly spaced)", y="share of steps (%)", height=300, legend=False)
    fig.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()), range=[0, 1])
    fig.update_yaxes(range=[0, 100])
    fig.update_layout(margin={"l": 56, "r": 120, "t": 12, "b": 48})
    return fig.figure()
