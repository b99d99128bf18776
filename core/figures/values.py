"""Pictures of values: by action, phenotype and step, convergence, spread, and two estimators compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, box, heatmap, scatter
from core.figures.theme import (
    ESTIMATOR_COLORS,
    INK,
    NEUTRAL,
    SEQUENTIAL,
    WARNING,
    apply_theme,
    fmt,
    policy_style,
    two_lines,
    with_alpha,
)

ESTIMATES = {  # estimate of a state's value: color, marker, line
    "FQI": (ESTIMATOR_COLORS["fqi"], "square", "solid"),
    "FQE": (ESTIMATOR_COLORS["fqe"], "circle", "solid"),
    "joint": ("#8A8F98", "diamond", "dash"),
}


def estimate_look(name: str) -> tuple[str, str, str]:
    """Color, marker and dash of a value estimate by a word in its name; the joint forest before FQI."""
    for key in ("joint", "FQE", "FQI"):
        if key.lower() in name.lower():
            return ESTIMATES[key]
    return (NEUTRAL, "x", "dot")


def estimates_by_group(
    names: Sequence[str], tables: Mapping[str, pd.DataFrame], *, x: str, title: str = "", colors: Sequence[str] = ()
) -> go.Figure:
    """Mean value of each group (dose, phenotype) under each estimate, with 95 % intervals, side by side.

    tables: estimate -> table with mean, low, high, n in the order of `names`. colors: of the group names.
    """
    fig = Draft()
    offsets = np.linspace(-0.18, 0.18, len(tables)) if len(tables) > 1 else [0.0]
    for (estimate, table), offset in zip(tables.items(), offsets, strict=True):
        color, symbol, _ = estimate_look(estimate)
        mean = table["mean"].to_numpy(dtype=float)
        fig.add_trace(
            scatter(
                x=mean,
                y=np.arange(len(names)) + float(offset),
                mode="markers",
                name=estimate,
                marker={"color": color, "symbol": symbol, "size": 10},
                error_x={
                    "array": table["high"].to_numpy(dtype=float) - mean,
                    "arrayminus": mean - table["low"].to_numpy(dtype=float),
                    "thickness": 1.5,
                    "width": 3,
                },
                customdata=np.stack([table["low"], table["high"], table["n"]], axis=1),
                hovertemplate=estimate + " %{x:.2f} [%{customdata[0]:.2f}, %{customdata[1]:.2f}], "
                "n = %{customdata[2]:,.0f}<extra></extra>",
            )
        )
    apply_theme(fig, title, x=x, height=52 * len(names) + 120, legend=True)
    text = (
        [f'<span style="color:{c}">■</span> {n}' for n, c in zip(names, colors, strict=True)] if colors else list(names)
    )
    fig.update_yaxes(tickvals=list(range(len(names))), ticktext=text, range=[len(names) - 0.5, -0.5])
    fig.update_layout(
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom"},
        margin={"l": 8, "r": 16, "t": 70 if title else 36, "b": 44},
    )
    return fig.figure()


def value_by_step(
    hours: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], *, title: str = ""
) -> go.Figure:
    """Mean state value along the stay under each estimate: name -> (mean, low, high), each (T,)."""
    fig = Draft()
    for name, (mean, low, high) in curves.items():
        color, symbol, dash = estimate_look(name)
        real = np.flatnonzero(np.isfinite(mean))
        if not len(real):
            continue
        x = hours[real]
        fig.add_trace(
            scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([high[real], low[real][::-1]]),
                fill="toself",
                mode="none",
                fillcolor=with_alpha(color, 0.16),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                name=f"{name} 95 %",
            )
        )
        fig.add_trace(
            scatter(
                x=x,
                y=mean[real],
                mode="lines+markers",
                name=name,
                line={"color": color, "dash": dash},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=name + " %{y:.2f} at %{x:g} h<extra></extra>",
            )
        )
    apply_theme(fig, title, x="hours from onset", y="mean value of the state (return)", height=360, legend=True)
    fig.update_layout(
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom"}, margin={"l": 56, "r": 12, "t": 40, "b": 48}
    )
    return fig.figure()


def convergence(history: pd.DataFrame) -> go.Figure:
    """Fitted Q iteration: mean value and largest change by iteration (log scale): iteration, mean_v, max_change."""
    fig = Draft(rows=1, cols=2, subplot_titles=("Mean value of the states", "Largest change of any value (log scale)"))
    x = history["iteration"]
    fig.add_trace(
        scatter(x=x, y=history["mean_v"], mode="lines", line={"color": ESTIMATES["FQI"][0]}, name="mean value"),
        row=1,
        col=1,
    )
    change = history["max_change"].clip(lower=1e-12)
    fig.add_trace(scatter(x=x, y=change, mode="lines", line={"color": INK}, name="change"), row=1, col=2)
    apply_theme(fig, x="iteration", height=300, legend=False)
    fig.update_layout(margin={"l": 56, "r": 16, "t": 34, "b": 48})
    fig.update_yaxes(title_text="return", row=1, col=1)
    fig.update_yaxes(title_text="return", type="log", exponentformat="power", row=1, col=2)
    fig.update_annotations(font_size=13)
    if len(history):
        fig.add_annotation(
            x=x.iloc[-1],
            y=float(history["mean_v"].iloc[-1]),
            text=f"<b>{fmt(history['mean_v'].iloc[-1])}</b>",
            showarrow=False,
            yshift=12,
            xanchor="right",
            row=1,
            col=1,
        )
    return fig.figure()


def value_boxes(
    quantiles: Mapping[str, np.ndarray], truth: Mapping[str, float] | None = None, names: Sequence[str] = ()
) -> go.Figure:
    """Distribution of the state value under each policy: policy -> (5) quantiles 5, 25, 50, 75, 95 %; names: of the
    phenotypes."""
    fig = Draft()
    for policy, (low, q1, median, q3, high) in quantiles.items():
        style = policy_style(policy, names)
        fig.add_trace(
            box(
                y=[two_lines(style.name)],
                lowerfence=[low],
                q1=[q1],
                median=[median],
                q3=[q3],
                upperfence=[high],
                orientation="h",
                name=style.name,
                line={"color": style.color},
                fillcolor=with_alpha(style.color, 0.25),
            )
        )
    known = {two_lines(policy_style(p, names).name): v for p, v in (truth or {}).items() if p in quantiles}
    if known:
        fig.add_trace(
            scatter(
                x=list(known.values()),
                y=list(known),
                mode="markers",
                name="true value",
                marker={"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": INK}},
            )
        )
    apply_theme(
        fig,
        x="value of the first state (return); box 25–75 %, whiskers 5–95 %",
        height=42 * len(quantiles) + 100,
        legend=False,
    )
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(margin={"l": 8, "r": 16, "t": 12, "b": 48})
    return fig.figure()


def spread_histograms(
    edges: np.ndarray, shares: Mapping[str, np.ndarray], ties: Mapping[str, float], actions: str = "doses"
) -> go.Figure:
    """Spread of Q over the actions, so called, in one state, one panel an estimate; the share of states with no spread
    is written."""
    titles = [f"{name}: all {actions} tie in {100 * ties[name]:.0f} % of states" for name in shares]
    fig = Draft(rows=1, cols=max(len(shares), 1), shared_yaxes=True, subplot_titles=titles)
    middle, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    for col, (name, share) in enumerate(shares.items(), start=1):
        fig.add_trace(
            bar(
                x=middle,
                y=100 * share,
                width=width,
                marker={"color": estimate_look(name)[0]},
                name=name,
                hovertemplate="spread %{x:.2f}: %{y:.1f} % of states<extra></extra>",
            ),
            row=1,
            col=col,
        )
    apply_theme(fig, x=f"largest minus smallest Q over the {actions} (return)", height=300, legend=False)
    fig.update_yaxes(title_text="states (%)", row=1, col=1)
    fig.update_annotations(font_size=13)
    fig.update_layout(bargap=0, margin={"l": 56, "r": 16, "t": 34, "b": 48})
    return fig.figure()


def agreement_density(x_edges: np.ndarray, y_edges: np.ndarray, counts: np.ndarray, *, x: str, y: str) -> go.Figure:
    """Two estimates of the same states against each other: counts (X, Y) of states in each cell, and the diagonal."""
    shown = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan)
    fig = Draft()
    fig.add_trace(
        heatmap(
            x=(x_edges[:-1] + x_edges[1:]) / 2,
            y=(y_edges[:-1] + y_edges[1:]) / 2,
            z=shown.T,
            customdata=counts.T,
            colorscale=SEQUENTIAL,
            colorbar={
                "title": "states",
                "tickvals": [0, 1, 2, 3, 4, 5],
                "ticktext": ["1", "10", "100", "1k", "10k", "100k"],
                "thickness": 10,
            },
            hovertemplate="%{customdata:,} states<extra></extra>",
        )
    )
    low, high = float(min(x_edges[0], y_edges[0])), float(max(x_edges[-1], y_edges[-1]))
    fig.add_trace(
        scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            line={"color": WARNING, "dash": "dot"},
            name="equal",
            hoverinfo="skip",
        )
    )
    apply_theme(fig, x=x, y=y, height=380, legend=False)
    return fig.figure()
