"""Patients as points, one trace a phenotype, to select some of them: the map and any two values of each."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from core.base.text import markup
from core.figures.draft import Draft, scattergl
from core.figures.theme import INK_ON_FILL, apply_theme, phenotype_color, phenotype_name, phenotype_symbol


def phenotype_map(
    points: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    keys: np.ndarray,
    n_clusters: int,
    *,
    method: str,
    selected: np.ndarray | None = None,
    height: int = 460,
) -> go.Figure:
    """The map of patients, one trace a phenotype.

    points (n, 2); labels (n,); patients (n,) positions, which travel as customdata; keys: readable patient keys.
    The axes are fitted to all points, so a new K recolors and nothing moves. `selected` positions stay bright.
    """
    fig = Draft()
    points = np.asarray(points, dtype=np.float32)
    _add_patients(fig, points, labels, patients, keys, n_clusters, selected)
    for k in range(n_clusters):
        if (labels == k).any():
            _number_group(fig, points[labels == k], k)
    apply_theme(fig, height=height, legend=False)
    bare = {"showticklabels": False, "ticks": "", "showgrid": False}
    axes = {
        f"{axis}axis": {
            **bare,
            "range": _padded(values),
            "title": {"text": f"{method} {number} (no unit)", "standoff": 4},
        }
        for number, (axis, values) in enumerate(zip("xy", points.T, strict=True), start=1)
    }
    fig.update_layout(dragmode="lasso", uirevision=method, margin={"l": 24, "r": 4, "t": 4, "b": 26}, **axes)
    return fig.figure()


def gate_plot(
    points: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    keys: np.ndarray,
    n_clusters: int,
    *,
    x: str,
    y: str,
    selected: np.ndarray | None = None,
    height: int = 460,
) -> go.Figure:
    """Two values of each patient against each other, one trace a phenotype, to draw a box or a lasso around some.

    points (n, 2) physical units; x, y axis labels with unit; the rest as in `phenotype_map`.
    """
    fig = Draft()
    points = np.asarray(points, dtype=np.float32)
    _add_patients(fig, points, labels, patients, keys, n_clusters, selected)
    apply_theme(fig, x=x, y=y, height=height)
    fig.update_layout(dragmode="select", uirevision=f"{x}|{y}")
    fig.update_xaxes(range=_padded(points[:, 0]))
    fig.update_yaxes(range=_padded(points[:, 1]))
    return fig.figure()


def _add_patients(
    fig: Draft,
    points: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    keys: np.ndarray,
    n_clusters: int,
    selected: np.ndarray | None,
) -> None:
    """One trace of points a phenotype; `selected` positions stay bright, all do where it is None."""
    size = 7 if len(points) < 1500 else 5 if len(points) < 6000 else 3.5
    bright = None if selected is None else np.isin(patients, selected)
    for k in range(n_clusters):
        own = np.flatnonzero(labels == k)
        if not len(own):
            continue
        fig.add_trace(
            scattergl(
                x=points[own, 0],
                y=points[own, 1],
                customdata=patients[own].astype(np.int32),
                text=[markup(key) for key in keys[own]],
                mode="markers",
                name=phenotype_name(k),
                marker={"color": phenotype_color(k), "symbol": phenotype_symbol(k), "size": size},
                opacity=0.75,
                unselected={"marker": {"opacity": 0.15}},
                selectedpoints=None if bright is None else np.flatnonzero(bright[own]),
                hovertemplate=f"patient %{{text}}<br>%{{x:.4g}}, %{{y:.4g}}<br>{phenotype_name(k)}<extra></extra>",
            )
        )


def _padded(values: np.ndarray) -> list[float]:
    """Axis range around all values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    pad = 0.025 * (high - low or 1.0)
    return [low - pad, high + pad]


def _number_group(fig: Draft, points: np.ndarray, k: int) -> None:
    """The phenotype's number at the median of its points."""
    x, y = np.median(points, axis=0)
    fig.add_annotation(
        x=float(x),
        y=float(y),
        text=f"<b>{k}</b>",
        showarrow=False,
        bgcolor="rgba(255,255,255,0.82)",
        bordercolor=phenotype_color(k),
        borderwidth=2,
        borderpad=3,
        font={"color": INK_ON_FILL, "size": 14},
    )
