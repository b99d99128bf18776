"""Picture of mortality against dose excess: recommended minus given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.theme import NEUTRAL, apply_theme, policy_style, with_alpha


def mortality_by_dose(
    tables: Mapping[str, pd.DataFrame], *, unit: str, died: str = "died", names: Sequence[str] = ()
) -> go.Figure:
    """Mortality of patients by the mean dose that a policy would have given beyond what they got, 95 % bands.

    tables: policy -> excess, mortality, low, high (0..1), n, one row a bin in order of excess. names: of the
    phenotypes.
    """
    fig = Draft()
    for policy, table in tables.items():
        style, x = policy_style(policy, names), table["excess"].to_numpy(dtype=float)
        low, high = (100 * table[c].to_numpy(dtype=float) for c in ("low", "high"))
        fig.add_trace(
            scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                mode="none",
                fillcolor=with_alpha(style.color, 0.14),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                name=f"{style.name} 95 %",
            )
        )
        fig.add_trace(
            scatter(
                x=x,
                y=100 * table["mortality"],
                mode="lines+markers",
                name=style.name,
                line={"color": style.color, "dash": style.dash},
                marker={"symbol": style.symbol, "size": 8},
                customdata=np.stack([table["n"].to_numpy(dtype=float), low, high], axis=1),
                hovertemplate=f"{style.name}: %{{y:.1f}} % [%{{customdata[1]:.1f}}, %{{customdata[2]:.1f}}] {died} at "
                "%{x:,.0f} (%{customdata[0]:,.0f} patients)<extra></extra>",
            )
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    x_title = f"recommended minus given, mean over the stay ({unit})"
    apply_theme(fig, x=x_title, y=f"{died} (%)", height=420, legend=len(tables) > 1)
    fig.update_yaxes(rangemode="tozero")
    fig.update_layout(
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom"}, margin={"l": 56, "r": 16, "t": 40, "b": 48}
    )
    return fig.figure()
