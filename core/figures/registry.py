"""Pictures of a transplant registry: stages and decisions, who is still there, combinations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, bar, scatter
from core.figures.registry_looks import LIGHT, Looks
from core.figures.theme import ACCENT, GRID, INK_ON_FILL, NEUTRAL, apply_theme, axis_label, fmt_count, with_alpha

YEAR = 365


def short_stage(day: float) -> str:
    """'day 0', '100 d', '1 y'."""
    return "day 0" if day == 0 else f"{day:g} d" if day < YEAR else f"{round(day / YEAR, 1):g} y"


def stage_timeline(table: pd.DataFrame, stages: Sequence[float], end: float, looks: Looks) -> go.Figure:
    """Which decision is taken at which stage, for how many patients, on one real time axis.

    table: decision, day, patients (present), treated, combinations. stages: days of the stages. end: last day
    of the follow-up.
    """
    names = list(dict.fromkeys(table["decision"]))
    fig = Draft()
    for row, name in enumerate(names):
        part, look = table[table["decision"] == name], looks.decision(name)
        share = np.sqrt(part["treated"].to_numpy(dtype=float) / max(float(table["treated"].max()), 1.0))
        fig.add_trace(
            scatter(
                x=part["day"],
                y=[row] * len(part),
                mode="lines+markers+text",
                name=look.name,
                line={"color": with_alpha(look.color, 0.35), "width": 5},
                marker={"symbol": look.symbol, "size": 13 + 13 * share, "color": look.color, "line": {"width": 0}},
                text=[fmt_count(n) for n in part["treated"]],
                textposition="bottom right",
                textfont={"size": 12},
                customdata=part[["patients", "treated", "combinations"]].to_numpy(),
                hovertemplate=f"<b>{look.name}</b>, day %{{x}}<br>%{{customdata[1]:,}} of %{{customdata[0]:,}} present "
                "patients treated<br>%{customdata[2]:,} combinations<extra></extra>",
            )
        )
    for day in stages:
        fig.add_vline(x=day, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, layer="below")
    fig.add_vrect(x0=max(stages), x1=end, fillcolor=GRID, opacity=0.35, line_width=0, layer="below")
    fig.add_annotation(
        x=(max(stages) + end) / 2, y=-0.45, text="follow-up only", showarrow=False, font={"color": NEUTRAL, "size": 12}
    )
    apply_theme(fig, x=f"time from {looks.start}", height=92 + 58 * len(names), legend=False)
    ticks = [*stages, end]
    fig.update_xaxes(
        tickvals=ticks, ticktext=[short_stage(day) for day in ticks], range=[-0.035 * end, 1.01 * end], showgrid=False
    )
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[looks.decision(name).name for name in names],
        range=[len(names) - 0.3, -0.6],
        showgrid=False,
    )
    fig.update_layout(margin={"l": 8, "r": 12, "t": 10, "b": 44})
    return fig.figure()


def state_bars(table: pd.DataFrame, looks: Looks) -> go.Figure:
    """Where all patients are at each stage: stacked bars. table: stage (name), state, patients, share of all."""
    stages = list(dict.fromkeys(table["stage"]))
    fig = Draft()
    for state, look in looks.states.items():
        part = table[table["state"] == state].set_index("stage").reindex(stages).fillna(0)
        if not part["patients"].any():
            continue
        share = 100 * part["share"].to_numpy(dtype=float)
        fig.add_trace(
            bar(
                x=stages,
                y=share,
                name=look.name,
                marker={"color": look.color, "line": {"color": "white", "width": 1}},
                text=[f"{s:.0f} %" if s >= 4.5 else "" for s in share],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"size": 11, "color": INK_ON_FILL if look.color in LIGHT else "white"},
                customdata=part["patients"].to_numpy(),
                hovertemplate=f"%{{x}}: {look.name} %{{y:.1f}} % (%{{customdata:,}} patients)<extra></extra>",
            )
        )
    apply_theme(fig, y="share of all patients (%)", height=350, legend=True)
    fig.update_layout(barmode="stack", bargap=0.28, legend_traceorder="normal", margin={"t": 62, "b": 32, "r": 8})
    fig.update_yaxes(range=[0, 100])
    return fig.figure()


def age_histogram(
    edges: np.ndarray, counts: np.ndarray, *, label: str = "Age", unit: str = "years", adult: float | None = 18
) -> go.Figure:
    """Patients by age, or by another number: counts (B,) between edges (B + 1,); those under `adult` lighter."""
    edges = np.asarray(edges, dtype=float)
    left, right = edges[:-1], edges[1:]
    border = -np.inf if adult is None else adult
    fig = Draft()
    fig.add_trace(
        bar(
            x=(left + right) / 2,
            y=counts,
            width=right - left,
            marker={
                "color": [with_alpha(ACCENT, 0.5) if a < border else ACCENT for a in left],
                "line": {"color": "white", "width": 1},
            },
            customdata=np.stack([left, right], axis=1),
            hovertemplate=f"%{{customdata[0]:.3g}} to under %{{customdata[1]:.3g}} {unit}: %{{y:,}} patients"
            "<extra></extra>",
        )
    )
    if adult is not None and left[0] < border < right[-1]:
        fig.add_vline(x=adult, line={"color": NEUTRAL, "dash": "dash", "width": 1})
        fig.add_annotation(
            x=adult,
            y=1.0,
            yref="paper",
            yanchor="bottom",
            text=f"children ◂  ▸ {adult:g} and over",
            showarrow=False,
            font={"size": 12, "color": NEUTRAL},
        )
    apply_theme(fig, x=axis_label(label, unit), y="patients", height=330, legend=False)
    fig.update_layout(bargap=0, margin={"t": 26, "r": 8})
    return fig.figure()


def combination_tail(table: pd.DataFrame, looks: Looks) -> go.Figure:
    """How often each drug combination was chosen, most used first, on two logarithmic axes.

    table: decision, rank (1 = most used), uses.
    """
    fig, ends = Draft(), []
    for name, part in table.groupby("decision", sort=False):
        look = looks.decision(str(name))
        part = part.sort_values("rank")
        texts = [str(text) for text in part["combination"]]
        fig.add_trace(
            scatter(
                x=part["rank"],
                y=part["uses"],
                mode="lines+markers",
                name=f"{look.name} ({len(part)})",
                line={"color": look.color, "width": 2},
                marker={"symbol": look.symbol, "size": 5},
                customdata=texts,
                hovertemplate=f"{look.name}, rank %{{x}}: %{{y:,}} uses<br>%{{customdata}}<extra></extra>",
            )
        )
        ends.append(len(part))
    apply_theme(fig, x="rank of the combination", y="times chosen", height=350, legend=True)
    top, most = max(ends, default=1), float(table["uses"].max()) if len(table) else 1.0
    fig.update_xaxes(type="log", range=[-0.05, np.log10(top) + 0.08], **_decades(top))
    fig.update_yaxes(type="log", range=[-0.12, np.log10(most) + 0.15], **_decades(most))
    fig.update_layout(margin={"t": 62, "r": 8})
    return fig.figure()


def _decades(top: float) -> Props:
    """Ticks at 1, 3, 10, 30 ... up to `top`."""
    values = [float(m * 10**k) for k in range(7) for m in (1, 3) if m * 10**k <= max(top, 1)]
    return {"tickvals": values, "ticktext": [fmt_count(value) for value in values]}
