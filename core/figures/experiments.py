"""Pictures of experiments: values over repeats, two runs beside each other, and sweeps over settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, box, heatmap, scatter
from core.figures.policy_values import HOLLOW
from core.figures.theme import (
    NEUTRAL,
    SEQUENTIAL,
    UNSUPPORTED,
    apply_theme,
    fmt,
    phenotype_color,
    phenotype_symbol,
    policy_style,
    with_alpha,
)

INK = "#5F6875"  # reads on light and on dark grounds
RUN_COLORS = ("#5E7C99", "#C46A2B")  # of two runs: no phenotype's, policy's or estimator's color


def repeat_boxes(
    table: pd.DataFrame,
    published: pd.DataFrame | None = None,
    *,
    baseline: float | None = None,
    truth: Mapping[str, float] | None = None,
    title: str = "",
    x: str = "value (expected discounted return)",
) -> go.Figure:
    """One box a policy over its repeats, every repeat drawn as a point; hollow gray points are not supported.

    table: policy, repeat, value, ess and support, rows of one cohort, preset and estimator, policies in order.
    published: policy, value (published mean, open squares). baseline: the clinicians' mean, a dotted line. truth: mean
    true value of each policy that has one.
    """
    policies = list(dict.fromkeys(table["policy"]))
    names = {policy: policy_style(policy).name for policy in policies}
    fig = Draft()
    for policy in policies:
        rows, style = table[table["policy"] == policy], policy_style(policy)
        weak = (rows["support"] == "not supported").to_numpy()
        fig.add_trace(
            box(
                x=rows["value"],
                y=[names[policy]] * len(rows),
                orientation="h",
                name=names[policy],
                boxpoints=False,
                line={"color": UNSUPPORTED if weak.all() else style.color, "width": 1.5},
                fillcolor=with_alpha(style.color, 0.06 if weak.all() else 0.25),
                hoverinfo="skip",
                showlegend=False,
            )
        )
        fig.add_trace(_repeats(rows, names[policy], style.color, weak))
    known = [(names[policy], value) for policy, value in (truth or {}).items() if policy in names]
    _mark(fig, known, "true value, mean (simulated)", True)
    if published is not None and len(published):
        rows = published[published["policy"].isin(policies)]
        pairs = [(names[p], float(v)) for p, v in zip(rows["policy"], rows["value"], strict=True)]
        _mark(fig, pairs, "published mean (other patients)", False)
    if baseline is not None and np.isfinite(baseline):
        fig.add_vline(x=baseline, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
        fig.add_annotation(
            x=baseline, y=1.0, yref="paper", yanchor="bottom", text=f"clinicians {fmt(baseline)}", showarrow=False
        )
    apply_theme(fig, title, x=x, height=30 * len(policies) + 130, legend=True)
    fig.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(names.values()), showgrid=False)
    fig.update_layout(margin={"l": 8, "r": 16, "t": 56 if title else 30, "b": 78}, boxgap=0.35)
    fig.update_layout(legend={"orientation": "h", "y": 0.0, "yref": "container", "yanchor": "bottom", "x": 0.0})
    return fig.figure()


def _repeats(rows: pd.DataFrame, name: str, color: str, weak: np.ndarray) -> Props:
    """The single repeats of one policy."""
    ess = rows["ess"].to_numpy(dtype=float)
    return scatter(
        x=rows["value"],
        y=[name] * len(rows),
        mode="markers",
        name=name,
        showlegend=False,
        marker={
            "size": 7,
            "symbol": np.where(weak, "circle-open", "circle").tolist(),
            "color": np.where(weak, UNSUPPORTED, color).tolist(),
        },
        customdata=np.stack([rows["repeat"].to_numpy(dtype=float), ess], axis=1),
        hovertemplate=f"{name}, repeat %{{customdata[0]:.0f}}: %{{x:.2f}}, ESS %{{customdata[1]:.1f}}<extra></extra>",
    )


def _mark(fig: Draft, pairs: Sequence[tuple[str, float]], name: str, bar: bool) -> None:
    if not pairs:
        return
    marker: dict[str, object] = {"symbol": "square-open", "size": 10, "color": NEUTRAL, "line": {"width": 2}}
    if bar:
        marker = {"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": INK}}
    fig.add_trace(
        scatter(
            x=[value for _, value in pairs],
            y=[label for label, _ in pairs],
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate=name + " %{x:.2f}<extra></extra>",
        )
    )


def two_runs(table: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """Values of the policies that two runs share, with intervals, one color a run; hollow where weak or not supported.

    table: policy, and for each run a and b value_a, low_a, high_a, ess_a, support_a, true_a.
    """
    policies = list(table["policy"])
    fig = Draft()
    for run, name, color, offset in zip("ab", names, RUN_COLORS, (-0.15, 0.15), strict=True):
        value, low, high = (table[f"{part}_{run}"].to_numpy(dtype=float) for part in ("value", "low", "high"))
        hollow = [support in HOLLOW for support in table[f"support_{run}"]]
        place = np.arange(len(policies)) + offset
        fig.add_trace(
            scatter(
                x=value,
                y=place,
                mode="markers",
                name=name,
                marker={"color": color, "size": 9, "symbol": ["circle-open" if h else "circle" for h in hollow]},
                error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.5, "width": 3},
                customdata=np.stack([low, high, table[f"ess_{run}"].to_numpy(dtype=float)], axis=1),
                hovertemplate="%{x:.2f} [%{customdata[0]:.2f}, %{customdata[1]:.2f}], ESS %{customdata[2]:.1f}"
                "<extra></extra>",
            )
        )
        true = table[f"true_{run}"].to_numpy(dtype=float)
        if np.isfinite(true).any():
            bar = {"symbol": "line-ns", "size": 14, "line": {"width": 3, "color": color}}
            fig.add_trace(scatter(x=true, y=place, mode="markers", name="true value", marker=bar, showlegend=False))
    apply_theme(fig, x="value (expected discounted return)", height=44 * len(policies) + 110, legend=True)
    ticks = [policy_style(policy).name for policy in policies]
    fig.update_yaxes(tickvals=list(range(len(policies))), ticktext=ticks, range=[len(policies) - 0.5, -0.5])
    fig.update_layout(margin={"l": 8, "r": 16, "t": 44, "b": 48})
    return fig.figure()


def sweep_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    row_title: str,
    column_title: str,
    cells: np.ndarray,
    hollow: np.ndarray,
) -> go.Figure:
    """Mean of a metric over the cells of a sweep: values (R, C), NaN where no cell is; cells (R, C) counts of runs.

    hollow (R, C): values that the records do not support, written in brackets.
    """
    text = np.empty(values.shape, dtype=object)
    for place in np.ndindex(values.shape):
        shown = fmt(float(values[place]), 3 if np.nanmax(np.abs(values), initial=0) < 1 else 2)
        text[place] = "" if not np.isfinite(values[place]) else f"({shown})" if hollow[place] else shown
    fig = Draft()
    fig.add_trace(
        heatmap(
            z=values,
            x=list(columns),
            y=list(rows),
            text=text,
            texttemplate="%{text}",
            customdata=cells,
            colorscale=SEQUENTIAL,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": title, "side": "top"}, "thickness": 10},
            hovertemplate=f"{title} %{{text}}, mean of %{{customdata:.0f}} runs<extra></extra>",
            hoverongaps=False,
        )
    )
    apply_theme(fig, x=column_title, y=row_title, height=max(46 * len(rows), 150) + 110, legend=False)
    fig.update_xaxes(type="category", showgrid=False)
    fig.update_yaxes(type="category", showgrid=False)
    fig.update_layout(margin={"l": 8, "r": 8, "t": 16, "b": 52})
    return fig.figure()


def coverage_by_band(table: pd.DataFrame, goal: float) -> go.Figure:
    """Coverage of 95 % intervals by band of effective sample size, one line an estimator, with intervals.

    table: band, estimator, coverage, coverage_low, coverage_high (0..1), n; bands in order. goal: a dashed line.
    """
    bands = list(dict.fromkeys(table["band"]))
    estimators = list(dict.fromkeys(table["estimator"]))
    fig = Draft()
    for i, estimator in enumerate(estimators):
        rows = table[table["estimator"] == estimator]
        offset = 0.5 * (i / max(len(estimators) - 1, 1) - 0.5)
        value, low, high = (100 * rows[c].to_numpy(float) for c in ("coverage", "coverage_low", "coverage_high"))
        color = phenotype_color(i)
        fig.add_trace(
            scatter(
                x=[bands.index(band) + offset for band in rows["band"]],
                y=value,
                mode="markers",
                name=estimator.upper(),
                marker={"color": color, "symbol": phenotype_symbol(i), "size": 9},
                error_y={"array": high - value, "arrayminus": value - low, "thickness": 1.3, "width": 3},
                customdata=rows["n"],
                hovertemplate=f"{estimator.upper()} %{{y:.0f}} % of %{{customdata:,.0f}} intervals<extra></extra>",
            )
        )
    fig.add_hline(y=100 * goal, line={"color": INK, "width": 1, "dash": "dash"})
    apply_theme(fig, x="effective sample size of PHWIS (patients)", y="intervals that hold the truth (%)", height=380)
    fig.update_xaxes(tickvals=list(range(len(bands))), ticktext=bands, showgrid=False)
    fig.update_yaxes(range=[-3, 105])
    return fig.figure()


def around_best(table: pd.DataFrame) -> go.Figure:
    """What one setting alone changes in the true value, all others as in the best candidate: one panel a setting.

    table: setting (name), level (text), difference (from the best candidate), se (of it; 0 for the best one itself),
    levels in order.
    """
    settings = list(dict.fromkeys(table["setting"]))
    widths = [int((table["setting"] == name).sum()) + 1 for name in settings]
    fig = Draft(
        rows=1,
        cols=len(settings),
        shared_yaxes=True,
        column_widths=widths,
        horizontal_spacing=0.02,
        subplot_titles=settings,
    )
    for col, name in enumerate(settings, start=1):
        rows = table[table["setting"] == name]
        best = (rows["se"] == 0).to_numpy()
        error = 1.96 * rows["se"].to_numpy(dtype=float)
        fig.add_trace(
            scatter(
                x=rows["level"],
                y=rows["difference"],
                mode="markers",
                error_y={"array": error, "thickness": 1.5, "width": 4, "color": INK},
                marker={"size": 11, "color": INK, "symbol": np.where(best, "star", "circle").tolist()},
                hovertemplate=f"{name} %{{x}}: %{{y:+.3f}}<extra></extra>",
            ),
            row=1,
            col=col,
        )
        fig.update_xaxes(type="category", showgrid=False, row=1, col=col)
    fig.add_hline(y=0, line={"color": INK, "width": 1, "dash": "dot"})
    apply_theme(fig, height=330, legend=False)
    fig.update_yaxes(title_text="true value minus the best's", row=1, col=1)
    fig.update_layout(margin={"l": 56, "r": 12, "t": 34, "b": 32})
    return fig.figure()
