"""Pictures of what treatment policies of a registry are worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, scatter
from core.figures.registry_looks import Looks
from core.figures.theme import ESTIMATOR_COLORS, NEUTRAL, UNSUPPORTED, Style, apply_theme

BLACK, HALO = "#111111", "#FFFFFF"
POLICIES: Mapping[str, Style] = {
    "observed": Style("Observed", "#6F7782", "solid", "circle"),
    "dqn": Style("DQN", "#56B4E9", "dash", "diamond"),
    "dqn-screened": Style("DQN, screened", "#7B3FA0", "solid", "star"),
    "random-forest": Style("Random forest", "#009E73", "solid", "square"),
    "most-frequent": Style("One size fits all", "#D55E00", "dashdot", "triangle-up"),
    "baseline": Style("All other combinations", "#A3886A", "dot", "x"),
}
ESTIMATORS: Mapping[str, tuple[str, str, str]] = {
    "matched": ("matched mean", "#E69F00", "circle"),
    "phwis": ("PHWIS", ESTIMATOR_COLORS["phwis"], "square"),
    "phwdr": ("PHWDR", ESTIMATOR_COLORS["phwdr"], "diamond"),
}


def registry_policy(policy: str) -> Style:
    """Look of a policy; gray where it is not one of the published ones."""
    return POLICIES.get(policy, Style(policy, NEUTRAL, "longdash", "circle-open"))


def value_forest(
    table: pd.DataFrame, looks: Looks, *, truth: bool = False, x_title: str = "mean cumulative reward"
) -> go.Figure:
    """Each policy's value under each estimator with its interval, one panel a decision; true values as black bars.

    table: decision, policy, estimator (matched, phwis, phwdr), value, low, high, basis (text on the number behind it),
    label (short text beside the interval), support ("supported", "weak", "not supported" or ""), true_value (NaN where
    unknown).
    """
    decisions, policies = list(dict.fromkeys(table["decision"])), list(dict.fromkeys(table["policy"]))
    estimators = [name for name in ESTIMATORS if name in set(table["estimator"])]
    offsets = np.linspace(-0.24, 0.24, len(estimators)) if len(estimators) > 1 else [0.0]
    fig = Draft(
        rows=1,
        cols=len(decisions),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[looks.decision(name).name for name in decisions],
    )
    for col, decision in enumerate(decisions, start=1):
        part = table[table["decision"] == decision]
        if truth:
            _true_bars(fig, part, policies, col, 12 + 10 * len(estimators))
        for estimator, offset in zip(estimators, offsets, strict=True):
            rows = part[part["estimator"] == estimator].dropna(subset=["value"])
            _estimates(fig, rows, policies, estimator, float(offset), col)
    for estimator in estimators:
        name, color, symbol = ESTIMATORS[estimator]
        fig.add_trace(_entry(name, symbol, color))
    if table["support"].isin(("weak", "not supported")).any():
        fig.add_trace(_entry("weak or not supported", "circle-open", UNSUPPORTED))
    if truth and table["true_value"].notna().any():
        mark = {"symbol": "square", "size": 10, "color": BLACK, "line": {"width": 1.5, "color": HALO}}
        fig.add_trace(_entry("true value (simulated)", "square", BLACK) | {"marker": mark})
    height = (30 + 20 * len(estimators)) * len(policies)
    apply_theme(fig, height=height + 122, legend=len(estimators) > 1 or truth)
    fig.update_xaxes(title_text=x_title)
    for col, decision in enumerate(decisions, start=1):
        _write_labels(
            fig, table[table["decision"] == decision], policies, dict(zip(estimators, offsets, strict=True)), col
        )
    fig.update_yaxes(
        tickvals=list(range(len(policies))),
        ticktext=[registry_policy(p).name for p in policies],
        range=[len(policies) - 0.5, -0.5],
    )
    fig.update_layout(legend={"y": 1 + 26 / height, "yanchor": "bottom"}, margin={"l": 8, "r": 12, "t": 74, "b": 48})
    return fig.figure()


def _entry(name: str, symbol: str, color: str) -> Props:
    """An entry of the legend without points."""
    return scatter(x=[None], y=[None], mode="markers", name=name, marker={"symbol": symbol, "size": 10, "color": color})


def _true_bars(fig: Draft, part: pd.DataFrame, policies: list[str], col: int, size: int) -> None:
    """A black bar on a white one, so that it is seen on a dark ground too; size in pixels."""
    known = part.drop_duplicates("policy").dropna(subset=["true_value"])
    y = [policies.index(policy) for policy in known["policy"]]
    for length, width, color in ((size + 2, 7, HALO), (size, 4, BLACK)):
        fig.add_trace(
            scatter(
                x=known["true_value"],
                y=y,
                mode="markers",
                name="true value",
                showlegend=False,
                marker={"symbol": "line-ns", "size": length, "line": {"width": width, "color": color}},
                hovertemplate="true value %{x:.3f}<extra></extra>",
            ),
            row=1,
            col=col,
        )


def _estimates(fig: Draft, rows: pd.DataFrame, policies: list[str], estimator: str, offset: float, col: int) -> None:
    name, color, symbol = ESTIMATORS[estimator]
    hollow = rows["support"].isin(("weak", "not supported")).to_numpy()
    colors = np.where(rows["support"] == "not supported", UNSUPPORTED, color)
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    for i, row in enumerate(rows.itertuples()):
        mark = {"symbol": symbol + ("-open" if hollow[i] else ""), "size": 10, "color": colors[i]}
        interval = f" [{low[i]:.2f}, {high[i]:.2f}]" if np.isfinite(low[i]) else ""
        fig.add_trace(
            scatter(
                x=[value[i]],
                y=[policies.index(str(row.policy)) + offset],
                mode="markers",
                name=name,
                showlegend=False,
                marker=mark | {"line": {"width": 2, "color": colors[i]}},
                error_x={
                    "array": [high[i] - value[i]],
                    "arrayminus": [value[i] - low[i]],
                    "thickness": 1.6,
                    "width": 4,
                    "color": colors[i],
                },
                hovertemplate=f"{registry_policy(str(row.policy)).name}, {name} {value[i]:.3f}{interval}<br>{row.basis}"
                "<extra></extra>",
            ),
            row=1,
            col=col,
        )


def _write_labels(fig: Draft, part: pd.DataFrame, policies: list[str], offsets: Mapping[str, float], col: int) -> None:
    """Labels in a column of their own at the right, clear of bars and intervals."""
    known = part[["value", "low", "high", "true_value"]].to_numpy(dtype=float)
    if not np.isfinite(known).any():
        return
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    span, labeled = max(high - low, 1e-6), part["label"].ne("").any()
    end = high + (0.24 if labeled else 0.04) * span
    fig.update_xaxes(range=[low - 0.04 * span, end], row=1, col=col)
    for row in part[part["label"] != ""].itertuples():
        y = policies.index(str(row.policy)) + offsets[str(row.estimator)]
        place = {"x": end, "y": y, "xanchor": "right", "showarrow": False}
        fig.add_annotation(text=str(row.label), font={"size": 11, "color": NEUTRAL}, row=1, col=col, **place)


def modeled_by_stage(table: pd.DataFrame, looks: Looks) -> go.Figure:
    """Model-based mean reward of each policy at each stage, one panel a decision.

    table: decision, stage (name), policy, value, low, high.
    """
    decisions, policies = list(dict.fromkeys(table["decision"])), list(dict.fromkeys(table["policy"]))
    widths = [table.loc[table["decision"] == name, "stage"].nunique() for name in decisions]
    fig = Draft(
        rows=1,
        cols=len(decisions),
        shared_yaxes=True,
        column_widths=widths,
        horizontal_spacing=0.04,
        subplot_titles=[looks.decision(name).name for name in decisions],
    )
    offsets = np.linspace(-0.3, 0.3, len(policies)) if len(policies) > 1 else [0.0]
    for col, decision in enumerate(decisions, start=1):
        part = table[table["decision"] == decision]
        stages = list(dict.fromkeys(part["stage"]))
        for policy, offset in zip(policies, offsets, strict=True):
            rows = part[part["policy"] == policy].set_index("stage").reindex(stages)
            _modeled(fig, rows, policy, float(offset), col)
        fig.update_xaxes(
            tickvals=list(range(len(stages))),
            ticktext=stages,
            range=[-0.5, len(stages) - 0.5],
            showgrid=False,
            col=col,
        )
    apply_theme(fig, height=380, legend=True)
    fig.update_yaxes(title_text="predicted reward", row=1, col=1)
    fig.update_layout(legend={"y": 1.09, "yanchor": "bottom"}, margin={"t": 74, "r": 8, "b": 32})
    return fig.figure()


def _modeled(fig: Draft, rows: pd.DataFrame, policy: str, offset: float, col: int) -> None:
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    look = registry_policy(policy)
    fig.add_trace(
        scatter(
            x=np.arange(len(rows)) + offset,
            y=value,
            mode="markers",
            name=look.name,
            legendgroup=policy,
            showlegend=col == 1,
            marker={"color": look.color, "symbol": look.symbol, "size": 10},
            error_y={
                "array": high - value,
                "arrayminus": value - low,
                "thickness": 1.6,
                "width": 4,
                "color": look.color,
            },
            customdata=np.stack([low, high], axis=1),
            hovertemplate=f"{look.name}: %{{y:.3f}} [%{{customdata[0]:.3f}}, %{{customdata[1]:.3f}}]<extra></extra>",
        ),
        row=1,
        col=col,
    )
