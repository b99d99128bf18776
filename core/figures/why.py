"""Picture of what moves a dose's value: a bar for each column, from what similar patients have to what was recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, bar
from core.figures.theme import ACCENT, INK, NEUTRAL, WARNING, apply_theme


def moved_bars(table: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """How far each column moves the value of a dose, with the middle 80 % over similar patients.

    table: value, similar, patients, moved, low, high, one row a bar from top to bottom; names: what stands beside it.
    """
    moved, places = table["moved"].to_numpy(float), np.arange(len(table))
    fig = Draft()
    for name, side, color in (("speaks for it", moved >= 0, WARNING), ("speaks against it", moved < 0, ACCENT)):
        part = table[side]
        fig.add_trace(
            bar(
                x=part["moved"],
                y=places[side],
                orientation="h",
                name=name,
                marker={"color": color},
                error_x={
                    "array": part["high"] - part["moved"],
                    "arrayminus": part["moved"] - part["low"],
                    "color": INK,
                    "thickness": 1.2,
                    "width": 3,
                },
                customdata=part[["low", "high", "patients"]].to_numpy(float),
                hovertemplate="%{x:+.2f}, middle 80 % %{customdata[0]:+.2f} to %{customdata[1]:+.2f} over "
                "%{customdata[2]:.0f} patients<extra></extra>",
            )
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    title = "← against it | for it →<br>change of its advantage (reward)"
    apply_theme(fig, x=title, height=38 * len(table) + 90, legend=False)
    fig.update_yaxes(tickvals=places, ticktext=list(names), tickfont={"size": 12}, range=[len(table) - 0.5, -0.5])
    fig.update_layout(barmode="overlay", margin={"l": 8, "r": 16, "t": 24, "b": 60})
    return fig.figure()
