"""Pictures of one patient of a registry: the course through its stages, and the options at one of them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, scatter
from core.figures.registry import short_stage
from core.figures.registry_looks import Looks
from core.figures.theme import NEUTRAL, apply_theme

HALO = "#FFFFFF"

NBSP = "\u00a0"  # plain spaces at the start of a text are not drawn


def patient_course(
    days: Sequence[float],
    states: Sequence[str],
    given: pd.DataFrame,
    end: float,
    looks: Looks,
    chosen: float | None = None,
) -> go.Figure:
    """One patient: the state at each stage on top, what was given at it below, on one real time axis.

    days, states: stages on record (days) and a state each. given: decision, day, drugs (how many),
    combination. end: last day of the follow-up. chosen: the stage on show.
    """
    decisions = list(dict.fromkeys(given["decision"]))
    rows = ["state", *decisions]
    fig = Draft()
    for i, (day, state) in enumerate(zip(days, states, strict=True)):
        look, until = looks.states[state], days[i + 1] if i + 1 < len(days) else None
        if until is not None:
            line = {"color": look.color, "width": 5}
            fig.add_trace(scatter(x=[day, until], y=[0, 0], mode="lines", line=line, hoverinfo="skip", name=look.name))
        fig.add_trace(
            scatter(
                x=[day],
                y=[0],
                mode="markers",
                name=look.name,
                marker={"symbol": look.symbol, "size": 15, "color": look.color, "line": {"width": 1, "color": HALO}},
                hovertemplate=f"{short_stage(day)}: {look.name}<extra></extra>",
            )
        )
    for row, decision in enumerate(decisions, start=1):
        part, look = given[given["decision"] == decision], looks.decision(decision)
        treated = part["drugs"].to_numpy() > 0
        fig.add_trace(
            scatter(
                x=part["day"],
                y=[row] * len(part),
                mode="markers",
                name=look.name,
                marker={
                    "symbol": [look.symbol if some else f"{look.symbol}-open" for some in treated],
                    "size": 14,
                    "color": look.color,
                },
                customdata=part["combination"],
                hovertemplate=f"{look.name}, day %{{x}}<br>%{{customdata}}<extra></extra>",
            )
        )
    if chosen is not None:
        fig.add_vline(x=chosen, line={"color": "#7B3FA0", "width": 2}, layer="below")
    apply_theme(fig, x=f"time from {looks.start}", height=82 + 32 * len(rows), legend=False)
    fig.update_xaxes(tickvals=list(days), ticktext=[short_stage(day) for day in days], range=[-0.04 * end, 1.03 * end])
    names = ["State", *(looks.decision(name).name for name in decisions)]
    fig.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.4, -0.6], showgrid=False)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 8, "b": 44})
    return fig.figure()


def _chances(fig: Draft, table: pd.DataFrame, y: np.ndarray) -> None:
    """Probability of each combination under the policy as far as the records support it; both numbers beside it."""
    experts, chance = 100 * table["probability"].to_numpy(dtype=float), 100 * table["chance"].to_numpy(dtype=float)
    fig.add_trace(
        scatter(
            x=np.maximum(experts, chance),
            y=y,
            mode="text",
            text=[f"{4 * NBSP}{a:.1f} → {b:.1f}" for a, b in zip(experts, chance, strict=True)],
            textposition="middle right",
            cliponaxis=False,
            hoverinfo="skip",
            name="experts → policy",
        ),
        row=1,
        col=3,
    )
    fig.add_trace(
        scatter(
            x=chance,
            y=y,
            mode="markers",
            name="as far as supported",
            marker={"symbol": "diamond", "size": 11, "color": "#7B3FA0", "line": {"width": 1, "color": HALO}},
            hovertemplate="as far as supported %{x:.1f} %<extra></extra>",
        ),
        row=1,
        col=3,
    )


def ranked_options(table: pd.DataFrame, *, supported: bool = False) -> go.Figure:
    """Screened combinations in order: Q, what followed them in the record, how likely experts choose them.

    table: name, q, reward, low, high (mean recorded reward with its interval; NaN where there is none), count,
    probability and chance (shares, of the experts and of the policy as far as the records support it), group (number),
    given (bool). supported: rows are sorted by chance, which is drawn; else by group, with lines between groups.
    """
    last = "experts → supported (%)" if supported else "experts' share (%)"
    titles = ["Q (rewards to come)", "recorded reward, 95 % CI", last]
    fig = Draft(
        rows=1,
        cols=3,
        shared_yaxes=True,
        column_widths=[0.34, 0.36, 0.3],
        horizontal_spacing=0.03,
        subplot_titles=titles,
    )
    y, color = np.arange(len(table)), "#7B3FA0"
    fig.add_trace(
        scatter(
            x=table["q"],
            y=y,
            mode="markers",
            name="Q",
            marker={"size": 11, "color": color, "symbol": ["star" if given else "circle" for given in table["given"]]},
            customdata=table["group"],
            hovertemplate="Q %{x:.3f}, group %{customdata}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    _recorded_rewards(fig, table, y)
    fig.add_trace(
        bar(
            x=100 * table["probability"],
            y=y,
            orientation="h",
            name="experts",
            marker={"color": "#6F7782"},
            text=None if supported else [f"{100 * p:.1f}" for p in table["probability"]],  # diamonds would lie on it
            textposition="outside",
            cliponaxis=False,
            hovertemplate="experts %{x:.1f} %<extra></extra>",
        ),
        row=1,
        col=3,
    )
    if supported:
        _chances(fig, table, y)
    for border in () if supported else np.flatnonzero(np.diff(table["group"].to_numpy())) + 0.5:
        fig.add_hline(y=border, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    apply_theme(fig, height=38 * len(table) + 84, legend=False)
    names = [_wrapped(f"{'★ ' if r.given else ''}{r.name}") for r in table.itertuples(index=False)]
    fig.update_yaxes(tickvals=y.tolist(), ticktext=names, range=[len(table) - 0.4, -0.6], showgrid=False)
    widest = table[["probability", "chance"] if supported else ["probability"]].to_numpy(dtype=float).max()
    fig.update_xaxes(range=[0, (165 if supported else 124) * widest], row=1, col=3)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 30, "b": 30}, bargap=0.45)
    fig.update_annotations(font_size=13)
    return fig.figure()


def _recorded_rewards(fig: Draft, table: pd.DataFrame, y: np.ndarray) -> None:
    """Mean recorded reward of each combination with its interval; hollow without one; the count beside it."""
    reward, low, high = (table[c].to_numpy(dtype=float) for c in ("reward", "low", "high"))
    known = np.isfinite(low) & np.isfinite(high)
    color = "#E69F00"
    fig.add_trace(
        scatter(
            x=reward,
            y=y,
            mode="markers+text",
            name="recorded reward",
            error_x={
                "array": np.where(known, high - reward, 0),
                "arrayminus": np.where(known, reward - low, 0),
                "thickness": 1.6,
                "width": 4,
                "color": color,
            },
            marker={"size": 9, "color": color, "symbol": ["circle" if some else "circle-open" for some in known]},
            text=[f"n = {n:,}" for n in table["count"]],
            textposition="top center",
            textfont={"size": 10, "color": NEUTRAL},
            hovertemplate="mean reward after it %{x:.3f}<extra></extra>",
        ),
        row=1,
        col=2,
    )


def _wrapped(text: str, width: int = 34) -> str:
    """At most two lines, so that a row holds them."""
    return "<br>".join(textwrap.wrap(text, width, max_lines=2, placeholder=" ..."))
