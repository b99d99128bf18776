"""Pictures of what people decided: the rates of a reader study by arm, and the doses of a class at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, scatter
from core.figures.theme import INK, WARNING, apply_theme, fmt_percent, hour_ticks, policy_style, with_alpha

CLASS = "#0072B2"


def reading_rates(table: pd.DataFrame, titles: Mapping[str, str], arms: Mapping[Any, str]) -> go.Figure:
    """Each measure in a panel, each arm in a row, with its 95 % interval and the count it rests on.

    table: measure, arm, count, n, rate, low, high (0..1), see `core.teaching.measures`; titles of its measures and
    names of its arms, in the order of drawing.
    """
    fig = Draft(rows=1, cols=len(titles), subplot_titles=list(titles.values()), shared_yaxes=True)
    # rows by number: an arm without a decision has no point, and its name would be no category to write beside
    rows = {arm: place for place, arm in enumerate(reversed(list(arms)))}
    for col, measure in enumerate(titles, start=1):
        part = table[table["measure"] == measure].set_index("arm").loc[list(arms)]
        known = part[part["n"] > 0]
        rate, low, high = (100 * known[name].to_numpy(dtype=float) for name in ("rate", "low", "high"))
        counts = known[["count", "n"]].itertuples(name="Told")
        told = [
            f"{arms[row.Index]}: {value:.0f} % ({row.count} of {row.n})"
            for row, value in zip(counts, rate, strict=True)
        ]
        fig.add_trace(
            scatter(
                x=rate,
                y=[rows[arm] for arm in known.index],
                mode="markers",
                marker={"color": CLASS, "size": 11},
                error_x={"array": high - rate, "arrayminus": rate - low, "thickness": 1.5, "width": 4},
                customdata=told,
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            ),
            row=1,
            col=col,
        )
        for arm, row in part.iterrows():
            text = f"{int(row['count'])}/{int(row['n'])}" if row["n"] else "no decision yet"
            fig.add_annotation(
                x=102, y=rows[arm], text=text, showarrow=False, xanchor="right", yshift=14, row=1, col=col
            )
    apply_theme(fig, height=58 * len(arms) + 110, legend=False)
    fig.update_annotations(font_size=12.5)
    fig.update_xaxes(title_text="decisions (%)", range=[-3, 103], dtick=25)
    names = {rows[arm]: name for arm, name in arms.items()}
    fig.update_yaxes(tickvals=list(names), ticktext=list(names.values()), range=[-0.6, len(arms) - 0.4])
    fig.update_layout(margin={"l": 8, "r": 12, "t": 40, "b": 48})
    return fig.figure()


@dataclass(frozen=True, eq=False)
class ClassDoses:
    """What happened at the s steps of a case: hours (s,), votes (s, A) of the class, given and advice (s,) dose bins,
    usual (s,) what clinicians give most often there, and own (s,) of one student, -1 where nothing was chosen."""

    hours: np.ndarray
    votes: np.ndarray
    given: np.ndarray
    usual: np.ndarray
    advice: np.ndarray
    own: np.ndarray


def class_doses(doses: ClassDoses, action_labels: Sequence[str], *, step_hours: float = 4.0) -> go.Figure:
    """Votes as bars to the right of each step, with what was given, what clinicians usually give there, what the fused
    policy weighs highest and, where there is one, the student's own choice."""
    fig = Draft()
    total = np.maximum(doses.votes.sum(axis=1, keepdims=True), 1)
    share = doses.votes / total
    for action in range(len(action_labels)):
        fig.add_trace(
            bar(
                x=0.62 * step_hours * share[:, action],
                y=np.full(len(share), float(action)),
                base=doses.hours,
                orientation="h",
                width=0.62,
                marker={"color": with_alpha(CLASS, 0.35)},
                name="class",
                showlegend=action == 0,
                customdata=np.stack([doses.votes[:, action], doses.votes.sum(axis=1)], axis=1),
                hovertemplate=f"{action_labels[action]}: %{{customdata[0]}} of %{{customdata[1]}}<extra></extra>",
            )
        )
    fused, clinicians = policy_style("fused"), policy_style("clinician")
    marks = (
        ("given", doses.given, INK, "line-ew-open", 20, 0.0),
        (clinicians.name + ", most often", doses.usual, clinicians.color, clinicians.symbol, 9, -0.1 * step_hours),
        (fused.name, doses.advice, fused.color, fused.symbol, 12, -0.2 * step_hours),
        ("you", doses.own, WARNING, "diamond-open", 15, 0.0),
    )
    for name, chosen, color, symbol, size, beside in marks:
        known = chosen >= 0
        if known.any():
            fig.add_trace(
                scatter(
                    x=doses.hours[known] + beside,
                    y=chosen[known],
                    mode="markers",
                    name=name,
                    marker={"color": color, "symbol": symbol, "size": size, "line": {"width": 2.5, "color": color}},
                    hovertemplate=f"{name}: %{{text}}<extra></extra>",
                    text=[action_labels[int(action)] for action in chosen[known]],
                )
            )
    apply_theme(fig, x="hours from onset", height=46 * len(action_labels) + 120, legend=True)
    first, last = float(doses.hours[0]), float(doses.hours[-1])
    fig.update_xaxes(range=[first - 0.6 * step_hours, last + 0.8 * step_hours])
    hour_ticks(fig, (first, last))
    places = list(range(len(action_labels)))
    fig.update_yaxes(range=[-0.6, len(action_labels) - 0.4], tickvals=places, ticktext=list(action_labels))
    fig.update_layout(barmode="overlay", margin={"l": 8, "r": 10, "t": 40, "b": 44})
    return fig.figure()


def said_rates(table: pd.DataFrame, titles: Mapping[str, str], arms: Mapping[Any, str]) -> str:
    """The same rates in a sentence."""
    told = []
    for measure, title in titles.items():
        part = {str(row["arm"]): row for _, row in table[table["measure"] == measure].iterrows()}
        told.append(f"{title}: " + ", ".join(_told(part[arm], name) for arm, name in arms.items()))
    return "; ".join(told)


def _told(row: pd.Series, name: str) -> str:
    if not row["n"]:
        return f"{name} no decision yet"
    interval = f"[{fmt_percent(row['low'], 0)}, {fmt_percent(row['high'], 0)}]"
    return f"{name} {fmt_percent(row['rate'], 0)} {interval}, {int(row['count'])} of {int(row['n'])}"
