"""The map in words: what it shows, for those who do not see it, and how its colors are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.figures.coloring import Coloring, shade_range
from core.icu.ask.names import phenotype_names
from pages.components.phenotypes.color_choice import PHENOTYPE

if TYPE_CHECKING:
    from core.icu.view import RunView


def alternative(run: RunView, k: int, method: str, coloring: Coloring, stated: str) -> str:
    """The map in words: how many are drawn, the phenotypes with their patients, and the range of what colors them."""
    groups = "; ".join(f"{one.text}, {one.n:,} patients{one.died}" for one in phenotype_names(run, k))
    colored = "" if coloring.title == PHENOTYPE else f" Colored by {coloring.title}{_spread(coloring)}."
    return f"{method} map of {stated[0].lower()}{stated[1:]} in {k} phenotypes: {groups}.{colored}"


def _spread(coloring: Coloring) -> str:
    if coloring.kind == "groups":
        counts = [int((coloring.values == i).sum()) for i in range(len(coloring.names))]
        return ": " + ", ".join(f"{name} {n:,}" for name, n in zip(coloring.names, counts, strict=True))
    known = coloring.values[np.isfinite(coloring.values)]
    if not len(known):
        return ", which is not known"
    low, middle, high = (coloring.text(float(v)) for v in np.percentile(known, (0, 50, 100)))
    return f", {low} to {high} {coloring.unit}, median {middle}".replace(" ,", ",")


def reading(coloring: Coloring, *, legend: bool = False) -> str:
    """How to read the colors, in a sentence or two that end in a blank; legend: one says already what marks mean."""
    parts = [part for part in (coloring.hollow_means, coloring.ring_means) if part and not legend]
    marks = f"{'; '.join(parts)}. " if parts else ""
    clipped = "" if coloring.kind == "groups" else f"Shades run from {_ends(coloring)}. "
    return f"{marks[:1].upper()}{marks[1:]}{clipped}{coloring.note}{' ' if coloring.note else ''}"


def _ends(coloring: Coloring) -> str:
    low, high = (coloring.text(end) for end in shade_range(coloring))
    return f"{low} to {high} {coloring.unit}".strip() + ", between which nearly all lie; those beyond take the ends"
