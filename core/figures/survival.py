"""Survival against expected return: what a value means for patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.theme import INK, NEUTRAL, Style, apply_theme, policy_style, two_lines, with_alpha


def survival_by_value(
    curve: pd.DataFrame, marks: Mapping[str, tuple[float, float]] | None = None, names: Sequence[str] = ()
) -> go.Figure:
    """Survival against expected return: monotone fit with 95 % band, recorded patients in bins, policies on the curve.

    curve: value, observed, n, fitted, low, high (one row a bin); marks: policy -> (value, survival 0..1);
    names: of the phenotypes.
    """
    fig = Draft()
    x = curve["value"].to_numpy(dtype=float)
    low, high = (100 * curve[c].to_numpy(dtype=float) for c in ("low", "high"))
    n = curve["n"].to_numpy(dtype=float)
    if np.isfinite(low).all():
        fig.add_trace(
            scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                mode="none",
                fillcolor=with_alpha(NEUTRAL, 0.25),
                line={"width": 0},
                hoverinfo="skip",
                name="95 % band",
            )
        )
    line = {"color": INK, "width": 2}
    fig.add_trace(scatter(x=x, y=100 * curve["fitted"], mode="lines", line=line, name="monotone fit"))
    fig.add_trace(
        scatter(
            x=x,
            y=100 * curve["observed"],
            mode="markers",
            name="patients as treated",
            marker={
                "color": "#6F7782",
                "size": 5 + 12 * np.sqrt(n / max(float(n.max(initial=1.0)), 1.0)),
                "opacity": 0.8,
            },
            customdata=n,
            hovertemplate="return %{x:.2f}: %{y:.1f} % survived (%{customdata:,.0f} patients)<extra></extra>",
        )
    )
    for i, (policy, (value, rate)) in enumerate((marks or {}).items()):
        # near the top edge a name above would be cut off
        _mark_policy(fig, policy_style(policy, names), value, 100 * rate, above=i % 2 == 1 and rate < 0.94)
    apply_theme(fig, x="expected return of the stay", y="survived (%)", height=420, legend=False)
    fig.update_yaxes(range=[-2, 108])
    return fig.figure()


def _mark_policy(fig: Draft, style: Style, value: float, percent: float, *, above: bool) -> None:
    """A policy's place on the survival curve, named beside it."""
    fig.add_trace(
        scatter(
            x=[value],
            y=[percent],
            mode="markers",
            marker={"symbol": style.symbol, "size": 13, "color": style.color, "line": {"width": 1, "color": INK}},
            name=style.name,
            hovertemplate=f"{style.name}: return %{{x:.2f}}, %{{y:.1f}} % expected to survive<extra></extra>",
        )
    )
    fig.add_annotation(
        x=value,
        y=percent,
        text=f"{two_lines(style.name)} {percent:.0f} %",
        font={"color": style.color},
        ax=-70 if above else 70,
        ay=-46 if above else 46,
        arrowwidth=1,
        arrowcolor=style.color,
        standoff=6,
    )
