"""Pictures of how good a clustering is: indices by K, and how soon the stay so far shows the phenotype."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.labels import end_labels
from core.figures.theme import ACCENT, NEUTRAL, apply_theme, fmt, hour_ticks

LEFT = 48  # pixels left of the panels
INDEX_LABELS = {
    "silhouette": "Silhouette (higher)",
    "calinski_harabasz": "Calinski-Harabasz (higher)",
    "davies_bouldin": "Davies-Bouldin (lower)",
    "bootstrap_ari": "Bootstrap ARI (1 = stable)",
    "smallest": "Smallest phenotype (patients)",
    "eta2_length": "η² of stay length (lower)",
}


def cluster_indices(
    indices: pd.DataFrame, current: int, *, columns: Sequence[str] = (), height: int = 560
) -> go.Figure:
    """Each index of the clustering by K, one small panel an index, with the current K marked and its value written."""
    shown = [c for c in (columns or INDEX_LABELS) if c in indices and indices[c].notna().any()]
    k = indices["n_clusters"].to_numpy()
    here = np.flatnonzero(k == current)
    titles = [_index_title(indices, name, here) for name in shown]
    fig = Draft(rows=len(shown) or 1, cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.065)
    for row, name in enumerate(shown, start=1):
        y = indices[name].to_numpy(dtype=float)
        line = {"color": NEUTRAL, "width": 1.5}
        fig.add_trace(scatter(x=k, y=y, mode="lines+markers", name=name, line=line, marker={"size": 5}), row=row, col=1)
        mark = {"size": 11, "color": ACCENT}
        fig.add_trace(scatter(x=k[here], y=y[here], mode="markers", marker=mark, name=f"{name} at K"), row=row, col=1)
        span = float(np.nanmax(y) - np.nanmin(y)) or max(abs(float(np.nanmax(y))), 1.0) * 0.1
        fig.update_yaxes(range=[np.nanmin(y) - 0.3 * span, np.nanmax(y) + 0.3 * span], nticks=3, row=row, col=1)
    apply_theme(fig, height=height, legend=False)
    # from the figure's edge, above the ticks: beside the map of a narrow window there is no more room
    fig.update_annotations(font_size=11, x=0.0, xanchor="left", xshift=4 - LEFT)
    fig.update_xaxes(dtick=1)
    fig.update_xaxes(title_text="K (number of phenotypes)", row=len(shown) or 1, col=1)
    fig.update_layout(margin={"l": LEFT, "r": 20, "t": 26, "b": 44})
    return fig.figure()


def _index_title(indices: pd.DataFrame, name: str, here: np.ndarray) -> str:
    value = (
        fmt(float(indices[name].iloc[here[0]]), 0 if name in ("smallest", "calinski_harabasz") else 3)
        if len(here)
        else ""
    )
    return f"{INDEX_LABELS.get(name, name)}  <b>{value}</b>"


def early_agreement(hours: np.ndarray, agreement: np.ndarray, ari: np.ndarray) -> go.Figure:
    """How soon the steps so far give the phenotype of the whole stay: share that agrees, and ARI, by hour."""
    fig = Draft()
    for name, y, color, dash in (("same phenotype", agreement, ACCENT, "solid"), ("ARI", ari, NEUTRAL, "dash")):
        fig.add_trace(
            scatter(
                x=hours,
                y=y,
                mode="lines+markers",
                name=name,
                line={"color": color, "dash": dash},
                hovertemplate=name + " %{y:.2f} at %{x:g} h<extra></extra>",
            )
        )
    if len(hours):
        ends = [("same phenotype", float(agreement[-1]), ACCENT), ("ARI", float(ari[-1]), NEUTRAL)]
        end_labels(fig, float(hours[-1]), ends, 0.09)
        fig.update_xaxes(range=[hours[0] - 1, hours[-1] + 1])
        hour_ticks(fig, hours, preferred=8)
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    apply_theme(fig, x="hours from onset", y="agreement with the whole stay", height=320, legend=False)
    fig.update_yaxes(range=[-0.05, 1.08])
    fig.update_layout(margin={"l": 56, "r": 120, "t": 12, "b": 48})
    return fig.figure()
