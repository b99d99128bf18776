"""Figures of a cohort: attrition, missing values, outcomes, patients in the record, doses given."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar, heatmap, scatter
from core.figures.theme import (
    ACCENT,
    NEUTRAL,
    SEQUENTIAL,
    WARNING,
    action_colors,
    apply_theme,
    fmt_count,
    hour_ticks,
    with_alpha,
)

ROW = 68  # pixels of a row of the flow chart
BOX = 0.82  # height of a box, in rows
LEFT, RIGHT = (0.0, 0.32), (0.97, 0.52)  # center and half width of the boxes of those who remain and who do not
WRAP = 44  # characters a line in a box
Looks = Mapping[str, tuple[str, str]]  # group -> (color, marker)


def attrition_flow(table: pd.DataFrame) -> go.Figure:
    """Flow chart: who remains (left, downwards) and who was excluded for which reason (right).

    table: reason, patients, rows (removed), patients_left, rows_left; the first row is the source. Reasons that left
    nobody out are not drawn.
    """
    fig = Draft()
    first = table.iloc[0]
    removed = table.iloc[1:]
    table = pd.concat([table.iloc[:1], removed[(removed["patients"] > 0) | (removed["rows"] > 0)]])
    _box(fig, LEFT, 0, f"<b>{_wrap(_sentence(str(first['reason'])))}</b><br>{_count(first, left=True)}", ACCENT)
    row = 1
    for i in range(1, len(table)):
        item, last = table.iloc[i], i == len(table) - 1
        _arrow(fig, 0.0, row - 1 + BOX / 2, 0.0, row + 1 - BOX / 2)
        _arrow(fig, 0.0, row, RIGHT[0] - RIGHT[1], row)
        _box(fig, RIGHT, row, f"{_wrap('excluded: ' + str(item['reason']))}<br>{_count(item, left=False)}", NEUTRAL)
        text = "<b>Cohort</b><br>" if last else ""
        _box(fig, LEFT, row + 1, f"{text}{_count(item, left=True)}", ACCENT)
        row += 2
    # Shapes alone do not make axes appear; two invisible points do.
    fig.add_trace(scatter(x=[0.0, 1.1], y=[0, row - 1], mode="markers", marker={"opacity": 0}, hoverinfo="skip"))
    fig.update_xaxes(visible=False, range=[-0.34, 1.51], fixedrange=True)
    fig.update_yaxes(visible=False, range=[row - 0.5, -0.5], fixedrange=True)
    return apply_theme(fig, height=40 + ROW * row, legend=False).figure()


def _box(fig: Draft, place: tuple[float, float], y: float, text: str, color: str) -> None:
    x, half = place
    fig.add_shape(
        type="rect",
        x0=x - half,
        x1=x + half,
        y0=y - BOX / 2,
        y1=y + BOX / 2,
        line={"color": color, "width": 1.5},
        fillcolor=with_alpha(color, 0.08),
    )
    fig.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": 12})


def _wrap(text: str) -> str:
    """At most two lines, so that the box holds them."""
    return "<br>".join(textwrap.wrap(text, WRAP, max_lines=2, placeholder=" ..."))


def _arrow(fig: Draft, x0: float, y0: float, x1: float, y1: float) -> None:
    fig.add_annotation(
        x=x1, y=y1, ax=x0, ay=y0, xref="x", yref="y", axref="x", ayref="y", text="",
        showarrow=True, arrowhead=2, arrowsize=1, arrowwidth=1.3, arrowcolor=NEUTRAL,
    )  # fmt: skip


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(item: pd.Series, *, left: bool) -> str:
    end = "_left" if left else ""
    return f"{fmt_count(item[f'patients{end}'])} stays, {fmt_count(item[f'rows{end}'])} steps"


def missing_heatmap(table: pd.DataFrame, hours: np.ndarray) -> go.Figure:
    """Percentage of values that were not recorded, by column (down) and hour (across)."""
    fig = Draft()
    fig.add_trace(
        heatmap(
            x=hours,
            y=table.index,
            z=table.to_numpy(),
            zmin=0,
            zmax=100,
            colorscale=SEQUENTIAL,
            colorbar={"title": {"text": "Not recorded (%)", "side": "right"}, "thickness": 12},
            hovertemplate="%{y} at %{x:g} h: %{z:.0f} % not recorded<extra></extra>",
            hoverongaps=False,
        )
    )
    fig.update_yaxes(autorange="reversed", dtick=1, tickfont={"size": 10})
    return apply_theme(hour_ticks(fig, hours), "", "Hours from onset", "", height=90 + 15 * len(table)).figure()


def mortality_bars(table: pd.DataFrame, looks: Looks, *, died: str) -> go.Figure:
    """Mortality by group with 95 % interval; the dashed line is all patients.

    table: group, patients, deaths, mortality, mortality_low, mortality_high.
    """
    fig = Draft()
    for _, row in table.iterrows():
        color, symbol = looks.get(str(row["group"]), (NEUTRAL, "circle"))
        fig.add_trace(
            scatter(
                x=[row["mortality"]],
                y=[row["group"]],
                mode="markers",
                marker={"color": color, "symbol": symbol, "size": 12},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [row["mortality_high"] - row["mortality"]],
                    "arrayminus": [row["mortality"] - row["mortality_low"]],
                    "color": color,
                    "thickness": 2,
                },
                customdata=[[row["deaths"], row["patients"]]],
                hovertemplate="%{y}: %{x:.1%} (%{customdata[0]:,} of %{customdata[1]:,})<extra></extra>",
                showlegend=False,
            )
        )
    fig.add_vline(x=float(table["mortality"].iloc[0]), line={"color": NEUTRAL, "dash": "dash", "width": 1})
    fig.update_xaxes(tickformat=".0%", rangemode="tozero")
    fig.update_yaxes(categoryorder="array", categoryarray=list(table["group"])[::-1])
    return apply_theme(fig, "", f"Share {died} (95 % interval)", "", height=110 + 38 * len(table)).figure()


def in_record(table: pd.DataFrame, looks: Looks) -> go.Figure:
    """Share of each group in the record by hour; table: group, hours, n, share."""
    fig = Draft()
    for group, part in table.groupby("group", sort=False):
        color, symbol = looks.get(str(group), (NEUTRAL, "circle"))
        fig.add_trace(
            scatter(
                x=part["hours"],
                y=part["share"],
                name=str(group),
                mode="lines+markers",
                line={"color": color, "shape": "hv", "width": 2},
                marker={"symbol": symbol, "size": 6},
                customdata=part["n"],
                hovertemplate="%{x:g} h: %{y:.1%} (n = %{customdata:,})<extra>" + str(group) + "</extra>",
            )
        )
    fig.update_yaxes(tickformat=".0%", rangemode="tozero")
    return apply_theme(
        hour_ticks(fig, table["hours"].to_numpy()), "", "Hours from onset", "In the record", height=330
    ).figure()


def dose_shares(table: pd.DataFrame, groups: Sequence[str], what: str, *, ordered: bool = True) -> go.Figure:
    """How often each action was given, stacked by group; table: group, action, dose, n, share; what: the actions are,
    such as "dose (U)"; ordered: each is more than the one before."""
    fig = Draft()
    colors = action_colors(int(table["action"].max()) + 1, ordered)
    for action, part in table.groupby("action", sort=True):
        part = part.set_index("group").reindex(list(groups))
        fig.add_trace(
            bar(
                y=list(groups),
                x=part["share"],
                name=str(part["dose"].iloc[0]),
                orientation="h",
                marker_color=colors[int(str(action))],
                customdata=part["n"],
                hovertemplate="%{y}: %{x:.1%} (%{customdata:,} steps)<extra>" + str(part["dose"].iloc[0]) + "</extra>",
            )
        )
    fig.update_layout(barmode="stack", legend={"traceorder": "normal"})
    fig.update_xaxes(tickformat=".0%", range=[0, 1])
    fig.update_yaxes(categoryorder="array", categoryarray=list(groups)[::-1])
    return apply_theme(fig, "", f"Share of steps by {what}", "", height=170 + 34 * len(groups)).figure()


def published_means(table: pd.DataFrame, published: Sequence[tuple[str, str]]) -> go.Figure:
    """How far this cohort's means lie from the published ones, in published standard deviations.

    table: label and, for each (key, name) of `published`, the column `key` with the difference.
    """
    fig = Draft()
    for (key, name), (color, symbol) in zip(published, ((ACCENT, "circle"), (WARNING, "diamond-open")), strict=False):
        fig.add_trace(
            scatter(
                x=table[key],
                y=table["label"],
                mode="markers",
                name=name,
                marker={"color": color, "symbol": symbol, "size": 8},
                hovertemplate="%{y}: %{x:+.2f} SD<extra>" + name + "</extra>",
            )
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    fig.update_yaxes(autorange="reversed", dtick=1, tickfont={"size": 10})
    return apply_theme(
        fig, "", "Mean here minus published mean (published SD)", "", height=120 + 16 * len(table)
    ).figure()
