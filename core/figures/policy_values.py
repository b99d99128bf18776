"""Pictures of what policies are worth: values with their support, and what supports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, scatter
from core.figures.labels import end_labels
from core.figures.theme import (
    ACCENT,
    ESTIMATOR_COLORS,
    INK,
    NEUTRAL,
    UNSUPPORTED,
    apply_theme,
    policy_style,
    two_lines,
)

ESTIMATOR_SYMBOLS = {"phwis": "circle", "phwdr": "diamond"}
HOLLOW = ("weak", "not supported")


def estimator_color(name: str) -> str:
    """Color of an off-policy estimator, by the name's beginning (phwis, phwdr...)."""
    return next((c for key, c in ESTIMATOR_COLORS.items() if name.lower().startswith(key)), NEUTRAL)


def estimator_symbol(name: str) -> str:
    """Marker of an off-policy estimator."""
    return next((s for key, s in ESTIMATOR_SYMBOLS.items() if name.lower().startswith(key)), "square")


def support_symbol(estimator: str, support: str) -> str:
    """Filled where supported (or where no weights are used), hollow where weak or not supported."""
    return estimator_symbol(estimator) + ("-open" if support in HOLLOW else "")


def support_color(estimator: str, support: str) -> str:
    """The estimator's color; gray where the records do not support the value."""
    return UNSUPPORTED if support == "not supported" else estimator_color(estimator)


def policy_forest(
    table: pd.DataFrame,
    *,
    truth: bool,
    published: pd.DataFrame | None = None,
    height_each: int = 44,
    names: Sequence[str] = (),
) -> go.Figure:
    """Every policy's value with its interval under each estimator; hollow where weak, gray where not supported.

    table: policy, estimator, value, low, high, ess, n, support ("" without weights), true_value. published: policy,
    estimator, value (open squares). names: of the phenotypes.
    """
    policies = list(dict.fromkeys(table["policy"]))
    estimators = list(dict.fromkeys(table["estimator"]))
    offsets = np.linspace(-0.17, 0.17, len(estimators)) if len(estimators) > 1 else [0.0]
    fig = Draft()
    for estimator, offset in zip(estimators, offsets, strict=True):
        part = table[table["estimator"] == estimator]
        for support, rows in part.groupby("support", sort=False):
            fig.add_trace(_forest_trace(rows, policies, estimator, float(offset), str(support)))
        fig.add_trace(_legend_entry(estimator.upper(), estimator_symbol(estimator), estimator_color(estimator)))
    for support, color in (("weak", INK), ("not supported", UNSUPPORTED)):
        if (table["support"] == support).any():
            fig.add_trace(_legend_entry(support, "circle-open", color))
    if truth and table["true_value"].notna().any():
        known = table.drop_duplicates("policy").dropna(subset=["true_value"])
        fig.add_trace(
            scatter(
                x=known["true_value"],
                y=[policies.index(p) for p in known["policy"]],
                mode="markers",
                name="true value (simulated)",
                marker={"symbol": "line-ns", "size": 22, "line": {"width": 3, "color": INK}},
                hovertemplate="true value %{x:.2f}<extra></extra>",
            )
        )
    if published is not None and len(published):
        fig.add_trace(
            scatter(
                x=published["value"],
                y=[policies.index(p) for p in published["policy"]],
                mode="markers",
                name="published",
                marker={"symbol": "square-open", "size": 10, "color": NEUTRAL},
            )
        )
    apply_theme(fig, x="expected discounted return", height=height_each * len(policies) + 110, legend=True)
    fig.update_yaxes(
        tickvals=list(range(len(policies))),
        ticktext=[two_lines(policy_style(p, names).name) for p in policies],
        range=[len(policies) - 0.5, -0.5],
    )
    fig.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"l": 8, "r": 16, "t": 40, "b": 44}
    )
    return fig.figure()


def _legend_entry(name: str, symbol: str, color: str) -> Props:
    """An entry of the legend without points."""
    return scatter(x=[None], y=[None], mode="markers", name=name, marker={"symbol": symbol, "size": 10, "color": color})


