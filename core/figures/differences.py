"""Pictures of differences to those who treated: how much better or worse policies are held to be, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.base.statistics import Z95
from core.figures.draft import Draft, Props, scatter
from core.figures.theme import ACCENT, INK, NEUTRAL, REFERENCE_BAND, UNSUPPORTED, apply_theme, policy_style, with_alpha

GRADES = {"supported": (ACCENT, ""), "weak": (ACCENT, "-open"), "not supported": (UNSUPPORTED, "-open")}
IN_REWARD = "value minus the clinicians' (reward of a stay)"


def in_spreads(who: str, records: str) -> str:
    """Title of an axis of differences to those who treated, in SDs of what the records return."""
    return f"value minus the {who}' (SDs of the {records}' returns)"


IN_SPREADS = in_spreads("clinicians", "stays")
IN_SURVIVAL = "survival minus the clinicians' (points of a hundred)"


def difference_forest(
    table: pd.DataFrame, names: Mapping[str, str] | None = None, *, height_each: int = 34, x: str = IN_REWARD
) -> go.Figure:
    """Each policy's difference to the clinicians with its interval, around 0; hollow: weak, gray: not supported.

    table: policy, difference, difference_low, difference_high, ess, n, grade, true_difference (NaN: not known); one
    row a policy, from top to bottom. names: how rows are called otherwise than by `policy_style`; x: title of the axis.
    """
    places = {policy: place for place, policy in enumerate(table["policy"])}
    fig = Draft()
    for grade in GRADES:
        if (part := table[table["grade"] == grade]).size:
            fig.add_trace(_graded(part, places, grade))
    if (known := table.dropna(subset=["true_difference"])).size:
        fig.add_trace(
            scatter(
                x=known["true_difference"],
                y=[places[policy] for policy in known["policy"]],
                mode="markers",
                name="true difference (simulated)",
                marker={"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": INK}},
                hovertemplate="true difference %{x:+.2f}<extra></extra>",
            )
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    apply_theme(fig, x=x, height=height_each * len(places) + 104)
    fig.update_yaxes(
        tickvals=list(places.values()),
        ticktext=[(names or {}).get(str(policy)) or policy_style(str(policy)).name for policy in places],
        range=[len(places) - 0.5, -0.5],
    )
    fig.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"l": 8, "r": 16, "t": 36, "b": 44}
    )
    return fig.figure()


def survival_forest(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> go.Figure:
    """`difference_forest` of survival in points of a hundred, from the shares that the table holds as
    survival_difference and true_survival_difference; policies whose survival was not judged are left out.
    names: as there."""
    known = table.dropna(subset=["survival_difference"])
    points = {
        f"{name}difference{part}": 100 * known[f"{name}survival_difference{part}"]
        for name, part in (("", ""), ("", "_low"), ("", "_high"), ("true_", ""))
    }
    return difference_forest(known.assign(**points), names, x=IN_SURVIVAL)


def _graded(part: pd.DataFrame, places: dict[str, int], grade: str) -> Props:
    """Points and intervals of one grade."""
    color, form = GRADES[grade]
    value, low, high = part["difference"], part["difference_low"], part["difference_high"]
    return scatter(
        x=value,
        y=[places[policy] for policy in part["policy"]],
        mode="markers",
        name=grade,
        marker={"symbol": f"circle{form}", "size": 10, "color": color, "line": {"width": 2, "color": color}},
        error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.6, "width": 4, "color": color},
        customdata=part[["difference_low", "difference_high", "ess", "n"]].to_numpy(dtype=float),
        hovertemplate="%{x:+.2f} [%{customdata[0]:+.2f}, %{customdata[1]:+.2f}]<br>"
        f"ESS %{{customdata[2]:.1f}} of %{{customdata[3]:,.0f}} stays, {grade}<extra></extra>",
    )


def difference_axis(
    table: pd.DataFrame,
    place: Mapping[float, float],
    ticks: Mapping[float, str],
    current: float,
    *,
    axis: str,
    who: str = "clinicians",
    truth: pd.DataFrame | None = None,
    furthest: float | None = None,
    notes: Sequence[str] | None = None,
) -> go.Figure:
    """The difference to those who treated along an axis of policies with its interval, around 0.

    table: setting, difference, difference_low, difference_high, ess, n, grade, in the order of the axis; place: where
    each setting sits on it; ticks: text of some settings; truth: setting, true_difference, true_difference_se;
    furthest: the trust frontier, up to which the axis is shaded as in `frontier_axis`; notes: a last line of what
    stands at each point.
    """
    x = [place[setting] for setting in table["setting"]]
    fig = Draft()
    fig.add_trace(_band(table, x))
    fig.add_trace(_line(table, x, notes))
    if truth is not None and len(truth):
        fig.add_trace(_true_points(truth, place))
    fig.add_hline(y=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    if furthest is not None:
        fig.add_vrect(x0=x[0], x1=place[furthest], fillcolor=REFERENCE_BAND, line_width=0, layer="below")
    fig.add_vline(x=place[current], line={"color": INK, "width": 1.5})
    apply_theme(fig, x=axis, y=f"minus {who}", height=300, legend=False)
    margin = 0.02 * max(x[-1], 1e-6)
    fig.update_xaxes(
        tickvals=[place[v] for v in ticks], ticktext=list(ticks.values()), range=[x[0] - margin, x[-1] + margin]
    )
    fig.update_yaxes(range=_in_sight(table, truth))
    fig.update_layout(margin={"l": 56, "r": 118, "t": 12, "b": 48})  # as wide as the values below it
    return fig.figure()


def _band(table: pd.DataFrame, x: Sequence[float]) -> Props:
    """The intervals, as a band along the axis."""
    return scatter(
        x=[*x, *x[::-1]],
        y=[*table["difference_high"], *table["difference_low"][::-1]],
        fill="toself",
        mode="none",
        fillcolor=with_alpha(ACCENT, 0.15),
        line={"width": 0},
        hoverinfo="skip",
        name="95 %",
    )


def _line(table: pd.DataFrame, x: Sequence[float], notes: Sequence[str] | None) -> Props:
    """The differences, each point by its grade; notes: a last line of what stands at it."""
    grades = table["grade"]
    return scatter(
        x=x,
        y=table["difference"],
        mode="lines+markers",
        name="difference by the mix",
        line={"color": ACCENT},
        marker={
            "symbol": [f"circle{GRADES[grade][1]}" for grade in grades],
            "size": 8,
            "color": [GRADES[grade][0] for grade in grades],
        },
        customdata=table[["difference_low", "difference_high", "ess", "n"]].to_numpy(dtype=float),
        text=grades if notes is None else [f"{g}<br>{n}" for g, n in zip(grades, notes, strict=True)],
        hovertemplate="%{y:+.2f} [%{customdata[0]:+.2f}, %{customdata[1]:+.2f}]<br>"
        "ESS %{customdata[2]:.1f} of %{customdata[3]:,.0f}, %{text}<extra></extra>",
    )


def _true_points(truth: pd.DataFrame, place: Mapping[float, float]) -> Props:
    """True differences with 1.96 standard errors, as black bars."""
    return scatter(
        x=[place[setting] for setting in truth["setting"]],
        y=truth["true_difference"],
        mode="markers",
        error_y={"array": Z95 * truth["true_difference_se"], "thickness": 1.5, "width": 5, "color": INK},
        marker={"symbol": "line-ew", "size": 16, "line": {"width": 3, "color": INK}},
        name="true difference (simulated)",
        hovertemplate="true difference %{y:+.2f}<extra></extra>",
    )


def _in_sight(table: pd.DataFrame, truth: pd.DataFrame | None) -> list[float]:
    """Range of the differences, of their truths with the bars, and of the intervals of those that are supported: others
    may be endlessly wide."""
    told = table[table["grade"] == "supported"]
    parts = [table["difference"], told["difference_low"], told["difference_high"]]
    if truth is not None:
        bar = Z95 * truth["true_difference_se"]
        parts += [truth["true_difference"] - bar, truth["true_difference"] + bar]
    numbers = np.concatenate([np.zeros(1), *(np.asarray(part, dtype=float) for part in parts)])
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    pad = 0.25 * max(high - low, 1e-6)
    return [low - pad, high + pad]
