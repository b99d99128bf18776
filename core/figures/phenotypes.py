"""Pictures of phenotypes: outcomes, courses, severity and what sets a selection apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, bar, scatter
from core.figures.labels import end_labels
from core.figures.theme import (
    GRID,
    NEUTRAL,
    apply_theme,
    axis_label,
    hour_ticks,
    phenotype_color,
    phenotype_name,
    phenotype_symbol,
    two_lines,
    with_alpha,
)

HIGHER, LOWER = "#7A8596", "#B4BCC8"  # of a selection against the rest: no phenotype's color


@dataclass(frozen=True, eq=False)
class CourseSeries:
    """One feature's mean course in each phenotype; mean, low, high (K, T)."""

    name: str
    unit: str
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reference: tuple[float, float] | None = None


def outcome_bars(
    table: pd.DataFrame,
    *,
    survived: str = "Survived",
    died: str = "Died",
    height: int = 300,
    names: Sequence[str] = (),
) -> go.Figure:
    """Survival and mortality of each phenotype with 95 % intervals, percent and n written at the bars.

    table: group, n, survival, survival_low, survival_high, mortality, mortality_low, mortality_high;
    names: of the phenotypes, by number.
    """
    fig = Draft(rows=1, cols=2, shared_yaxes=True, subplot_titles=(survived, died), horizontal_spacing=0.08)
    fig.update_annotations(font_size=13)
    bars = [
        f"{two_lines(phenotype_name(int(k), names))}<br>n = {n:,}"
        for k, n in zip(table["group"], table["n"], strict=True)
    ]
    colors = [phenotype_color(int(k)) for k in table["group"]]
    for col, what in enumerate(("survival", "mortality"), start=1):
        value = 100 * table[what].to_numpy()
        low, high = 100 * table[f"{what}_low"].to_numpy(), 100 * table[f"{what}_high"].to_numpy()
        fig.add_trace(
            bar(
                x=value,
                y=bars,
                orientation="h",
                name=what,
                marker={"color": colors, "opacity": 1.0 if what == "mortality" else 0.55},
                error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.4, "color": "#3b4252"},
                customdata=np.stack([low, high], axis=1),
                hovertemplate="%{x:.1f} % [%{customdata[0]:.1f}, %{customdata[1]:.1f}]<extra></extra>",
            ),
            row=1,
            col=col,
        )
        for name, v, top in zip(bars, value, high, strict=True):
            if np.isfinite(v):
                fig.add_annotation(
                    x=top, y=name, text=f" {v:.1f} %", xanchor="left", showarrow=False, font_size=12, row=1, col=col
                )
    apply_theme(fig, height=height, legend=False)
    fig.update_xaxes(title_text="patients (%)", range=[0, 118], tickvals=[0, 25, 50, 75, 100])
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(margin={"l": 92, "r": 8, "t": 30, "b": 44})
    return fig.figure()


def course_panels(
    hours: np.ndarray,
    features: Sequence[CourseSeries],
    *,
    columns: int = 3,
    height_each: int = 290,
    names: Sequence[str] = (),
) -> go.Figure:
    """Mean of each feature by hour and phenotype with 95 % bands; the phenotype's number stands at the line's end, its
    name (names, by number) at the pointer."""
    columns = max(1, min(columns, len(features)))
    rows = -(-len(features) // columns)
    titles = [axis_label(f.name, f.unit) for f in features]
    fig = Draft(rows=rows, cols=columns, subplot_titles=titles, horizontal_spacing=0.07, vertical_spacing=0.16)
    for i, feature in enumerate(features):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for k in range(len(feature.mean)):
            _add_course(fig, hours, feature, k, phenotype_name(k, names), place)
        _number_courses(fig, hours, feature, place)
    apply_theme(fig, height=rows * height_each + 30, legend=False)
    fig.update_annotations(font_size=13)
    hour_ticks(fig, hours)
    fig.update_xaxes(title_text="hours from onset")
    fig.update_layout(margin={"l": 44, "r": 28, "t": 34, "b": 44})
    return fig.figure()


def _add_course(fig: Draft, hours: np.ndarray, feature: CourseSeries, k: int, name: str, place: dict[str, int]) -> None:
    real = np.flatnonzero(np.isfinite(feature.mean[k]))
    if not len(real):
        return
    x, color = hours[real], phenotype_color(k)
    fig.add_trace(
        scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([feature.high[k, real], feature.low[k, real][::-1]]),
            fill="toself",
            mode="none",
            fillcolor=with_alpha(color, 0.18),
            line={"width": 0},
            hoverinfo="skip",
            name=f"{name} 95 %",
        ),
        **place,
    )
    fig.add_trace(
        scatter(
            x=x,
            y=feature.mean[k, real],
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"symbol": phenotype_symbol(k), "size": 6, "color": color},
            name=name,
            hovertemplate=f"{name}: %{{y:.3g}} {feature.unit} at %{{x:g}} h<extra></extra>",
        ),
        **place,
    )


