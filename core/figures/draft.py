"""A figure while it is drawn: panels, traces, lines and notes collected as plain dicts.

plotly's own figure checks and copies at every call, and all notes again with every further one; for a figure of several
panels that takes longer than all else from a slider to its picture. The methods are called as in plotly and mean the
same; a test holds both beside each other. Even one check at the end takes six times as long as the drawing, so only the
tests, which draw every figure, let plotly check it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

Props = dict[str, Any]
CHECKED = False  # whether plotly checks each figure; tests set it
WHOLE_NAMES = ("error_x", "error_y", "paper_bgcolor", "plot_bgcolor")  # every other underscore leads into a part


def scatter(**props: Any) -> Props:
    """A scatter trace, as plotly names its properties."""
    return {"type": "scatter", **props}


def scattergl(**props: Any) -> Props:
    """A scatter trace that the graphics card draws, for thousands of points."""
    return {"type": "scattergl", **props}


def bar(**props: Any) -> Props:
    """A bar trace, as plotly names its properties."""
    return {"type": "bar", **props}


def heatmap(**props: Any) -> Props:
    """A heat map, as plotly names its properties."""
    return {"type": "heatmap", **props}


def box(**props: Any) -> Props:
    """A box trace, as plotly names its properties."""
    return {"type": "box", **props}


class Draft:
    """A figure of rows x cols panels; `figure` ends the drawing.

    A panel is named by its row and col, from 1; what concerns axes takes a row or a column as well, or none for all.
    grid: what plotly's `make_subplots` takes for spacing, widths, heights and shared axes; one title a panel, or none.
    """

    def __init__(
        self, rows: int = 1, cols: int = 1, *, subplot_titles: Sequence[str] | None = None, **grid: Any
    ) -> None:
        titles = tuple(subplot_titles or ())
        key = tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in sorted(grid.items()))
        layout, self._axes = _grid(rows, cols, tuple(bool(title) for title in titles), key)
        self.layout: Props = copy.deepcopy(layout)
        self.annotations: list[Props] = self.layout.pop("annotations", [])
        for note, title in zip(self.annotations, filter(None, titles), strict=True):
            note["text"] = title
        self.shapes: list[Props] = []
        self.traces: list[Props] = []

    def add_trace(self, trace: Props, row: int | None = None, col: int | None = None) -> None:
        """Add a trace (see `scatter`) to the panel named, else to the first."""
        if row is None and col is None:
            self.traces.append(trace)
        else:
            ((x, y),) = self._panels(row, col)
            self.traces.append({**trace, "xaxis": x, "yaxis": y})

    def add_annotation(self, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """Write a note, in the data's coordinates where a panel is named."""
        self.annotations.append(self._placed(_nested(props), row, col))

    def add_shape(self, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """Draw a shape, in the data's coordinates where a panel is named."""
        self.shapes.append(self._placed(_nested(props), row, col))

    def add_vline(self, x: float, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """A line from bottom to top of the panels named, or of all."""
        self._span({"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, **_nested(props)}, "y", row, col)

    def add_hline(self, y: float, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """A line from left to right of the panels named, or of all."""
        self._span({"type": "line", "x0": 0, "x1": 1, "y0": y, "y1": y, **_nested(props)}, "x", row, col)

    def add_vrect(self, x0: float, x1: float, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """A band from bottom to top of the panels named, or of all."""
        self._span({"type": "rect", "x0": x0, "x1": x1, "y0": 0, "y1": 1, **_nested(props)}, "y", row, col)

    def add_hrect(self, y0: float, y1: float, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """A band from left to right of the panels named, or of all."""
        self._span({"type": "rect", "x0": 0, "x1": 1, "y0": y0, "y1": y1, **_nested(props)}, "x", row, col)

    def update_xaxes(self, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """Change the x axes of a row, a column, one panel or all."""
        for x, _ in self._panels(row, col):
            _merge(self.layout[f"xaxis{x[1:]}"], _nested(props))

    def update_yaxes(self, row: int | None = None, col: int | None = None, **props: Any) -> None:
        """Change the y axes of a row, a column, one panel or all."""
        for _, y in self._panels(row, col):
            _merge(self.layout[f"yaxis{y[1:]}"], _nested(props))

    def update_layout(self, **props: Any) -> None:
        """Change the layout."""
        _merge(self.layout, _nested(props))

    def update_annotations(self, **props: Any) -> None:
        """Change every note written so far, titles of panels too."""
        for note in self.annotations:
            _merge(note, _nested(props))

    def figure(self) -> go.Figure:
        """The figure; where it is `CHECKED`, `ValueError` names a property or value that plotly does not know."""
        notes = {name: some for name, some in (("annotations", self.annotations), ("shapes", self.shapes)) if some}
        return go.Figure(self.traces, self.layout | notes, _validate=CHECKED)

    def _panels(self, row: int | None, col: int | None) -> list[tuple[str, str]]:
        found = [axes for (r, c), axes in self._axes.items() if row in (None, r) and col in (None, c)]
        if not found:
            raise ValueError(f"the figure has no panel in row {row}, column {col}.")
        return found

    def _placed(self, props: Props, row: int | None, col: int | None) -> Props:
        """The properties with the axes of a panel; 'domain', where one asks for it, stays."""
        if row is None and col is None:
            return props
        (axes,) = self._panels(row, col)
        refs = zip(("xref", "yref"), axes, strict=True)
        return props | {name: f"{axis} domain" if "domain" in props.get(name, "") else axis for name, axis in refs}

    def _span(self, shape: Props, across: str, row: int | None, col: int | None) -> None:
        """Add a shape that spans its panels along `across`, x or y; empty ones too, which plotly leaves out."""
        for x, y in self._panels(row, col):
            refs = {"xref": x, "yref": y}
            refs[f"{across}ref"] += " domain"
            self.shapes.append(shape | refs)


@lru_cache(maxsize=128)
def _grid(
    rows: int, cols: int, titled: tuple[bool, ...], grid: tuple[tuple[str, Any], ...]
) -> tuple[Props, dict[tuple[int, int], tuple[str, str]]]:
    """plotly's layout of a grid, made once for all titles, and the axes of each panel ('x2', 'y2')."""
    if rows == cols == 1 and not titled and not grid:
        return {"xaxis": {}, "yaxis": {}}, {(1, 1): ("x", "y")}
    made = make_subplots(rows, cols, subplot_titles=["title" if some else "" for some in titled] or None, **dict(grid))
    axes = {}
    for row in range(1, rows + 1):
        for col in range(1, cols + 1):
            panel = made.get_subplot(row, col)
            axes[row, col] = tuple(axis.plotly_name.replace("axis", "") for axis in (panel.xaxis, panel.yaxis))
    layout = made.to_dict()["layout"]
    layout.pop("template", None)
    return layout, axes


def _nested(props: Props) -> Props:
    """{'title_text': 'a'} as {'title': {'text': 'a'}}."""
    nested: Props = {}
    for name, value in props.items():
        head, _, rest = (name, "", "") if name in WHOLE_NAMES else name.partition("_")
        _merge(nested, {head: _nested({rest: value}) if rest else value})
    return nested


def _merge(into: Props, changes: Props) -> None:
    """Take over changes, part by part where both are parts; a title may be a part or its text."""
    for name, value in changes.items():
        if name == "title":
            value = {"text": value} if isinstance(value, str) else value
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value) if isinstance(value, dict) else value
