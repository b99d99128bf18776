"""The published figures of a run as HTML files (setting `run.plot_flag`), for those who look without the app.

figures/: one file a plot of the phenotype panel and the policy panel (see `core.icu.panels`) and of the values, and
plotly.min.js, which they share; the folder works without a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plotly.offline import get_plotlyjs

from core.base.files import write_atomic
from core.figures.policy_values import policy_forest
from core.figures.theme import LEAVING
from core.icu.ask.tables import policy_table
from core.icu.panels import phenotype_panel, policy_panel
from core.icu.view import RunView

if TYPE_CHECKING:
    import plotly.graph_objects as go

NOTE = "Research and teaching only. {data} patients; run {name}, data {hash}."


def write_figures(view: RunView) -> list[Path]:
    """Write every figure at the run's own K, lambda and mode; returns the files."""
    figures = {plot.name: plot.figure for plot in (*phenotype_panel(view), *policy_panel(view))}
    fusion = view.config.fusion
    table = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    figures["values"] = policy_forest(table, truth=bool(table["true_value"].notna().any()))
    write_atomic(view.path / "figures" / "plotly.min.js", lambda file: file.write(get_plotlyjs().encode()))
    return [_write(view, name, figure) for name, figure in figures.items()]


def _write(view: RunView, name: str, figure: go.Figure) -> Path:
    manifest = view.manifest
    data = "Simulated" if manifest.simulated else "Recorded"
    note = NOTE.format(data=data, name=manifest.name, hash=manifest.data_hash)
    figure.update_layout(title={"text": note, "font": {"size": 12}}, margin={"t": 90})
    page = figure.to_html(include_plotlyjs="directory", full_html=True, config=LEAVING).encode()
    path = view.path / "figures" / f"{name}.html"
    write_atomic(path, lambda file: file.write(page))
    return path
