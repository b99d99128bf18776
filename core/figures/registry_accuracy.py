"""Pictures of how well a registry's networks predict the experts: top-N accuracy and calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.labels import end_labels
from core.figures.registry_looks import Looks
from core.figures.theme import GRID, NEUTRAL, apply_theme, with_alpha

STAGE_COLORS = ("#56B4E9", "#0072B2", "#D55E00", "#7B3FA0", "#009E73")
STAGE_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")


def top_n_accuracy(table: pd.DataFrame, looks: Looks, published: tuple[float, float] | None = None) -> go.Figure:
    """How often the expert's choice is among the N likeliest, by N, one panel a decision.

    table: decision, stage (name), n, accuracy, low, high (shares). published: range of the published values (shares).
    """
    names = list(dict.fromkeys(table["decision"]))
    titles = [looks.decision(name).name for name in names]
    fig = Draft(rows=1, cols=len(names), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.07)
    last, several = float(table["n"].max()), table.groupby("decision")["stage"].nunique().max() > 1
    if published is not None:
        _published_range(fig, published)
    for col, name in enumerate(names, start=1):
        part = table[table["decision"] == name]
        stages, ends = list(dict.fromkeys(part["stage"])), []
        for i, stage in enumerate(stages):
            color = looks.decision(name).color if len(stages) == 1 else STAGE_COLORS[i % len(STAGE_COLORS)]
            symbol = STAGE_SYMBOLS[i % len(STAGE_SYMBOLS)]
            rows = part[part["stage"] == stage].sort_values("n")
            _accuracy_line(fig, rows, stage, color, symbol, col)
            ends.append((stage, 100 * float(rows["accuracy"].iloc[-1]), color))
        end_labels(fig, float(part["n"].max()), ends if len(stages) > 1 else [], 5.0, row=1, col=col, size=11)
    apply_theme(fig, height=330, legend=False)
    fig.update_xaxes(title_text="N likeliest combinations", range=[0.4, (1.2 if several else 1.03) * last])
    fig.update_yaxes(range=[0, 102], ticksuffix=" %")
    fig.update_yaxes(title_text="expert's choice among them", row=1, col=1)
    fig.update_layout(margin={"t": 34, "r": 8})
    return fig.figure()


def _published_range(fig: Draft, published: tuple[float, float]) -> None:
    low, high = (100 * share for share in published)
    fig.add_hrect(y0=low, y1=high, fillcolor=GRID, opacity=0.5, line_width=0, layer="below")
    fig.add_annotation(
        x=0.98,
        xref="x domain",
        y=low,
        xanchor="right",
        yanchor="top",
        showarrow=False,
        text=f"published: about {low:.0f}–{high:.0f} %",
        font={"size": 11, "color": NEUTRAL},
    )


def _accuracy_line(fig: Draft, rows: pd.DataFrame, name: str, color: str, symbol: str, col: int) -> None:
    x = rows["n"].to_numpy(dtype=float)
    value, low, high = (100 * rows[c].to_numpy(dtype=float) for c in ("accuracy", "low", "high"))
    fig.add_trace(
        scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            mode="none",
            fillcolor=with_alpha(color, 0.15),
            line={"width": 0},
            hoverinfo="skip",
            name=f"{name} 95 %",
        ),
        row=1,
        col=col,
    )
    fig.add_trace(
        scatter(
            x=x,
            y=value,
            mode="lines+markers",
            name=name,
            line={"color": color},
            marker={"symbol": symbol, "size": 7},
            customdata=np.stack([low, high], axis=1),
            hovertemplate=f"{name}, top %{{x:g}}: %{{y:.1f}} % [%{{customdata[0]:.1f}}, %{{customdata[1]:.1f}}]"
            "<extra></extra>",
        ),
        row=1,
        col=col,
    )


def accuracy_by_stage(table: pd.DataFrame) -> go.Figure:
    """Top-N accuracy at each stage with its interval, one color an N; table: stage (name), n, accuracy, low, high."""
    stages, fig = list(dict.fromkeys(table["stage"])), Draft()
    sizes = sorted(table["n"].unique())
    offsets = np.linspace(-0.09, 0.09, len(sizes)) if len(sizes) > 1 else [0.0]
    for i, (n, offset) in enumerate(zip(sizes, offsets, strict=True)):
        rows = table[table["n"] == n].set_index("stage").reindex(stages)
        value, low, high = (100 * rows[c].to_numpy(dtype=float) for c in ("accuracy", "low", "high"))
        color = STAGE_COLORS[(1, 2, 3, 4, 0)[i % len(STAGE_COLORS)]]
        fig.add_trace(
            scatter(
                x=np.arange(len(stages)) + offset,
                y=value,
                mode="lines+markers",
                name=f"top {n:g}",
                line={"color": color, "width": 1.5},
                marker={"symbol": STAGE_SYMBOLS[i % len(STAGE_SYMBOLS)], "size": 9},
                error_y={"array": high - value, "arrayminus": value - low, "thickness": 1.6, "width": 4},
                customdata=np.stack([low, high], axis=1),
                hovertemplate=f"top {n:g}: %{{y:.1f}} % [%{{customdata[0]:.1f}}, "
                "%{customdata[1]:.1f}]<extra></extra>",
            )
        )
    apply_theme(fig, y="expert's choice among them", height=330, legend=True)
    fig.update_xaxes(tickvals=list(range(len(stages))), ticktext=stages, range=[-0.4, len(stages) - 0.6])
    fig.update_yaxes(range=[0, 102], ticksuffix=" %")
    fig.update_layout(margin={"r": 8})
    return fig.figure()


def calibration_panels(table: pd.DataFrame, looks: Looks) -> go.Figure:
    """How often a combination was chosen where its network gave it this probability, one panel a decision.

    table: decision, predicted, observed, low, high (shares), n.
    """
    names = list(dict.fromkeys(table["decision"]))
    titles = [looks.decision(name).name for name in names]
    fig = Draft(rows=1, cols=len(names), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.035)
    for col, name in enumerate(names, start=1):
        part, look = table[table["decision"] == name], looks.decision(name)
        predicted, observed, low, high = (
            100 * part[c].to_numpy(dtype=float) for c in ("predicted", "observed", "low", "high")
        )
        n = part["n"].to_numpy(dtype=float)
        line = {"color": NEUTRAL, "dash": "dot"}
        perfect = scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, name="perfect", hoverinfo="skip")
        fig.add_trace(perfect, row=1, col=col)
        fig.add_trace(
            scatter(
                x=predicted,
                y=observed,
                mode="lines+markers",
                name=look.name,
                line={"color": with_alpha(look.color, 0.5), "width": 1},
                marker={"color": look.color, "symbol": look.symbol, "size": 8},
                error_y={
                    "array": high - observed,
                    "arrayminus": observed - low,
                    "thickness": 1.3,
                    "width": 3,
                    "color": look.color,
                },
                customdata=n,
                hovertemplate="predicted %{x:.1f} %, chosen %{y:.1f} % (%{customdata:,.0f} cases)<extra></extra>",
            ),
            row=1,
            col=col,
        )
    apply_theme(fig, height=320, legend=False)
    top = 110 * max(float(table["predicted"].max()), float(table["high"].max()), 0.05)
    fig.update_xaxes(range=[-0.05 * top, min(top, 104)], title_text="predicted (%)")
    fig.update_yaxes(range=[-0.05 * top, min(top, 104)])
    fig.update_yaxes(title_text="chosen by the expert (%)", row=1, col=1)
    fig.update_layout(margin={"t": 34, "r": 8})
    return fig.figure()
