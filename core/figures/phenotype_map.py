"""Patients as points, one trace a phenotype, to select some of them: the map and any two values of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.base.text import markup
from core.figures.coloring import HAZARD, Coloring, shade_range, shades
from core.figures.draft import Draft, Props, scattergl
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
    names: Sequence[str] = (),
    told: Sequence[str] = (),
    height: int = 460,
) -> go.Figure:
    """The map of patients, one trace a phenotype.

    points (n, 2); labels (n,); patients (n,) positions, which travel as customdata; keys: readable patient keys;
    names: of the phenotypes; told: what the pointer says of each patient, beside key and phenotype. The axes are fitted
    to all points, so a new K recolors and nothing moves. `selected` positions stay bright.
    """
    fig = Draft()
    points = np.asarray(points, dtype=np.float32)
    _add_patients(fig, points, labels, patients, _hover(keys, told), n_clusters, selected, names)
    for k in range(n_clusters):
        if (labels == k).any():
            _number_group(fig, points[labels == k], k)
    apply_theme(fig, height=height, legend=False)
    return _as_map(fig, points, method)


def colored_map(
    points: np.ndarray,
    coloring: Coloring,
    patients: np.ndarray,
    keys: np.ndarray,
    *,
    method: str,
    selected: np.ndarray | None = None,
    told: Sequence[str] = (),
    height: int = 460,
) -> go.Figure:
    """The map of patients, colored by anything: a trace a group, or one with a color bar.

    coloring: of these n points; the rest as in `phenotype_map`. A hollow point is an open circle, a ring a larger red
    circle around it.
    """
    fig = Draft()
    points = np.asarray(points, dtype=np.float32)
    if coloring.ring is not None and coloring.ring.any():
        fig.add_trace(_rings(points[coloring.ring], coloring.ring_means, _size(len(points))))
    bright = None if selected is None else np.isin(patients, selected)
    hover, size = _hover(keys, told), _size(len(points))
    groups = range(len(coloring.names)) if coloring.kind == "groups" else [None]
    for group in groups:
        own = np.arange(len(points)) if group is None else np.flatnonzero(coloring.values == group)
        if not len(own):
            continue
        trace = _points(points[own], patients[own], [hover[i] for i in own], _look(coloring, own, group), size)
        trace |= {"selectedpoints": None if bright is None else np.flatnonzero(bright[own])}
        name = coloring.title if group is None else coloring.names[group]
        said = f"{coloring.title}: %{{marker.color:.4g}} {coloring.unit}".strip() if group is None else name
        fig.add_trace(trace | {"name": name, "hovertemplate": f"%{{text}}<br>{said}<extra></extra>"})
    apply_theme(fig, height=height, legend=coloring.kind == "groups")
    return _as_map(fig, points, method, top=34 if coloring.kind == "groups" else 4)


def _look(coloring: Coloring, own: np.ndarray, group: int | None) -> Props:
    """Color and marker of a group, or of the points `own` of an amount."""
    if group is not None:
        return {"color": coloring.colors[group], "symbol": phenotype_symbol(group)}
    hollow = np.zeros(len(own), dtype=bool) if coloring.hollow is None else coloring.hollow[own]
    low, high = shade_range(coloring)
    colors = shades(coloring.kind)
    scale = [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]
    bar = {"title": {"text": coloring.unit, "side": "top"}, "thickness": 12, "len": 0.9}
    look = {"color": coloring.values[own], "cmin": low, "cmax": high, "colorscale": scale, "colorbar": bar}
    return look | {"symbol": np.where(hollow, "circle-open", "circle").tolist()}


def _rings(points: np.ndarray, name: str, size: float) -> Props:
    """Red circles around points, which cannot be selected themselves."""
    line = {"width": 1.5, "color": HAZARD}
    marker = {"symbol": "circle-open", "size": size + 5, "color": HAZARD, "line": line}
    return scattergl(x=points[:, 0], y=points[:, 1], mode="markers", name=name, marker=marker, hoverinfo="skip")


def _as_map(fig: Draft, points: np.ndarray, method: str, top: int = 4) -> go.Figure:
    """The drawing on bare axes that are fitted to all points, with the lasso at hand."""
    bare = {"showticklabels": False, "ticks": "", "showgrid": False}
    axes = {
        f"{axis}axis": {
            **bare,
            "range": _padded(values),
            "title": {"text": f"{method} {number} (no unit)", "standoff": 4},
        }
        for number, (axis, values) in enumerate(zip("xy", points.T, strict=True), start=1)
    }
    fig.update_layout(dragmode="lasso", uirevision=method, margin={"l": 24, "r": 4, "t": top, "b": 26}, **axes)
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
    names: Sequence[str] = (),
    told: Sequence[str] = (),
    height: int = 460,
) -> go.Figure:
    """Two values of each patient against each other, one trace a phenotype, to draw a box or a lasso around some.

    points (n, 2) physical units; x, y axis labels with unit; the rest as in `phenotype_map`.
    """
    fig = Draft()
    points = np.asarray(points, dtype=np.float32)
    _add_patients(fig, points, labels, patients, _hover(keys, told), n_clusters, selected, names)
    apply_theme(fig, x=x, y=y, height=height)
    fig.update_layout(dragmode="select", uirevision=f"{x}|{y}")
    fig.update_xaxes(range=_padded(points[:, 0]))
    fig.update_yaxes(range=_padded(points[:, 1]))
    return fig.figure()


def without_webgl(fig: go.Figure) -> go.Figure:
    """The same figure drawn as vectors: slower, but by any browser."""
    drawn = fig.to_dict()
    for trace in drawn["data"]:
        trace["type"] = "scatter" if trace["type"] == "scattergl" else trace["type"]
    return go.Figure(drawn)


def _hover(keys: np.ndarray, told: Sequence[str]) -> list[str]:
    """Key of each patient, and what else is told of it."""
    named = [f"patient {markup(key)}" for key in keys]
    return [f"{name} · {text}" for name, text in zip(named, told, strict=True)] if told else named


def _add_patients(
    fig: Draft,
    points: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    hover: list[str],
    n_clusters: int,
    selected: np.ndarray | None,
    names: Sequence[str],
) -> None:
    """One trace of points a phenotype; `selected` positions stay bright, all do where it is None."""
    bright = None if selected is None else np.isin(patients, selected)
    size = _size(len(points))
    for k in range(n_clusters):
        own = np.flatnonzero(labels == k)
        if not len(own):
            continue
        name, look = phenotype_name(k, names), {"color": phenotype_color(k), "symbol": phenotype_symbol(k)}
        trace = _points(points[own], patients[own], [hover[i] for i in own], look, size)
        trace |= {"selectedpoints": None if bright is None else np.flatnonzero(bright[own])}
        fig.add_trace(trace | {"name": name, "hovertemplate": f"%{{text}}<br>{name}<extra></extra>"})


def _points(points: np.ndarray, patients: np.ndarray, hover: list[str], look: Props, size: float) -> Props:
    """Points (n, 2) that can be selected: their patients travel as customdata."""
    return scattergl(
        x=points[:, 0],
        y=points[:, 1],
        customdata=patients.astype(np.int32),
        text=hover,
        mode="markers",
        marker={**look, "size": size},
        opacity=0.75,
        unselected={"marker": {"opacity": 0.15}},
    )


def _size(n: int) -> float:
    """Of n points, in pixels."""
    return 7 if n < 1500 else 5 if n < 6000 else 3.5


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
