"""Figures of the encoder: loss curves, reconstruction of one patient, attention over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.base.text import markup
from core.figures.draft import Draft, bar, heatmap, scatter
from core.figures.theme import (
    ACCENT,
    NEUTRAL,
    REFERENCE_BAND,
    WARNING,
    apply_theme,
    axis_label,
    hour_ticks,
    message_figure,
)
from core.study import StudySpec


def loss_curves(history: pd.DataFrame, *, run: str = "", height: int = 280) -> go.Figure:
    """Training and validation loss by epoch; the kept epoch (lowest validation loss) is marked. run: its name."""
    if history.empty:
        return message_figure("Waiting for the first epoch.", height=height)
    fig = Draft()
    for column, name, color, dash, symbol in (
        ("train_loss", "training", NEUTRAL, "dash", "circle"),
        ("valid_loss", "validation", ACCENT, "solid", "diamond"),
    ):
        fig.add_trace(
            scatter(
                x=history["epoch"],
                y=history[column],
                name=name,
                mode="lines+markers" if len(history) < 40 else "lines",
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 6},
                hovertemplate="epoch %{x}: %{y:.4f}<extra>" + name + "</extra>",
            )
        )
    losses = history["valid_loss"].to_numpy(float)
    if np.isfinite(losses).any():
        best = int(np.nanargmin(losses))
        fig.add_trace(
            scatter(
                x=[history["epoch"].iloc[best]],
                y=[losses[best]],
                name=f"kept: epoch {history['epoch'].iloc[best]:g}",
                mode="markers",
                marker={"symbol": "star", "size": 14, "color": WARNING},
                hovertemplate="kept: epoch %{x}, %{y:.4f}<extra></extra>",
            )
        )
    fig.update_layout(hovermode="x unified")
    fig.update_xaxes(rangemode="tozero", dtick=max(1, round(float(history["epoch"].max()) / 10)))  # no half epochs
    title = f"Loss by epoch: {markup(run)}" if run else "Loss by epoch"
    return apply_theme(fig, title, "Epoch", "Loss (scaled units)", height=height).figure()


def reconstruction(
    study: StudySpec,
    hours: np.ndarray,
    true: np.ndarray,
    rebuilt: np.ndarray,
    columns: Sequence[str],
    *,
    n_across: int = 3,
) -> go.Figure:
    """True against reconstructed course of one patient, small multiples in physical units.

    hours (T',); true, rebuilt (T', len(columns)) in physical units.
    """
    n_down = -(-len(columns) // n_across)
    titles = [axis_label(study.column(name).label or name, study.column(name).unit) for name in columns]
    fig = Draft(
        rows=n_down,
        cols=n_across,
        subplot_titles=titles,
        shared_xaxes=True,
        vertical_spacing=min(0.09, 0.5 / max(n_down, 1)),
        horizontal_spacing=0.07,
    )
    for i, name in enumerate(columns):
        place = (i // n_across + 1, i % n_across + 1)
        _course(fig, place, hours, true[:, i], rebuilt[:, i], first=i == 0)
        band = study.column(name).reference
        if band is not None:
            fig.add_hrect(*band, fillcolor=REFERENCE_BAND, line_width=0, row=place[0], col=place[1])
    apply_theme(fig, "Recorded and reconstructed course", height=90 + 170 * n_down)
    fig.update_annotations(font_size=12)
    for col in range(1, n_across + 1):
        fig.update_xaxes(title_text="Hours from onset", row=n_down, col=col)
    hour_ticks(fig, hours, most=6)
    fig.update_layout(legend={"y": 1.0, "yanchor": "top", "yref": "container", "x": 1.0, "xanchor": "right"})
    return fig.figure()


def _course(
    fig: Draft, place: tuple[int, int], hours: np.ndarray, true: np.ndarray, rebuilt: np.ndarray, *, first: bool
) -> None:
    """One panel: both lines, which fill it however far away the healthy range is."""
    row, col = place
    for values, label, color, dash, symbol in (
        (true, "recorded", ACCENT, "solid", "circle"),
        (rebuilt, "reconstructed", WARNING, "dash", "diamond"),
    ):
        fig.add_trace(
            scatter(
                x=hours,
                y=values,
                name=label,
                legendgroup=label,
                showlegend=first,
                mode="lines+markers",
                line={"color": color, "dash": dash, "width": 1.8},
                marker={"symbol": symbol, "size": 5},
                hovertemplate="%{x:g} h: %{y:.3g}<extra>" + label + "</extra>",
            ),
            row=row,
            col=col,
        )
    both = np.concatenate([true, rebuilt])
    low, high = float(np.nanmin(both)), float(np.nanmax(both))
    room = 0.08 * (high - low) or 1.0
    fig.update_yaxes(range=[low - room, high + room], row=row, col=col)


def attention_bars(hours: np.ndarray, weights: np.ndarray, *, patient: str = "", step_hours: float = 4.0) -> go.Figure:
    """Attention of one patient's steps; hours (T',), weights (T',) that sum to 1. The even share is the dashed line."""
    fig = Draft()
    fig.add_trace(
        bar(
            x=hours,
            y=weights,
            marker_color=ACCENT,
            width=0.8 * step_hours,
            hovertemplate="%{x:g} h: %{y:.3f}<extra></extra>",
            showlegend=False,
        )
    )
    fig.add_hline(y=1 / max(len(weights), 1), line={"color": NEUTRAL, "dash": "dash"})
    fig.update_yaxes(rangemode="tozero")
    title = f"Attention of patient {markup(patient)}" if patient else "Attention"
    return apply_theme(hour_ticks(fig, hours), title, "Hours from onset", "Attention weight", height=300).figure()


def attention_heatmap(hours: np.ndarray, weights: np.ndarray, lengths: np.ndarray) -> go.Figure:
    """Mean attention by hour (across) for each length of stay (down); NaN cells are beyond the stay.

    hours (B,); weights (L, B) mean attention of the stays of each length; lengths (L,).
    """
    fig = Draft()
    fig.add_trace(
        heatmap(
            x=hours,
            y=lengths,
            z=weights,
            colorscale="Cividis",
            colorbar={"title": {"text": "Mean weight", "side": "right"}, "thickness": 12},
            hovertemplate="%{x:g} h, stays of %{y} steps: %{z:.3f}<extra></extra>",
            hoverongaps=False,
        )
    )
    title = "Where the encoder looks, by length of stay"
    return apply_theme(hour_ticks(fig, hours), title, "Hours from onset", "Steps in the stay", height=340).figure()


def error_bars(table: pd.DataFrame) -> go.Figure:
    """Reconstruction error by column, smallest on top, beside two guesses that need no model.

    table: column, error, mean_guess and last_value (root mean squared, share of the training span), n steps.
    """
    ordered = table.sort_values("error", ascending=False)
    fig = Draft()
    fig.add_trace(
        bar(
            x=ordered["error"],
            y=ordered["column"],
            orientation="h",
            marker_color=ACCENT,
            customdata=ordered["n"],
            name="reconstruction",
            hovertemplate="%{y}: %{x:.1%} of the range, %{customdata:,} values<extra></extra>",
        )
    )
    for key, name, symbol, color in (
        ("mean_guess", "guessing the mean", "diamond-open", WARNING),
        ("last_value", "repeating the value before", "line-ns-open", NEUTRAL),
    ):
        fig.add_trace(
            scatter(
                x=ordered[key],
                y=ordered["column"],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 9, "color": color, "line": {"width": 2}},
                hovertemplate="%{y}: " + name + " %{x:.1%}<extra></extra>",
            )
        )
    fig.update_xaxes(tickformat=".0%", rangemode="tozero")
    fig.update_yaxes(dtick=1)
    title, x = "Typical reconstruction error", "Root mean squared error (share of the training range)"
    return apply_theme(fig, title, x, height=120 + 18 * len(ordered)).figure()
