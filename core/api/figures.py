"""The published figures of a run, by name."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from core.figures.policy_values import policy_forest
from core.icu.ask.tables import policy_table
from core.icu.panels import phenotype_panel, policy_panel
from core.icu.view import RunView

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Figures:
    """`figures.NAME` is a Plotly figure; `dir(figures)` lists the names. AttributeError for another name."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    @cached_property
    def _all(self) -> dict[str, go.Figure]:
        view = self._view
        plots = [*phenotype_panel(view), *policy_panel(view)]
        fusion = view.config.fusion
        table = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
        known = bool(table["true_value"].notna().any())
        return {plot.name.replace("-", "_"): plot.figure for plot in plots} | {
            "values": policy_forest(table, truth=known)
        }

    def __getattr__(self, name: str) -> go.Figure:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._all[name]
        except KeyError:
            raise AttributeError(f"no figure '{name}'; there are {', '.join(self._all)}.") from None

    def __dir__(self) -> list[str]:
        return list(self._all)

    def __repr__(self) -> str:
        return f"Figures: {', '.join(self._all)}"
