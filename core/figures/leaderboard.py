"""A picture of a leaderboard: what an estimator said of each policy against what it is truly worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.differences import GRADES
from core.figures.draft import Draft, Props, scatter
from core.figures.theme import NEUTRAL, apply_theme


def estimates_against_truth(table: pd.DataFrame, estimator: str) -> go.Figure:
    """Each policy's estimate with its interval over its true value; on the diagonal they are the same.

    table: world, policy, true_value, value, low, high (NaN: no interval), ess, grade. The axis holds all estimates;
    intervals may leave it, as those of policies that hardly any stay follows are endlessly wide.
    """
    fig = Draft()
    ends = _in_sight(table["true_value"])
    fig.add_trace(
        scatter(
            x=ends,
            y=ends,
            mode="lines",
            name="estimate = truth",
            line={"color": NEUTRAL, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    for grade in GRADES:
        if (part := table[table["grade"] == grade]).size:
            fig.add_trace(_graded(part, grade))
    apply_theme(fig, x="true value (simulated; reward of a stay)", y=f"{estimator}: estimated value", height=420)
    fig.update_xaxes(range=ends)
    fig.update_yaxes(range=_in_sight(pd.concat([table["true_value"], table["value"]])))
    return fig.figure()


def _graded(part: pd.DataFrame, grade: str) -> Props:
    """Points and intervals of one grade."""
    color, form = GRADES[grade]
    value, low, high = part["value"], part["low"], part["high"]
    told = part[["policy", "world", "low", "high", "ess"]].to_numpy(dtype=object)
    known = bool(low.notna().any())
    return scatter(
        x=part["true_value"],
        y=value,
        mode="markers",
        name=grade,
        marker={"symbol": f"circle{form}", "size": 9, "color": color, "line": {"width": 2, "color": color}},
        error_y={"array": high - value, "arrayminus": value - low, "thickness": 1.2, "width": 3, "visible": known},
        customdata=told,
        hovertemplate="%{customdata[0]}, world %{customdata[1]}<br>estimate %{y:.2f}"
        + (" [%{customdata[2]:.2f}, %{customdata[3]:.2f}]" if known else ", no interval")
        + f", truth %{{x:.2f}}<br>ESS %{{customdata[4]:.0f}}, {grade}<extra></extra>",
    )


def _in_sight(values: pd.Series) -> list[float]:
    """A range that holds these values, with room at its ends."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = 0.08 * max(high - low, 1e-6)
    return [low - pad, high + pad]
