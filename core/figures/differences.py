"""Picture of differences to the clinicians: how much better or worse each policy is held to be, and how surely."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, scatter
from core.figures.theme import ACCENT, INK, NEUTRAL, UNSUPPORTED, apply_theme, policy_style

GRADES = {"supported": (ACCENT, ""), "weak": (ACCENT, "-open"), "not supported": (UNSUPPORTED, "-open")}
IN_REWARD = "value minus the clinicians' (reward of a stay)"
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
