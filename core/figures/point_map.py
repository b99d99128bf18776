"""The map of patients as messages to the browser: points once, then looks (colors, legend) without points.

A message of points is its head's length (uint32), the head as JSON, and parts that the head lists. Numbers travel as
uint16 between their least and largest, rows as a bit each; what is long is deflated. Of a point there are 5 bytes, 2
more for each number that the pointer tells, and its key.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from core.figures.coloring import HAZARD, Coloring, painted

TOP = 65534  # the largest number that travels; the next stands for none
NO_VALUE = 65535
LEVEL = 1  # of deflating: the network is near, the server is not to wait


@dataclass(frozen=True, eq=False)
class Told:
    """A number that the pointer tells of each point: at the first step, and at the last where it has a course."""

    label: str
    unit: str
    decimals: int | None
    first: np.ndarray
    last: np.ndarray | None


def points_message(
    name: str, points: np.ndarray, keys: np.ndarray, died: np.ndarray, outcomes: Sequence[str], told: Sequence[Told]
) -> bytes:
    """Points (n, 2) with what the pointer tells of them; keys (n,), died (n,) bool, outcomes: words for False and True.

    name: by which looks find the map. The head's stamp tells whether the browser holds these very points.
    """
    xy = np.asarray(points, dtype=np.float64)
    parts = {"x": _places(xy[:, 0]), "y": _places(xy[:, 1]), "died": np.asarray(died, np.uint8).tobytes()}
    columns = []
    for i, column in enumerate(told):
        ends = [end for end in (column.first, column.last) if end is not None]
        low, high = min(float(end.min()) for end in ends), max(float(end.max()) for end in ends)
        columns.append(
            {"label": column.label, "unit": column.unit, "decimals": column.decimals, "from": low, "to": high}
        )
        parts[f"first{i}"] = quantized(column.first, low, high).tobytes()
        if column.last is not None:
            parts[f"last{i}"] = quantized(column.last, low, high).tobytes()
    lines = "\n".join(str(key).replace("\n", " ") for key in keys)
    parts["keys"] = zlib.compress(lines.encode(), LEVEL)
    stamp = sha256(b"".join(parts.values())).hexdigest()[:16]
    head = {"id": name, "n": len(xy), "stamp": stamp, "outcomes": list(outcomes), "columns": columns}
    head["parts"] = [{"name": part, "size": len(held)} for part, held in parts.items()]
    text = json.dumps(head).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *parts.values()])


def look_message(
    name: str,
    coloring: Coloring,
    labels: np.ndarray,
    names: Sequence[str],
    *,
    details: Sequence[str] = (),
    alt: str = "",
) -> dict[str, Any]:
    """How the points of map `name` are drawn, as JSON.

    coloring, labels (n,) phenotypes: of these points in their order; names, details: of the phenotypes, and what stands
    beside each group in the legend; alt: the map in words.
    """
    paint = painted(coloring)
    look: dict[str, Any] = {"id": name, "title": coloring.title, "colors": paint.colors, "hazard": HAZARD, "alt": alt}
    look |= {"names": list(names), "size": _size(len(labels)), "range": None, "groups": []}
    if coloring.kind == "groups":
        look["values"] = _text(paint.codes.tobytes())
        counts = np.bincount(paint.codes, minlength=len(coloring.names))
        beside = details or [f"{int(n):,} patients" for n in counts[: len(coloring.names)]]
        look["groups"] = [
            {"code": i, "name": group, "detail": detail}
            for i, (group, detail) in enumerate(zip(coloring.names, beside, strict=True))
        ]
    else:
        known = coloring.values[np.isfinite(coloring.values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        look["values"] = _text(quantized(coloring.values, low, high).tobytes())
        ends = [f"{coloring.text(end)} {coloring.unit}".strip() for end in (paint.low, paint.high)]
        look |= {"range": ends, "low": paint.low, "high": paint.high, "from": low, "to": high}
    look["numbered"] = coloring.kind == "groups" and tuple(names) == coloring.names
    look["labels"] = "" if look["numbered"] else _text(np.asarray(labels, np.uint8).tobytes())
    for what, marks in (("hollow", coloring.hollow), ("ring", coloring.ring)):
        look[what] = "" if marks is None else _text(np.packbits(marks).tobytes())
    told = (("hollow", coloring.hollow_means), ("ring", coloring.ring_means))
    look["marks"] = [{"kind": kind, "text": text.partition(": ")[2]} for kind, text in told if text]
    return look


def quantized(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint16 of values between low and high; `NO_VALUE` where a value is not finite."""
    real = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        place = np.rint(np.clip((real - low) / ((high - low) or 1.0), 0, 1) * TOP)
    return np.where(np.isfinite(real), np.nan_to_num(place), NO_VALUE).astype("<u2")


def _places(values: np.ndarray) -> bytes:
    """Coordinates as uint16 over their own range: the axes of the map are fitted to all points."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return np.rint((values - low) / ((high - low) or 1.0) * NO_VALUE).astype("<u2").tobytes()


def _text(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode()


def _size(n: int) -> float:
    """Diameter of n points, in pixels."""
    return next((size for most, size in ((1500, 7.0), (6000, 5.0), (30_000, 3.5), (200_000, 2.0)) if n < most), 1.2)
