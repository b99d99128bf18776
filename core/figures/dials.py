"""Values along a dial: the fused policy along lambda, and any policy on its way from the clinicians'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.labels import end_labels
from core.figures.policy_values import estimator_color, support_color, support_symbol
from core.figures.theme import ACCENT, INK, NEUTRAL, REFERENCE_BAND, UNSUPPORTED, WARNING, apply_theme, with_alpha

SIZES, POOLED = "Effective sample size (patients)", "; dotted: over all stays together"


def lambda_axis(
    table: pd.DataFrame,
    position: Mapping[float, float],
    ticks: Mapping[float, str],
    current: float,
    *,
    ess_floor: float,
    clinician: float | None = None,
    truth: pd.Series | None = None,
) -> go.Figure:
    """Value, ESS and disagreement along the whole lambda axis, the current value marked.

    table: lambda_, estimator, value, low, high, ess, support (one row a lambda and estimator), and once per lambda
    pooled_ess (over all stays together), disagreement_clinicians, disagreement_experts (0..1). position: where each
    lambda sits on the axis, 0..1. ticks: lambda -> text. clinician: their value, as a line. truth: true value by
    lambda, where known.
    """
    titles = ("Value of the fused policy (return), 95 % intervals", SIZES + POOLED, "Disagreement")
    fig = Draft(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.5, 0.25, 0.25], subplot_titles=titles
    )
    ends = [
        _add_estimator(fig, str(name), rows := part.sort_values("lambda_"), [position[v] for v in rows["lambda_"]])
        for name, part in table.groupby("estimator")
    ]
    if clinician is not None:
        fig.add_hline(y=clinician, line={"color": NEUTRAL, "dash": "dot"}, row=1, col=1)
        ends.append(("clinicians", clinician, NEUTRAL))
    if truth is not None and len(truth):
        x, line = [position[v] for v in truth.index], {"color": INK, "dash": "dash", "width": 1.6}
        fig.add_trace(scatter(x=x, y=truth, mode="lines+markers", line=line, name="true value"), row=1, col=1)
        ends.append(("true value", float(truth.iloc[-1]), INK))
    shown = table[["value", "low", "high"]].to_numpy(dtype=float)
    low, high = min(np.nanmin(shown), *(e[1] for e in ends)), max(np.nanmax(shown), *(e[1] for e in ends))
    pad = 0.06 * max(high - low, 1e-6)
    fig.update_yaxes(range=[low - pad, high + pad], row=1, col=1)
    end_labels(fig, 1.0, ends, 0.085 * (high - low), row=1, col=1, within=(low, high))
    once = table.drop_duplicates("lambda_").sort_values("lambda_")
    x = [position[v] for v in once["lambda_"]]
    _add_support(fig, once["ess"].to_numpy(dtype=float), x, ess_floor)
    _add_pooled(fig, x, once["pooled_ess"])
    _add_disagreement(fig, once, position)
    fig.add_vline(x=position[current], line={"color": INK, "width": 1.5})
    apply_theme(fig, height=640, legend=False)
    for title in fig.annotations[: len(titles)]:
        title.update(x=0.0, xanchor="left", font={"size": 13})
    fig.update_xaxes(tickvals=[position[v] for v in ticks], ticktext=list(ticks.values()), range=[-0.02, 1.02])
    fig.update_xaxes(title_text="λ (stored values, evenly spaced)", row=3, col=1)
    fig.update_layout(margin={"l": 56, "r": 118, "t": 28, "b": 48})
    return fig.figure()


def frontier_axis(
    table: pd.DataFrame,
    ticks: Mapping[float, str],
    current: float,
    furthest: float | None,
    *,
    ess_floor: float,
    axis: str,
    truth: pd.DataFrame | None = None,
    value: str = "Value (return)",
) -> go.Figure:
    """Value and ESS from the clinicians' policy (left) to the learned one (right), the supported part shaded.

    table: setting, estimator, value, low, high, ess, support, and pooled_ess where it is another; settings in the order
    of the dial. ticks: text of some settings. current, furthest: settings; furthest None where no setting is supported.
    truth: setting, true_value, true_se. value: what is estimated.
    """
    pooled = "pooled_ess" in table
    titles = (f"{value}, 95 % intervals", SIZES + POOLED * pooled)
    fig = Draft(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, row_heights=[0.64, 0.36], subplot_titles=titles
    )
    once = table.drop_duplicates("setting")
    place = {value: float(i) for i, value in enumerate(once["setting"])}
    ends = [
        _add_estimator(fig, str(name), part, [place[v] for v in part["setting"]])
        for name, part in table.groupby("estimator")
    ]
    if truth is not None and len(truth):
        ends.append(_add_truth(fig, truth, place))
    shown = table[["value", "low", "high"]].to_numpy(dtype=float)
    low, high = min(np.nanmin(shown), *(e[1] for e in ends)), max(np.nanmax(shown), *(e[1] for e in ends))
    pad, last = 0.06 * max(high - low, 1e-6), float(len(once) - 1)
    fig.update_yaxes(range=[low - pad, high + pad], row=1, col=1)
    end_labels(fig, last, ends, 0.08 * (high - low), row=1, col=1, within=(low, high))
    _add_support(fig, once["ess"].to_numpy(dtype=float), list(place.values()), ess_floor)
    if pooled:
        _add_pooled(fig, list(place.values()), once["pooled_ess"])
    apply_theme(fig, height=520, legend=False)
    for title in fig.annotations[: len(titles)]:
        title.update(x=0.0, xanchor="left", font={"size": 13})
    if furthest is not None:
        fig.add_vrect(x0=0, x1=place[furthest], fillcolor=REFERENCE_BAND, line_width=0, layer="below")
    fig.add_vline(x=place[current], line={"color": INK, "width": 1.5})
    margin = 0.02 * max(last, 1.0)
    fig.update_xaxes(tickvals=[place[v] for v in ticks], ticktext=list(ticks.values()), range=[-margin, last + margin])
    fig.update_xaxes(title_text=axis, row=2, col=1)
    fig.update_layout(margin={"l": 56, "r": 118, "t": 28, "b": 48})
    return fig.figure()


def _add_pooled(fig: Draft, x: Sequence[float], ess: pd.Series) -> None:
    """ESS over all stays together, dotted in the second row."""
    fig.add_trace(
        scatter(
            x=x,
            y=ess,
            mode="lines",
            line={"color": NEUTRAL, "dash": "dot"},
            name="over all stays",
            hovertemplate="over all stays together %{y:.1f}<extra></extra>",
        ),
        row=2,
        col=1,
    )


def _add_truth(fig: Draft, truth: pd.DataFrame, place: Mapping[float, float]) -> tuple[str, float, str]:
    """True values with 1.96 standard errors, as black bars in the first row; returns the end label."""
    error = 1.96 * truth["true_se"].to_numpy(dtype=float)
    fig.add_trace(
        scatter(
            x=[place[v] for v in truth["setting"]],
            y=truth["true_value"],
            mode="markers",
            error_y={"array": error, "thickness": 1.5, "width": 5, "color": INK},
            marker={"symbol": "line-ew", "size": 16, "line": {"width": 3, "color": INK}},
            name="true value (simulated)",
            hovertemplate="true value %{y:.2f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    return "true value", float(truth["true_value"].iloc[-1]), INK


def _add_estimator(fig: Draft, name: str, part: pd.DataFrame, places: Sequence[float]) -> tuple[str, float, str]:
    """Line and band of one estimator in the first row, marked by support point by point; returns its end label."""
    x = np.asarray(places, dtype=float)
    color = estimator_color(name)
    value, low, high = (part[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        fig.add_trace(
            scatter(
                x=np.concatenate([x[known], x[known][::-1]]),
                y=np.concatenate([high[known], low[known][::-1]]),
                fill="toself",
                mode="none",
                fillcolor=with_alpha(color, 0.15),
                line={"width": 0},
                hoverinfo="skip",
                name=f"{name} 95 %",
            ),
            row=1,
            col=1,
        )
    fig.add_trace(
        scatter(
            x=x,
            y=value,
            mode="lines+markers",
            name=name,
            line={"color": color},
            marker={
                "symbol": [support_symbol(name, grade) for grade in part["support"]],
                "size": 8,
                "color": [support_color(name, grade) for grade in part["support"]],
            },
            customdata=np.stack([low, high, part["ess"].to_numpy(dtype=float)], axis=1),
            hovertemplate=f"{name.upper()} %{{y:.2f}} [%{{customdata[0]:.2f}}, %{{customdata[1]:.2f}}], "
            "ESS %{customdata[2]:.1f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    return name.upper(), float(value[-1]), color


def _add_support(fig: Draft, ess: np.ndarray, x: Sequence[float], floor: float) -> None:
    """Effective sample size in the second row, with the floor."""
    colors = [ACCENT if value >= floor else UNSUPPORTED for value in ess]
    fig.add_trace(
        scatter(
            x=x,
            y=ess,
            mode="lines+markers",
            name="ESS",
            line={"color": NEUTRAL},
            marker={"size": 8, "color": colors},
            hovertemplate="ESS %{y:.1f}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    fig.add_hline(y=floor, line={"color": WARNING, "dash": "dash", "width": 1}, row=2, col=1)
    top = 1.12 * max(float(np.nanmax(ess)), floor)
    end_labels(
        fig,
        float(x[-1]),
        [("ESS", float(ess[-1]), ACCENT), (f"floor {floor:g}", floor, WARNING)],
        0.2 * top,
        row=2,
        col=1,
        within=(0.06 * top, 0.95 * top),
    )
    fig.update_yaxes(range=[0, top], row=2, col=1)


def _add_disagreement(fig: Draft, once: pd.DataFrame, position: Mapping[float, float]) -> None:
    x, ends = [position[v] for v in once["lambda_"]], []
    for column, label, color, dash in (
        ("disagreement_clinicians", "with clinicians", NEUTRAL, "solid"),
        ("disagreement_experts", "among experts", ACCENT, "dash"),
    ):
        y = once[column].to_numpy(dtype=float)
        fig.add_trace(
            scatter(
                x=x,
                y=100 * y,
                mode="lines+markers",
                name=label,
                line={"color": color, "dash": dash},
                marker={"size": 5},
                hovertemplate=label + " %{y:.1f} %<extra></extra>",
            ),
            row=3,
            col=1,
        )
        ends.append((label, 100 * float(y[-1]), color))
    end_labels(fig, 1.0, ends, 20, row=3, col=1, within=(4, 100))
    fig.update_yaxes(range=[0, 108], ticksuffix=" %", nticks=4, row=3, col=1)
