"""Pictures of one patient: the course on one time axis, phenotype weights, dose probabilities, Q."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, bar, heatmap, scatter
from core.figures.theme import (
    ESTIMATOR_COLORS,
    GROUND,
    INK_ON_FILL,
    LINE,
    NEUTRAL,
    REFERENCE_BAND,
    WARNING,
    action_colors,
    apply_theme,
    axis_label,
    hour_ticks,
    phenotype_color,
    phenotype_name,
    policy_style,
    with_alpha,
)

TARGET = "#B87A00"  # range to steer to: the reward's, or a usual goal of care
BLOCK = 0.8  # height of an action without an order, in rows


@dataclass(frozen=True, eq=False)
class Measurement:
    """One column of one stay; values (t,) in `unit`, imputed (t,) True where filled in rather than recorded; warned
    (t,) True where the study warns of a fall."""

    name: str
    unit: str
    values: np.ndarray
    imputed: np.ndarray
    reference: tuple[float, float] | None = None
    target: tuple[float, float] | None = None
    warned: np.ndarray | None = None


def timeline(
    hours: np.ndarray,
    measurements: Sequence[Measurement],
    actions: np.ndarray,
    action_labels: Sequence[str],
    *,
    drug: str,
    unit: str,
    step: int | None = None,
    amounts: np.ndarray | None = None,
    per_kg: Sequence[str] = (),
    step_hours: float = 4.0,
    window: tuple[float, float] | None = None,
    height_each: int = 112,
    ordered: bool = True,
) -> go.Figure:
    """The stay as small multiples on one axis of hours: doses as bars below, one panel a measurement above.

    hours (t,) start of each step; actions (t,) dose bins, fewer where the last are not told; amounts (t,) as recorded,
    in `unit`, told at the bars, and so are `per_kg` (t,), texts of the same amounts by body weight.
    Recorded values are filled, imputed ones hollow, those that the study warns of as a fall are triangles; the healthy
    range is a green band, a target lies between dashed lines with a bar at the right. `step` is marked in every panel.
    window: hours that the axis spans (None: the stay), the same wherever it can be so that stays can be compared.
    ordered: actions are doses; else each is a block in a row of its own, none higher than another.
    """
    rows = len(measurements) + 1
    given = drug.capitalize() + (" given" if ordered else "")
    titles = [axis_label(m.name, m.unit) for m in measurements] + [axis_label(given, unit)]
    fig = Draft(rows=rows, cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=min(0.055, 0.3 / rows))
    for row, measurement in enumerate(measurements, start=1):
        _add_measurement(fig, hours, measurement, row)
    told = _told(actions, action_labels, amounts, per_kg)
    _add_doses(fig, hours, actions, told, action_labels, rows, step_hours, ordered)
    shapes = [shape for row, m in enumerate(measurements, start=1) for shape in _bands(m, row)]
    fig.shapes += shapes + _moments(hours, step, step_hours, rows)
    apply_theme(fig, height=rows * height_each + 70, legend=False)
    fig.update_annotations(font_size=12.5, x=0.0, xanchor="left")
    first, last = window or (float(hours[0]), float(hours[-1]))
    fig.update_xaxes(range=[first - 0.75 * step_hours, last + 0.75 * step_hours])
    hour_ticks(fig, (first, last), preferred=8)
    fig.update_xaxes(title_text="hours from onset", row=rows, col=1)
    fig.update_layout(margin={"l": 56, "r": 14, "t": 30, "b": 44}, hovermode="x unified")
    return fig.figure()


def _add_measurement(fig: Draft, hours: np.ndarray, m: Measurement, row: int) -> None:
    values = np.asarray(m.values, dtype=float)
    view = _view(values, m.reference)
    imputed = np.asarray(m.imputed, dtype=bool)
    warned = np.zeros(len(values), dtype=bool) if m.warned is None else m.warned
    told = np.where(imputed, "imputed", "recorded")
    fig.add_trace(
        scatter(
            x=hours,
            y=values,
            mode="lines+markers",
            name=m.name,
            line={"color": LINE, "width": 1.3},
            marker={
                "size": np.where(warned, 10, 7).tolist(),
                "symbol": np.where(warned, "triangle-down", "circle").tolist(),
                "color": np.where(imputed, GROUND, np.where(warned, WARNING, LINE)).tolist(),
                "line": {"color": np.where(warned, WARNING, LINE).tolist(), "width": 1.4},
            },
            customdata=[f"{how}, falling" if fell else how for how, fell in zip(told, warned, strict=True)],
            hovertemplate=f"%{{y:.4g}} {m.unit} (%{{customdata}})",
        ),
        row=row,
        col=1,
    )
    fig.update_yaxes(range=list(view), nticks=4, row=row, col=1)


def _bands(m: Measurement, row: int) -> list[Props]:
    """Shapes of the healthy range and of the target, as far as they lie inside the view of the panel in this row."""
    low, high = _view(np.asarray(m.values, dtype=float), m.reference)
    axis = {"xref": "x domain", "yref": f"y{row}" if row > 1 else "y", "layer": "below", "x0": 0, "x1": 1}
    shapes: list[Props] = []
    for bounds, look in (
        (m.reference, {"fillcolor": REFERENCE_BAND}),
        (m.target, {"fillcolor": TARGET, "x0": 0.985}),  # a bar at the edge: two fills on each other would mix
    ):
        if bounds is None:
            continue
        bottom, top = max(bounds[0], low), min(bounds[1], high)
        if bottom < top:
            shapes.append({**axis, "type": "rect", "y0": bottom, "y1": top, "line": {"width": 0}, **look})
    line = {"color": TARGET, "width": 1.2, "dash": "dash"}
    inside = [bound for bound in m.target or () if low <= bound <= high]
    return shapes + [{**axis, "type": "line", "y0": bound, "y1": bound, "line": line} for bound in inside]


def _moments(hours: np.ndarray, step: int | None, step_hours: float, rows: int) -> list[Props]:
    """Shapes of every panel, which leave the titles between them free: onset dotted, the chosen step a purple band."""
    dots = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    marks: list[Props] = [{"type": "line", "x0": 0, "x1": 0, "line": dots}]
    if step is not None:
        half, fill = 0.12 * step_hours, with_alpha("#7B3FA0", 0.28)
        ends = {"x0": float(hours[step]) - half, "x1": float(hours[step]) + half}
        marks.append({**ends, "type": "rect", "fillcolor": fill, "line": {"width": 0}})
    axis = {"xref": "x", "layer": "below", "y0": 0, "y1": 1}
    names = ["y", *(f"y{row}" for row in range(2, rows + 1))]
    return [{**axis, "yref": f"{name} domain", **mark} for name in names for mark in marks]


def _view(values: np.ndarray, reference: tuple[float, float] | None) -> tuple[float, float]:
    """Axis range: the values with room around them, never narrower than 60 % of the healthy range, so that noise
    does not look like a course; hardly below 0 where no value is."""
    low, high = float(values.min()), float(values.max())
    least = 0.6 * (reference[1] - reference[0]) if reference else max(abs(high) * 0.1, 1.0)
    pad = max(0.15 * (high - low), (least - (high - low)) / 2)
    bottom, top = low - pad, high + pad
    if low >= 0 > bottom:
        above = max(bottom, -0.1 * top)  # room for half a marker
        bottom, top = above, top + above - bottom
    return bottom, top


def _told(
    actions: np.ndarray, labels: Sequence[str], amounts: np.ndarray | None, per_kg: Sequence[str] = ()
) -> list[str]:
    """The dose bin of each step, and the amount where it was recorded."""
    names = [labels[action] for action in actions]
    if amounts is None:
        return names
    known = zip(names, amounts[: len(names)], per_kg[: len(names)] or [""] * len(names), strict=True)
    return [
        f"{name} (recorded: {amount:,.6g}{f', {weighed}' if weighed else ''})" if np.isfinite(amount) else name
        for name, amount, weighed in known
    ]


def _add_doses(
    fig: Draft,
    hours: np.ndarray,
    actions: np.ndarray,
    told: list[str],
    labels: Sequence[str],
    row: int,
    step_hours: float,
    ordered: bool,
) -> None:
    colors = action_colors(len(labels), ordered)
    fig.add_trace(
        bar(
            x=hours[: len(actions)],
            y=np.where(actions > 0, actions, 0.06) if ordered else np.full(len(actions), BLOCK),
            base=None if ordered else actions - BLOCK / 2,
            width=0.8 * step_hours,
            marker={"color": [colors[a] for a in actions]},
            name="dose" if ordered else "given",
            customdata=told,
            hovertemplate="%{customdata}<extra></extra>",
        ),
        row=row,
        col=1,
    )
    fig.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=list(labels),
        range=[-0.2 if ordered else -0.6, len(labels) - 0.5],
        row=row,
        col=1,
        tickfont={"size": 10},
    )


def weight_course(
    hours: np.ndarray,
    weights: np.ndarray,
    step: int,
    *,
    step_hours: float = 4.0,
    window: tuple[float, float] | None = None,
    names: Sequence[str] = (),
) -> go.Figure:
    """Phenotype weights along the stay, stacked to 100 %: weights (t, K); `step` is marked; names: of phenotypes."""
    fig = Draft()
    for k in range(weights.shape[1]):
        fig.add_trace(
            bar(
                x=hours,
                y=100 * weights[:, k],
                width=0.9 * step_hours,
                marker={
                    "color": phenotype_color(k),
                    "opacity": [1.0 if t == step else 0.45 for t in range(len(hours))],
                },
                name=phenotype_name(k, names),
                text=[f"{k}" if t == step and w >= 0.12 else "" for t, w in enumerate(weights[:, k])],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": "white", "size": 13},
                hovertemplate=f"{phenotype_name(k, names)}: %{{y:.1f}} % at %{{x:g}} h<extra></extra>",
            )
        )
    apply_theme(fig, x="hours from onset", y="weight (%)", height=230, legend=False)
    first, last = window or (float(hours[0]), float(hours[-1]))
    fig.update_xaxes(range=[first - 0.75 * step_hours, last + 0.75 * step_hours])
    hour_ticks(fig, (first, last), preferred=8)
    fig.update_layout(barmode="stack", margin={"l": 52, "r": 8, "t": 10, "b": 44})
    fig.update_yaxes(range=[0, 100], dtick=25)
    return fig.figure()


def probability_table(
    policies: Sequence[str], probs: np.ndarray, action_labels: Sequence[str], given: int | None
) -> go.Figure:
    """Probability of each dose under each policy at one step: probs (policies, A); the dose given, if told, is
    framed."""
    rows, actions = probs.shape
    fig = Draft()
    fig.add_trace(
        heatmap(
            x=np.arange(actions),
            y=np.arange(rows),
            z=100 * probs,
            zmin=0,
            zmax=100,
            colorscale=[[0.0, "#F3F6FA"], [1.0, "#0072B2"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{z:.1f} %<extra></extra>",
        )
    )
    for r in range(rows):
        for a in range(actions):
            p = 100 * probs[r, a]
            color = "white" if p > 55 else INK_ON_FILL
            fig.add_annotation(x=a, y=r, text=f"{p:.0f} %", showarrow=False, font={"color": color, "size": 13})
    if given is not None:
        _frame_given(fig, given, rows)
    apply_theme(fig, height=34 * rows + 92, legend=False)
    fig.update_xaxes(
        tickvals=list(range(actions)), ticktext=list(action_labels), showgrid=False, range=[-0.5, actions - 0.5]
    )
    fig.update_yaxes(tickvals=list(range(rows)), ticktext=list(policies), showgrid=False, range=[rows - 0.5, -0.5])
    fig.update_layout(margin={"l": 8, "r": 8, "t": 26, "b": 40})
    return fig.figure()


def _frame_given(fig: Draft, given: int, rows: int) -> None:
    """A frame around the column of the dose that was given."""
    fig.add_shape(
        type="rect", x0=given - 0.5, x1=given + 0.5, y0=-0.5, y1=rows - 0.5, line={"color": "#D55E00", "width": 2.5}
    )
    fig.add_annotation(
        x=given, y=-0.5, yanchor="bottom", text="given", showarrow=False, font={"color": "#D55E00", "size": 12}
    )


def q_by_action(estimates: pd.DataFrame, action_labels: Sequence[str]) -> go.Figure:
    """Expected return of each dose at one step: estimates table estimate, action, value, low, high (NaN: none)."""
    fig = Draft()
    looks = {"FQI": (ESTIMATOR_COLORS["fqi"], "square"), "FQE": (ESTIMATOR_COLORS["fqe"], "circle")}
    looks["agents"] = (policy_style("fused").color, policy_style("fused").symbol)
    names = list(dict.fromkeys(estimates["estimate"]))
    offsets = np.linspace(-0.22, 0.22, len(names)) if len(names) > 1 else [0.0]
    for name, offset in zip(names, offsets, strict=True):
        part = estimates[estimates["estimate"] == name]
        color, symbol = next((look for key, look in looks.items() if key in name), (NEUTRAL, "x"))
        value, low, high = (part[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
        fig.add_trace(
            scatter(
                x=value,
                y=part["action"].to_numpy() + float(offset),
                mode="markers",
                name=name,
                marker={"color": color, "symbol": symbol, "size": 9},
                error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.4, "width": 3},
                customdata=np.stack([low, high], axis=1),
                hovertemplate=name + " %{x:.2f} [%{customdata[0]:.2f}, %{customdata[1]:.2f}]<extra></extra>",
            )
        )
    n = len(action_labels)
    apply_theme(fig, x="expected return", height=48 * n + 110, legend=True)
    fig.update_yaxes(tickvals=list(range(n)), ticktext=list(action_labels), range=[n - 0.5, -0.5])
    fig.update_layout(
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom"}, margin={"l": 8, "r": 10, "t": 36, "b": 44}
    )
    return fig.figure()
