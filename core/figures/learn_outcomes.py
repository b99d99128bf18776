"""Pictures of the Learn page's toys about outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.labels import end_labels
from core.figures.learn import left_titles
from core.figures.theme import ACCENT, INK, NEUTRAL, WARNING, apply_theme, with_alpha

SPACE = "\u2003"  # between a mark and its number


def survival_figure(
    survival: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    truth: np.ndarray,
    unseen: np.ndarray,
    at_risk: np.ndarray,
    hazard: np.ndarray,
    true_hazard: np.ndarray,
) -> go.Figure:
    """Survival by day with its band, the truth and the share not seen to die; below, deaths among those at risk.

    All (D + 1,), shares of 0..1; the hazards NaN on day 0, at_risk counts.
    """
    days = np.arange(len(survival))
    titles = ("Survival (%)", "Deaths of a day among those at risk (%)")
    fig = Draft(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.13, row_heights=[0.66, 0.34], subplot_titles=titles
    )
    steps = {"shape": "hv"}
    edge = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    fig.add_trace(scatter(x=days, y=100 * high, line={**steps, "width": 0}, **edge), row=1, col=1)
    fill = {"fill": "tonexty", "fillcolor": with_alpha(ACCENT, 0.18)}
    fig.add_trace(scatter(x=days, y=100 * low, line={**steps, "width": 0}, **fill, **edge), row=1, col=1)
    lines = (("Kaplan-Meier", survival, ACCENT, "solid"), ("truth", truth, INK, "dot"),
             ("not seen to die", unseen, WARNING, "dash"))  # fmt: skip
    for name, y, color, dash in lines:
        line = {"color": color, "dash": dash, **({} if name == "truth" else steps)}
        told = at_risk if name == "Kaplan-Meier" else None
        hover = "day %{x}: %{y:.1f} %" + (", %{customdata:,} at risk" if told is not None else "")
        trace = scatter(x=days, y=100 * y, mode="lines", name=name, line=line, customdata=told, hovertemplate=hover)
        fig.add_trace(trace, row=1, col=1)
    end_labels(fig, float(days[-1]), [(n, 100 * float(y[-1]), c) for n, y, c, _ in lines], 9.0, row=1, col=1)
    dots = {"color": ACCENT, "size": 6}
    fig.add_trace(scatter(x=days, y=100 * hazard, mode="markers", name="seen", marker=dots), row=2, col=1)
    line = {"color": INK, "dash": "dot", "shape": "hvh"}
    fig.add_trace(scatter(x=days, y=100 * true_hazard, mode="lines", name="true hazard", line=line), row=2, col=1)
    apply_theme(fig, height=460, legend=False)
    left_titles(fig, len(titles))
    fig.update_yaxes(range=[0, 104], row=1, col=1)
    fig.update_yaxes(rangemode="tozero", row=2, col=1)
    fig.update_xaxes(range=[-0.5, days[-1] + 0.5])
    fig.update_xaxes(title_text="day", row=2, col=1)
    fig.update_layout(margin={"l": 48, "r": 110, "t": 30, "b": 44})
    return fig.figure()


def danger_figure(danger: np.ndarray, names: Sequence[str], counts: Sequence[tuple[str, float]]) -> go.Figure:
    """Share in danger by step under each of two (2, T), and hazardous doses in 100 stays, by label."""
    titles = ("Patients in danger (%)", "In 100 stays")
    fig = Draft(rows=1, cols=2, column_widths=[0.55, 0.45], horizontal_spacing=0.28, subplot_titles=titles)
    steps, colors = np.arange(1, danger.shape[1] + 1), (NEUTRAL, ACCENT)
    for name, share, color in zip(names, danger, colors, strict=True):
        fig.add_trace(
            scatter(x=steps, y=100 * share, mode="lines+markers", name=name, line={"color": color}), row=1, col=1
        )
    ends = [(name, 100 * float(share[-1]), color) for name, share, color in zip(names, danger, colors, strict=True)]
    end_labels(fig, float(steps[-1]), ends, 6.0, row=1, col=1)
    labels = [label for label, _ in counts]
    for (label, count), color in zip(counts, (NEUTRAL, WARNING, ACCENT), strict=True):
        fig.add_trace(
            scatter(
                x=[count],
                y=[label],
                mode="markers+text",
                marker={"color": color, "size": 14},
                text=[f"{count:.0f}"],
                textposition="top center",
                name=label,
                hovertemplate=f"{label}: %{{x:.1f}}<extra></extra>",
            ),
            row=1,
            col=2,
        )
    apply_theme(fig, height=340, legend=False)
    left_titles(fig, len(titles))
    fig.update_xaxes(title_text="step", tickvals=steps[::5], row=1, col=1)
    fig.update_yaxes(range=[0, 104], row=1, col=1)
    top = max(count for _, count in counts)
    fig.update_xaxes(range=[0, 1.15 * max(top, 1.0)], title_text="hazardous doses", row=1, col=2)
    fig.update_yaxes(categoryorder="array", categoryarray=labels[::-1], range=[-0.6, 2.7], row=1, col=2)
    fig.update_layout(margin={"l": 48, "r": 16, "t": 34, "b": 44})
    return fig.figure()


def concordance_figure(
    share: np.ndarray, half: np.ndarray, exact: np.ndarray, n: np.ndarray, groups: Sequence[str]
) -> go.Figure:
    """Survival of those treated as the policy would and otherwise, in each group, with 95 % intervals and the exact
    value; all (2, groups), shares of 0..1, NaN where there is nobody."""
    fig = Draft()
    looks = (("treated as the policy would", ACCENT, "circle", -0.13), ("treated otherwise", WARNING, "diamond", 0.13))
    places = np.arange(len(groups), dtype=float)
    for (name, color, symbol, off), own, wide, true, count in zip(looks, share, half, exact, n, strict=True):
        fig.add_trace(
            scatter(
                x=places + off,
                y=100 * own,
                mode="markers+text",
                name=name,
                marker={"color": color, "symbol": symbol, "size": 13},
                error_y={"array": 100 * wide, "color": color, "thickness": 1.6, "width": 4},
                text=[f"{SPACE}{100 * value:.0f} %{SPACE}" if np.isfinite(value) else "" for value in own],
                textposition="middle left" if off < 0 else "middle right",
                customdata=count,
                hovertemplate=f"{name}: %{{y:.1f}} % of %{{customdata:,}}<extra></extra>",
            )
        )
        marks = {"symbol": "line-ew", "size": 18, "line": {"width": 2, "color": INK}}
        fig.add_trace(
            scatter(
                x=places + off,
                y=100 * true,
                mode="markers",
                name="exact",
                marker=marks,
                showlegend=off > 0,
                hovertemplate="exact: %{y:.1f} %<extra></extra>",
            )
        )
    apply_theme(fig, y="survival (%)", height=400, legend=True)
    fig.update_xaxes(tickvals=places.tolist(), ticktext=list(groups), range=[-0.5, len(groups) - 0.5])
    fig.update_yaxes(range=[0, 104])
    return fig.figure()
