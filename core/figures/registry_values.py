"""Pictures of what treatment policies of a registry are worth, and of one patient's course and options."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures.registry import STATES, decision_look, short_stage
from core.figures.theme import ESTIMATOR_COLORS, NEUTRAL, Style, apply_theme

BLACK, HALO = "#111111", "#FFFFFF"
UNSUPPORTED = "#A9AFB8"
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


def value_forest(table: pd.DataFrame, *, truth: bool = False, x_title: str = "mean cumulative reward") -> go.Figure:
    """Each policy's value under each estimator with its interval, one panel a decision; true values as black bars.

    table: decision, policy, estimator (matched, phwis, phwdr), value, low, high, basis (text on the number behind it),
    label (short text beside the interval), support ("supported", "weak", "not supported" or ""), true_value (NaN where
    unknown).
    """
    decisions, policies = list(dict.fromkeys(table["decision"])), list(dict.fromkeys(table["policy"]))
    estimators = [name for name in ESTIMATORS if name in set(table["estimator"])]
    offsets = np.linspace(-0.24, 0.24, len(estimators)) if len(estimators) > 1 else [0.0]
    fig = make_subplots(
        rows=1,
        cols=len(decisions),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[decision_look(name).name for name in decisions],
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
        bar = _entry("true value (simulated)", "square", BLACK)
        fig.add_trace(bar.update(marker={"line": {"width": 1.5, "color": HALO}}))
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
    return fig


def _entry(name: str, symbol: str, color: str) -> go.Scatter:
    """An entry of the legend without points."""
    return go.Scatter(
        x=[None], y=[None], mode="markers", name=name, marker={"symbol": symbol, "size": 10, "color": color}
    )


def _true_bars(fig: go.Figure, part: pd.DataFrame, policies: list[str], col: int, size: int) -> None:
    """A black bar on a white one, so that it is seen on a dark ground too; size in pixels."""
    known = part.drop_duplicates("policy").dropna(subset=["true_value"])
    y = [policies.index(policy) for policy in known["policy"]]
    for length, width, color in ((size + 2, 7, HALO), (size, 4, BLACK)):
        fig.add_trace(
            go.Scatter(
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


def _estimates(
    fig: go.Figure, rows: pd.DataFrame, policies: list[str], estimator: str, offset: float, col: int
) -> None:
    name, color, symbol = ESTIMATORS[estimator]
    hollow = rows["support"].isin(("weak", "not supported")).to_numpy()
    colors = np.where(rows["support"] == "not supported", UNSUPPORTED, color)
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    for i, row in enumerate(rows.itertuples()):
        mark = {"symbol": symbol + ("-open" if hollow[i] else ""), "size": 10, "color": colors[i]}
        interval = f" [{low[i]:.2f}, {high[i]:.2f}]" if np.isfinite(low[i]) else ""
        fig.add_trace(
            go.Scatter(
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


def _write_labels(
    fig: go.Figure, part: pd.DataFrame, policies: list[str], offsets: Mapping[str, float], col: int
) -> None:
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


def modeled_by_stage(table: pd.DataFrame) -> go.Figure:
    """Model-based mean reward of each policy at each stage, one panel a decision.

    table: decision, stage (name), policy, value, low, high.
    """
    decisions, policies = list(dict.fromkeys(table["decision"])), list(dict.fromkeys(table["policy"]))
    widths = [table.loc[table["decision"] == name, "stage"].nunique() for name in decisions]
    fig = make_subplots(
        rows=1,
        cols=len(decisions),
        shared_yaxes=True,
        column_widths=widths,
        horizontal_spacing=0.04,
        subplot_titles=[decision_look(name).name for name in decisions],
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
    return fig


def _modeled(fig: go.Figure, rows: pd.DataFrame, policy: str, offset: float, col: int) -> None:
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("value", "low", "high"))
    look = registry_policy(policy)
    fig.add_trace(
        go.Scatter(
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


def patient_course(
    days: Sequence[float], states: Sequence[str], given: pd.DataFrame, end: float, chosen: float | None = None
) -> go.Figure:
    """One patient: the state at each stage on top, what was given at it below, on one real time axis.

    days, states: stages on record (days) and a key of STATES each. given: decision, day, drugs (how many),
    combination. end: last day of the follow-up. chosen: the stage on show.
    """
    decisions = list(dict.fromkeys(given["decision"]))
    rows = ["state", *decisions]
    fig = go.Figure()
    for i, (day, state) in enumerate(zip(days, states, strict=True)):
        look, until = STATES[state], days[i + 1] if i + 1 < len(days) else None
        if until is not None:
            line = {"color": look.color, "width": 5}
            fig.add_trace(
                go.Scatter(x=[day, until], y=[0, 0], mode="lines", line=line, hoverinfo="skip", name=look.name)
            )
        fig.add_trace(
            go.Scatter(
                x=[day],
                y=[0],
                mode="markers",
                name=look.name,
                marker={"symbol": look.symbol, "size": 15, "color": look.color, "line": {"width": 1, "color": HALO}},
                hovertemplate=f"{short_stage(day)}: {look.name}<extra></extra>",
            )
        )
    for row, decision in enumerate(decisions, start=1):
        part, look = given[given["decision"] == decision], decision_look(decision)
        treated = part["drugs"].to_numpy() > 0
        fig.add_trace(
            go.Scatter(
                x=part["day"],
                y=[row] * len(part),
                mode="markers",
                name=look.name,
                marker={
                    "symbol": [look.symbol if some else f"{look.symbol}-open" for some in treated],
                    "size": 14,
                    "color": look.color,
                },
                customdata=part["combination"],
                hovertemplate=f"{look.name}, day %{{x}}<br>%{{customdata}}<extra></extra>",
            )
        )
    if chosen is not None:
        fig.add_vline(x=chosen, line={"color": "#7B3FA0", "width": 2}, layer="below")
    apply_theme(fig, x="time from transplant", height=82 + 32 * len(rows), legend=False)
    fig.update_xaxes(tickvals=list(days), ticktext=[short_stage(day) for day in days], range=[-0.04 * end, 1.03 * end])
    names = ["State", *(decision_look(name).name for name in decisions)]
    fig.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.4, -0.6], showgrid=False)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 8, "b": 44})
    return fig


def _chances(fig: go.Figure, table: pd.DataFrame, y: np.ndarray) -> None:
    """Probability of each combination under the policy as far as the records support it; both numbers beside it."""
    experts, chance = 100 * table["probability"].to_numpy(dtype=float), 100 * table["chance"].to_numpy(dtype=float)
    fig.update_traces(text=None, selector={"name": "experts"})  # they would lie under the diamonds
    fig.add_trace(
        go.Scatter(
            x=np.maximum(experts, chance),
            y=y,
            mode="text",
            text=[f"   {a:.1f} → {b:.1f}" for a, b in zip(experts, chance, strict=True)],
            textposition="middle right",
            cliponaxis=False,
            hoverinfo="skip",
            name="experts → policy",
        ),
        row=1,
        col=3,
    )
    fig.add_trace(
        go.Scatter(
            x=chance,
            y=y,
            mode="markers",
            name="as far as supported",
            marker={"symbol": "diamond", "size": 11, "color": "#7B3FA0", "line": {"width": 1, "color": HALO}},
            hovertemplate="as far as supported %{x:.1f} %<extra></extra>",
        ),
        row=1,
        col=3,
    )


def ranked_options(table: pd.DataFrame, *, supported: bool = False) -> go.Figure:
    """Screened combinations in order: Q, what followed them in the record, how likely experts choose them.

    table: name, q, reward, low, high (mean recorded reward with its interval; NaN where there is none), count,
    probability and chance (shares, of the experts and of the policy as far as the records support it), group (number),
    given (bool). supported: rows are sorted by chance, which is drawn; else by group, with lines between groups.
    """
    last = "experts (bar), policy as far as supported (%)" if supported else "experts' probability (%)"
    titles = ["Q (rewards still to come)", "recorded reward, 95 % interval", last]
    fig = make_subplots(
        rows=1,
        cols=3,
        shared_yaxes=True,
        column_widths=[0.34, 0.36, 0.3],
        horizontal_spacing=0.03,
        subplot_titles=titles,
    )
    y, color = np.arange(len(table)), "#7B3FA0"
    fig.add_trace(
        go.Scatter(
            x=table["q"],
            y=y,
            mode="markers",
            name="Q",
            marker={"size": 11, "color": color, "symbol": ["star" if given else "circle" for given in table["given"]]},
            customdata=table["group"],
            hovertemplate="Q %{x:.3f}, group %{customdata}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    _recorded_rewards(fig, table, y)
    fig.add_trace(
        go.Bar(
            x=100 * table["probability"],
            y=y,
            orientation="h",
            name="experts",
            marker={"color": "#6F7782"},
            text=[f"{100 * p:.1f}" for p in table["probability"]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="experts %{x:.1f} %<extra></extra>",
        ),
        row=1,
        col=3,
    )
    if supported:
        _chances(fig, table, y)
    for border in () if supported else np.flatnonzero(np.diff(table["group"].to_numpy())) + 0.5:
        fig.add_hline(y=border, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    apply_theme(fig, height=38 * len(table) + 84, legend=False)
    names = [_wrapped(f"{'★ ' if r.given else ''}{r.name}") for r in table.itertuples(index=False)]
    fig.update_yaxes(tickvals=y.tolist(), ticktext=names, range=[len(table) - 0.4, -0.6], showgrid=False)
    widest = table[["probability", "chance"] if supported else ["probability"]].to_numpy(dtype=float).max()
    fig.update_xaxes(range=[0, (165 if supported else 124) * widest], row=1, col=3)
    fig.update_layout(margin={"l": 8, "r": 12, "t": 30, "b": 30}, bargap=0.45)
    fig.update_annotations(font_size=13)
    return fig


def _recorded_rewards(fig: go.Figure, table: pd.DataFrame, y: np.ndarray) -> None:
    """Mean recorded reward of each combination with its interval; hollow without one; the count beside it."""
    reward, low, high = (table[c].to_numpy(dtype=float) for c in ("reward", "low", "high"))
    known = np.isfinite(low) & np.isfinite(high)
    color = "#E69F00"
    fig.add_trace(
        go.Scatter(
            x=reward,
            y=y,
            mode="markers+text",
            name="recorded reward",
            error_x={
                "array": np.where(known, high - reward, 0),
                "arrayminus": np.where(known, reward - low, 0),
                "thickness": 1.6,
                "width": 4,
                "color": color,
            },
            marker={"size": 9, "color": color, "symbol": ["circle" if some else "circle-open" for some in known]},
            text=[f"n = {n:,}" for n in table["count"]],
            textposition="top center",
            textfont={"size": 10, "color": NEUTRAL},
            hovertemplate="mean reward after it %{x:.3f}<extra></extra>",
        ),
        row=1,
        col=2,
    )


def _wrapped(text: str, width: int = 34) -> str:
    """At most two lines, so that a row holds them."""
    return "<br>".join(textwrap.wrap(text, width, max_lines=2, placeholder=" ..."))
