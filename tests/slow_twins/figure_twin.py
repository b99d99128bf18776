"""One series of drawing calls for a draft and for plotly's own figure, whose every call checks and copies."""

from __future__ import annotations

from typing import Any

import numpy as np

GRIDS: list[tuple[int, int, dict[str, Any]]] = [
    (1, 1, {"subplot_titles": ["one"]}),
    (3, 1, {"shared_xaxes": True, "vertical_spacing": 0.08, "row_heights": [0.5, 0.25, 0.25]}),
    (2, 2, {"shared_yaxes": True, "subplot_titles": ["a", "", "b <i>c</i>", "d"]}),
    (1, 3, {"column_widths": [0.5, 0.3, 0.2], "horizontal_spacing": 0.03, "subplot_titles": ["x", "y", "z"]}),
]


def fill(fig: Any, trace: Any, rows: int, cols: int) -> None:
    """The same calls for both."""
    for row in range(1, rows + 1):
        for col in range(1, cols + 1):
            props = {"x": np.arange(3.0), "y": np.array([1.0, np.nan, row + col]), "marker": {"size": 4}}
            fig.add_trace(trace(mode="markers", name=f"{row}, {col}", **props), row=row, col=col)
    last = {"row": rows, "col": cols}
    fig.add_vline(x=1.5, line={"color": "red", "width": 1})
    fig.add_hline(y=2.0, line={"dash": "dot"}, **last)
    fig.add_hrect(0.5, 1.0, fillcolor="green", line_width=0, layer="below", row=1, col=1)
    fig.add_vrect(x0=0, x1=1, fillcolor="blue", opacity=0.5)
    fig.add_shape(type="rect", x0=0, x1=1, y0=2, y1=3, **last)
    fig.update_annotations(font_size=12.5, x=0.0)
    fig.add_annotation(x=0.5, y=1.0, text="note", yref="y domain", showarrow=False, **last)
    fig.add_annotation(x=0, y=0, text="outside", xref="paper", yref="paper", font={"color": "red"})
    fig.update_xaxes(title_text="all", range=[0, 3])
    fig.update_xaxes(title={"standoff": 3}, row=rows, col=1)
    fig.update_yaxes(tickvals=[1, 2], ticktext=["one", "two"], row=1)
    fig.update_yaxes(title_text="last", showgrid=False, col=cols)
    fig.update_layout(margin={"l": 1, "r": 2}, legend={"y": 1.0}, title={"text": "whole"})
    fig.update_layout(margin={"l": 8}, legend_orientation="h", title_font_size=15)