def _number_courses(fig: Draft, hours: np.ndarray, feature: CourseSeries, place: dict[str, int]) -> None:
    """The phenotype's number at the end of each line."""
    if not np.isfinite(feature.mean).any():
        return
    last = [(k, np.flatnonzero(np.isfinite(row))) for k, row in enumerate(feature.mean)]
    ends = [(f"<b>{k}</b>", float(feature.mean[k, real[-1]]), phenotype_color(k)) for k, real in last if len(real)]
    gap = 0.075 * float(np.nanmax(feature.high) - np.nanmin(feature.low))
    end_labels(
        fig,
        float(max(hours[real[-1]] for _, real in last if len(real))),
        ends,
        gap,
        size=13,
        row=place["row"],
        col=place["col"],
    )


def severity_histograms(
    edges: np.ndarray,
    shares: np.ndarray,
    bands: np.ndarray,
    *,
    name: str,
    unit: str,
    low: float,
    high: float,
    height_each: int = 110,
    phenotypes: Sequence[int] | None = None,
    names: Sequence[str] = (),
) -> go.Figure:
    """Histogram of severity in each phenotype; the share of steps in each of the three bands stands over its band.

    edges (B + 1,); shares (K, B) sum to 1; bands (K, 3) below `low`, low..high, above `high`. phenotypes: numbers of
    the rows (default: 0..K-1); names: of the phenotypes, by number.
    """
    n = len(shares)
    numbers = range(n) if phenotypes is None else phenotypes
    fig = Draft(rows=n, cols=1, shared_xaxes=True, vertical_spacing=min(0.05, 0.4 / max(n, 1)))
    middle, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    top = 100 * float(shares.max()) * 1.45 if n else 1.0
    spots = ((edges[0] + low) / 2, (low + high) / 2, (high + edges[-1]) / 2)
    for row, k in enumerate(numbers):
        bars = bar(
            x=middle,
            y=100 * shares[row],
            width=width,
            marker={"color": phenotype_color(k), "line": {"width": 0.5, "color": "white"}},
            name=phenotype_name(k, names),
            hovertemplate="%{x:.3g}: %{y:.1f} % of steps<extra>%{fullData.name}</extra>",
        )
        place = {"row": row + 1, "col": 1}
        fig.add_trace(bars, **place)
        for spot, share in zip(spots, bands[row], strict=True):
            text = f"{100 * share:.0f} %"
            fig.add_annotation(x=spot, y=top, yanchor="top", text=text, showarrow=False, font_size=12, **place)
        fig.update_yaxes(title_text=f"<b>{k}</b>", range=[0, top], nticks=3, ticksuffix=" %", **place)
        for bound in (low, high):
            fig.add_vline(x=bound, line={"color": NEUTRAL, "width": 1, "dash": "dash"}, **place)
    apply_theme(fig, height=max(n * height_each, 160) + 70, legend=False)
    head: Props = {"y": 1.0, "xref": "x", "yref": "paper", "yanchor": "bottom", "showarrow": False, "font_size": 12}
    for spot, text in zip(spots, (f"below {low:g}", f"{low:g} to {high:g}", f"above {high:g}"), strict=True):
        fig.add_annotation(x=spot, text=f"<b>{text}</b>", **head)
    fig.update_xaxes(range=[edges[0], edges[-1]])
    fig.update_xaxes(title_text=axis_label(name, unit), row=n or 1, col=1)
    fig.update_layout(bargap=0, margin={"l": 64, "r": 12, "t": 30, "b": 44})
    return fig.figure()


def effect_bars(
    names: Sequence[str],
    effects: np.ndarray,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    versus: str,
    top: int = 12,
) -> go.Figure:
    """What sets a selection apart: standardized mean difference of each feature, largest first."""
    effects = np.asarray(effects, dtype=float)
    order = np.argsort(-np.abs(np.nan_to_num(effects)), kind="stable")[:top]
    value, label = effects[order], [names[i] for i in order]
    error, reach = None, np.abs(value)
    if low is not None and high is not None:
        reach = np.maximum(np.abs(low[order]), np.abs(high[order]))
        error = {"array": high[order] - value, "arrayminus": value - low[order], "thickness": 1.2, "color": "#3b4252"}
    fig = Draft()
    fig.add_trace(
        bar(
            x=value,
            y=label,
            orientation="h",
            error_x=error,
            marker={"color": [HIGHER if v > 0 else LOWER for v in value]},
            hovertemplate="%{y}: %{x:+.2f} SD<extra></extra>",
        )
    )
    for name, v, end in zip(label, value, np.where(value < 0, -reach, reach), strict=True):
        anchor = "right" if v < 0 else "left"
        fig.add_annotation(x=end, y=name, text=f" {v:+.2f} ", xanchor=anchor, showarrow=False, font_size=12)
    apply_theme(fig, x=f"difference from {versus} (standard deviations)", height=26 * len(order) + 90, legend=False)
    limit = 1.25 * max(float(np.nanmax(reach)) if len(value) else 0.0, 0.2)
    fig.update_xaxes(range=[-limit, limit], zeroline=True, zerolinecolor=GRID, zerolinewidth=2)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 12, "b": 44})
    return fig.figure()
