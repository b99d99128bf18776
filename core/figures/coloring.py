"""What the points of a map are colored by, and the colors themselves: groups, amounts, or changes around 0.

A coloring is numbers and words; here it becomes codes into a short list of colors, which Plotly and the map in the
browser both draw. Beside its color a point can be hollow (what it tells is not supported by the records) and carry a
red ring (a hazard), so that neither rests on color alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from plotly.colors import sample_colorscale

from core.figures.theme import DIVERGING, NEUTRAL, SEQUENTIAL

Kind = Literal["groups", "amount", "change"]
SHADES = 64  # of an amount or a change
HAZARD = "#D1001F"  # of the ring around a point whose advice breaks a rule
CLIPPED = (2.0, 98.0)  # percentiles between which the shades run; beyond them the outermost stand
UNKNOWN = "not known"


@dataclass(frozen=True, eq=False)
class Coloring:
    """One number a point, and how to read it.

    values (N,): of groups their number, -1 for none; else physical units, NaN where not known. names, colors: of the
    groups, by number. unit, decimals: of an amount or a change. hollow, ring: (N,) bool, None where neither is told;
    hollow_means and ring_means say what for. note: what one has to know to read it. span: what the first
    and the last shade stand for, where it is not to be found from these values.
    """

    title: str
    kind: Kind
    values: np.ndarray
    names: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    unit: str = ""
    decimals: int | None = None
    hollow: np.ndarray | None = None
    ring: np.ndarray | None = None
    hollow_means: str = ""
    ring_means: str = ""
    note: str = ""
    span: tuple[float, float] | None = None

    def among(self, points: np.ndarray) -> Coloring:
        """The coloring of some of the points, in the order given; shades stay those of all."""
        hollow, ring = (None if marks is None else marks[points] for marks in (self.hollow, self.ring))
        span = shade_range(self) if self.kind != "groups" else None
        return replace(self, values=self.values[points], hollow=hollow, ring=ring, span=span)

    def text(self, value: float) -> str:
        """A value as it is read, without unit."""
        return f"{value:,.4g}" if self.decimals is None else f"{value:,.{self.decimals}f}"


@dataclass(frozen=True, eq=False)
class Painted:
    """codes (N,) uint8 into colors, the last of which is for points without a value; low, high: what the first and the
    last shade stand for (NaN of groups)."""

    codes: np.ndarray
    colors: tuple[str, ...]
    low: float
    high: float


def painted(coloring: Coloring) -> Painted:
    """The coloring as codes into its colors."""
    if coloring.kind == "groups":
        colors = (*coloring.colors, NEUTRAL)
        codes = np.where(coloring.values < 0, len(coloring.colors), coloring.values)
        return Painted(codes.astype(np.uint8), colors, np.nan, np.nan)
    low, high = shade_range(coloring)
    with np.errstate(invalid="ignore"):
        place = np.clip((coloring.values - low) / (high - low), 0, 1) * (SHADES - 1)
    codes = np.where(np.isfinite(place), np.rint(np.nan_to_num(place)), SHADES)
    return Painted(codes.astype(np.uint8), (*shades(coloring.kind), NEUTRAL), low, high)


def shade_range(coloring: Coloring) -> tuple[float, float]:
    """What the first and the last shade stand for: nearly all values, around 0 for a change; never equal."""
    if coloring.span is not None:
        return coloring.span
    known = coloring.values[np.isfinite(coloring.values)]
    if not len(known):
        return 0.0, 1.0
    low, high = (float(bound) for bound in np.percentile(known, CLIPPED))
    if low == high:
        low, high = float(known.min()), float(known.max())
    if coloring.kind == "change":
        reach = max(abs(low), abs(high)) or 1.0
        return -reach, reach
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def shades(kind: Kind) -> tuple[str, ...]:
    """The colors of an amount or a change, from low to high, as #rrggbb."""
    scale = SEQUENTIAL if kind == "amount" else [list(stop) for stop in DIVERGING]
    found: Sequence[str] = sample_colorscale(scale, list(np.linspace(0, 1, SHADES)))
    return tuple("#" + "".join(f"{int(part):02x}" for part in color[4:-1].split(",")) for color in found)
