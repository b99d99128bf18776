"""The figures of a run, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from core.figures.differences import difference_forest
from core.figures.policy_values import policy_forest
from core.icu.ask.tables import policy_table
from core.icu.panels import phenotype_panel, policy_panel
from core.icu.view import RunView
from core.registry.ask.against import against_experts
from core.registry.view import RegistryView

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Figures:
    """`figures.NAME` is a Plotly figure; `dir(figures)` lists the names. AttributeError for another name."""

    def __init__(self, draw: Callable[[], dict[str, go.Figure]]) -> None:
        self._draw = draw  # called when the first figure is asked for

    @cached_property
    def _all(self) -> dict[str, go.Figure]:
        return self._draw()

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


def icu_figures(view: RunView) -> dict[str, go.Figure]:
    """The published figures of a run of the ICU study."""
    plots = [*phenotype_panel(view), *policy_panel(view)]
    fusion = view.config.fusion
    table = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    known = bool(table["true_value"].notna().any())
    return {plot.name.replace("-", "_"): plot.figure for plot in plots} | {"values": policy_forest(table, truth=known)}


def registry_figures(view: RegistryView) -> dict[str, go.Figure]:
    """Differences to the experts; none for a run from before them."""
    table = against_experts(view)
    if table is None:
        return {}
    return {"differences": difference_forest(table, {policy: policy for policy in table["policy"]})}
