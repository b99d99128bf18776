"""Names written at the ends of lines, pushed apart where lines meet, so that no legend is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.figures.draft import Draft

LEADER = 20  # pixels between the end of a line and its label


def in_lines(dose: str) -> str:
    """A dose bin's label broken over lines for an axis: '3,600–', '5,402'."""
    return dose.replace("> ", ">").replace("–", "–<br>").replace(" ", "<br>").replace(">0", "> 0")


def spread_out(values: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Positions near `values`, in the same order, no two closer than `gap`.

    Overlapping labels are merged into blocks that are centered on the mean of their values (pool adjacent violators on
    value - rank * gap), so a label moves no farther than it must.
    """
    y = np.asarray(values, dtype=float)
    order = np.argsort(y, kind="stable")
    blocks: list[tuple[float, int]] = []  # mean of value - rank * gap, size
    for rank, i in enumerate(order):
        blocks.append((y[i] - rank * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (m2, n2), (m1, n1) = blocks.pop(), blocks.pop()
            blocks.append(((m1 * n1 + m2 * n2) / (n1 + n2), n1 + n2))
    level = np.concatenate([np.full(n, mean) for mean, n in blocks]) if blocks else np.empty(0)
    placed = np.empty(len(y))
    placed[order] = level + gap * np.arange(len(y))
    return placed


def end_labels(
    fig: Draft,
    x: float,
    labels: Sequence[tuple[str, float, str]],
    gap: float,
    *,
    row: int | None = None,
    col: int | None = None,
    size: int = 12,
    within: tuple[float, float] = (-np.inf, np.inf),
    leaders: bool = False,
) -> None:
    """Write (text, value, color) to the right of x at each value, apart by at least `gap` in units of the y axis.

    within: the axis range that the labels must not leave, since a label outside of it is not drawn. leaders: thin lines
    from each value to its label, for a figure of one panel where many lines end close together.
    """
    known = sorted((label for label in labels if np.isfinite(label[1])), key=lambda label: label[1])
    ranks = np.arange(len(known))
    placed = np.maximum(spread_out([value for _, value, _ in known], gap), within[0] + ranks * gap)
    placed = np.minimum(placed, within[1] - ranks[::-1] * gap)
    for (text, value, color), y in zip(known, placed, strict=True):
        place: dict[str, object] = {"y": float(y), "showarrow": False, "xshift": 8}
        if leaders:
            lead: dict[str, object] = {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": color, "standoff": 2}
            place = {"y": value, "showarrow": True, "ax": LEADER, "ay": float(y), "ayref": "y", **lead}
        fig.add_annotation(
            x=x,
            text=text,
            xanchor="left",
            yanchor="middle",
            font={"color": color, "size": size},
            row=row,
            col=col,
            **place,
        )