def _forest_trace(rows: pd.DataFrame, policies: list[str], estimator: str, offset: float, support: str) -> Props:
    color = support_color(estimator, support)
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    note = f", {support}" if support in HOLLOW else ""
    basis = f"<br>ESS %{{customdata[2]:.1f}} of %{{customdata[3]:,.0f}}{note}" if support else "<br>no interval, no ESS"
    return scatter(
        x=value,
        y=[policies.index(p) + offset for p in rows["policy"]],
        mode="markers",
        name=estimator.upper() + note,
        showlegend=False,
        marker={
            "symbol": support_symbol(estimator, support),
            "size": 10,
            "color": color,
            "line": {"width": 2, "color": color},
        },
        error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.6, "width": 4, "color": color},
        customdata=np.stack([low, high, rows["ess"].to_numpy(dtype=float), rows["n"].to_numpy(dtype=float)], axis=1),
        hovertemplate=f"{estimator.upper()} %{{x:.2f}} "
        + ("[%{customdata[0]:.2f}, %{customdata[1]:.2f}]" if support else "")
        + f"{basis}<extra></extra>",
    )


def support_curves(
    floors: np.ndarray,
    shares: Mapping[str, np.ndarray],
    marked: float,
    names: Sequence[str] = (),
    what: str = "dose",
) -> go.Figure:
    """Share of each policy's recommendations that clinicians give with probability below a floor, by floor (0..1).

    names: of the phenotypes, at the pointer; the end of a line has room for the number alone; what: an action is
    called.
    """
    fig, ends = Draft(), []
    for policy, share in shares.items():
        style, name = policy_style(policy), policy_style(policy, names).name
        fig.add_trace(
            scatter(
                x=100 * floors,
                y=100 * share,
                mode="lines",
                line={"color": style.color, "dash": style.dash, "width": 2},
                name=name,
                hovertemplate=name + ": %{y:.1f} % below %{x:.1f} %<extra></extra>",
            )
        )
        ends.append((style.name, 100 * float(share[-1]), style.color))
    end_labels(fig, 100 * float(floors[-1]), ends, 6.5, within=(0, 100), leaders=True)
    fig.add_vline(x=100 * marked, line={"color": INK, "dash": "dash", "width": 1})
    fig.add_annotation(
        x=100 * marked,
        y=1.0,
        yref="paper",
        yanchor="bottom",
        text=f"floor {100 * marked:g} %",
        showarrow=False,
        font={"size": 12, "color": INK},
    )
    apply_theme(
        fig,
        x=f"clinicians' probability of the recommended {what} (%)",
        y="recommendations below it (%)",
        height=380,
        legend=False,
    )
    fig.update_xaxes(range=[0, 100 * float(floors[-1])])
    fig.update_yaxes(range=[-4, 106])
    fig.update_layout(margin={"l": 56, "r": 124, "t": 28, "b": 48})
    return fig.figure()


def calibration_plot(table: pd.DataFrame, what: str = "dose") -> go.Figure:
    """Calibration of the clinician policy: how often a dose was given where the policy gave it this probability.

    table: predicted, observed, low, high (0..1) and n, one row a bin; what: an action is called.
    """
    fig = Draft()
    fig.add_trace(
        scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": NEUTRAL, "dash": "dot"},
            name="perfect",
            hoverinfo="skip",
        )
    )
    observed = 100 * table["observed"].to_numpy(dtype=float)
    low, high = 100 * table["low"].to_numpy(dtype=float), 100 * table["high"].to_numpy(dtype=float)
    n = table["n"].to_numpy(dtype=float)
    fig.add_trace(
        scatter(
            x=100 * table["predicted"],
            y=observed,
            mode="markers",
            error_y={"array": high - observed, "arrayminus": observed - low, "thickness": 1.3, "width": 3},
            marker={"size": 6 + 10 * np.sqrt(n / max(float(n.max()), 1.0)) if len(n) else 8, "color": ACCENT},
            customdata=n,
            name="probability bins",
            hovertemplate="predicted %{x:.1f} %, given %{y:.1f} % (%{customdata:,.0f} cases)<extra></extra>",
        )
    )
    fig.add_annotation(x=72, y=78, text="perfect calibration", textangle=-38, showarrow=False, font={"color": NEUTRAL})
    apply_theme(
        fig, x=f"predicted probability of a {what} (%)", y="how often it was given (%)", height=340, legend=False
    )
    fig.update_xaxes(range=[-3, 103])
    fig.update_yaxes(range=[-3, 103])
    return fig.figure()
