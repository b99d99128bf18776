"""Pictures of the Learn page's toys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, scatter
from core.figures.labels import end_labels
from core.figures.theme import (
    ACCENT,
    INK,
    NEUTRAL,
    WARNING,
    action_colors,
    apply_theme,
    phenotype_color,
    phenotype_name,
    phenotype_symbol,
)


def attention_figure(value: np.ndarray, weight: np.ndarray, running: np.ndarray, plain: np.ndarray) -> go.Figure:
    """Attention weight of each step (bars) over the measurement, its attention average so far and its plain average."""
    steps = np.arange(1, len(value) + 1)
    titles = ("Attention weight of each step (%)", "Lactate-like value, and what is kept of the steps so far")
    fig = Draft(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.14, row_heights=[0.35, 0.65], subplot_titles=titles
    )
    fig.add_trace(bar(x=steps, y=100 * weight, marker={"color": ACCENT}, name="weight"), row=1, col=1)
    lines = (("measured", value, INK, "dot"), ("attention average", running, ACCENT, "solid"),
             ("plain average", plain, NEUTRAL, "dash"))  # fmt: skip
    for name, y, color, dash in lines:
        line = {"color": color, "dash": dash}
        fig.add_trace(scatter(x=steps, y=y, mode="lines+markers", name=name, line=line), row=2, col=1)
    end_labels(fig, float(steps[-1]), [(n, float(y[-1]), c) for n, y, c, _ in lines], 0.9, row=2, col=1)
    apply_theme(fig, height=430, legend=False)
    left_titles(fig, len(titles))
    fig.update_xaxes(tickvals=steps)
    fig.update_xaxes(title_text="step", row=2, col=1)
    fig.update_yaxes(range=[0, 104], row=1, col=1)  # fixed, so that a small weight looks small
    fig.update_layout(margin={"l": 48, "r": 130, "t": 30, "b": 44})
    return fig.figure()


def cluster_figure(points: np.ndarray, labels: np.ndarray, centers: np.ndarray, star: int) -> go.Figure:
    """Patients in the plane by cluster, centers as large marks, one patient as a star."""
    fig = Draft()
    for k, center in enumerate(centers):
        own = points[labels == k]
        style = {"color": phenotype_color(k), "symbol": phenotype_symbol(k)}
        fig.add_trace(
            scatter(
                x=own[:, 0],
                y=own[:, 1],
                mode="markers",
                name=f"cluster {k}",
                marker={**style, "size": 7, "opacity": 0.65},
                hoverinfo="skip",
            )
        )
        fig.add_trace(
            scatter(
                x=[center[0]],
                y=[center[1]],
                mode="markers",
                showlegend=False,
                name=f"center {k}",
                marker={**style, "size": 19, "line": {"color": INK, "width": 2}},
                hovertemplate=f"center {k}<extra></extra>",
            )
        )
    look = {"color": INK, "symbol": "star", "size": 17}
    one = points[star : star + 1]
    fig.add_trace(scatter(x=one[:, 0], y=one[:, 1], mode="markers", name="Ms. A", marker=look))
    apply_theme(fig, x="representation, first direction", y="second direction", height=430, legend=True)
    return fig.figure()


def dueling_figure(value: float, q: np.ndarray, policy: np.ndarray, actions: Sequence[str]) -> go.Figure:
    """Q of each dose around V, and the policy that follows."""
    titles = ("Q of each dose, line: V", "Policy: probability of each dose (%)")
    fig = Draft(rows=1, cols=2, horizontal_spacing=0.14, subplot_titles=titles)
    colors = action_colors(len(actions))
    texts = [[f"{x:.2f}" for x in q], [f"{100 * p:.0f}" for p in policy]]
    for column, (y, text) in enumerate(zip((q, 100 * policy), texts, strict=True), start=1):
        bars = bar(
            x=list(actions),
            y=y,
            marker={"color": colors},
            text=text,
            textposition="auto",  # inside where it fits: above a bar the line would strike it out
            insidetextanchor="middle",
            textangle=0,
            cliponaxis=False,
        )
        fig.add_trace(bars, row=1, col=column)
    fig.add_hline(y=value, line={"color": INK, "dash": "dash"}, row=1, col=1)
    even = 100 / len(actions)
    fig.add_hline(y=even, line={"color": NEUTRAL, "dash": "dot"}, row=1, col=2)
    apply_theme(fig, height=340, legend=False)
    left_titles(fig, len(titles))
    fig.update_yaxes(range=[0, 112], row=1, col=2)
    fig.update_layout(margin={"l": 48, "r": 16, "t": 34, "b": 40})
    return fig.figure()


def fusion_figure(
    centers: np.ndarray, place: np.ndarray, weights: np.ndarray, rows: np.ndarray, actions: Sequence[str]
) -> go.Figure:
    """The patient between three phenotypes (line width: weight), and the policies with the fused one below them.

    rows: (K + 1, A) probabilities, the fused policy last.
    """
    titles = ("Where the patient stands; line width: weight", "Probability of each dose (%)")
    fig = Draft(rows=1, cols=2, column_widths=[0.45, 0.55], horizontal_spacing=0.16, subplot_titles=titles)
    for k, center in enumerate(centers):
        x, y = [place[0], center[0]], [place[1], center[1]]
        line = {"color": phenotype_color(k), "width": 0.5 + 12 * float(weights[k])}
        fig.add_trace(scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False), row=1, col=1)
        marker = {"color": phenotype_color(k), "symbol": phenotype_symbol(k), "size": 16}
        text = f"{phenotype_name(k)}<br>{100 * weights[k]:.1f} %"
        label = scatter(
            x=[center[0]],
            y=[center[1]],
            mode="markers+text",
            marker=marker,
            text=text,
            textposition="top center" if center[1] > 0 else "bottom center",
            showlegend=False,
        )
        fig.add_trace(label, row=1, col=1)
    patient = {"color": INK, "symbol": "star", "size": 17}
    fig.add_trace(scatter(x=place[:1], y=place[1:], mode="markers", marker=patient, showlegend=False), row=1, col=1)
    names = [*(phenotype_name(k) for k in range(len(centers))), "Fused"]
    for a, (color, action) in enumerate(zip(action_colors(len(actions)), actions, strict=True)):
        bars = bar(
            x=100 * rows[:, a],
            y=names,
            orientation="h",
            name=action,
            marker={"color": color},
            text=[f"{100 * p:.0f}" if p >= 0.08 else "" for p in rows[:, a]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
        )
        fig.add_trace(bars, row=1, col=2)
    apply_theme(fig, height=412, legend=True)
    left_titles(fig, len(titles))
    below = {"orientation": "h", "x": 1, "xanchor": "right", "y": -0.09, "yanchor": "top", "traceorder": "normal"}
    fig.update_layout(barmode="stack", margin={"l": 24, "r": 16, "t": 34, "b": 62}, legend=below)
    fig.update_xaxes(range=[-1.9, 1.9], showticklabels=False, ticks="", row=1, col=1)
    fig.update_yaxes(range=[-1.5, 1.9], showticklabels=False, showgrid=False, ticks="", row=1, col=1)
    fig.update_yaxes(autorange="reversed", row=1, col=2)
    return fig.figure()


def weights_figure(used: np.ndarray, left: np.ndarray) -> go.Figure:
    """Shares (n,) of the estimate that rest on the 1..n heaviest stays, and (T,) of stays left after 1..T steps."""
    titles = ("Share of the estimate (%)", "Expected ESS / n (%)")
    fig = Draft(rows=1, cols=2, horizontal_spacing=0.14, subplot_titles=titles)
    counts = np.arange(1, len(used) + 1)
    fig.add_trace(scatter(x=counts, y=100 * used, mode="lines", line={"color": ACCENT}), row=1, col=1)
    ends = [counts[0], counts[-1]]
    even = [100 / len(used), 100]
    fig.add_trace(
        scatter(x=ends, y=even, mode="lines", line={"color": NEUTRAL, "dash": "dot"}, hoverinfo="skip"), row=1, col=1
    )
    steps = np.arange(1, len(left) + 1)
    fig.add_trace(scatter(x=steps, y=100 * left, mode="lines+markers", line={"color": WARNING}), row=1, col=2)
    apply_theme(fig, height=340, legend=False)
    left_titles(fig, len(titles))
    fig.update_xaxes(title_text="stays, heaviest first (dotted: all alike)", row=1, col=1)
    fig.update_xaxes(title_text="steps in a stay", row=1, col=2)
    fig.update_yaxes(range=[0, 104])
    fig.update_layout(margin={"l": 48, "r": 16, "t": 34, "b": 44})
    return fig.figure()


def left_titles(fig: Draft, n: int) -> None:
    """Panel titles at the left edge of their panel."""
    for i, note in enumerate(fig.annotations[:n], start=1):
        axis = fig.layout["xaxis" if i == 1 else f"xaxis{i}"]
        note.update(x=axis["domain"][0], xanchor="left", font={"size": 13})
