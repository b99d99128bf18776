"""Colorings as codes and colors, and what travels to the map in the browser: points once, looks without points."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.figures.coloring import SHADES, Coloring, painted, shades
from core.figures.phenotype_map import colored_map
from core.figures.point_map import NO_VALUE, TOP, Told, look_message, points_message, quantized
from core.figures.theme import NEUTRAL

GROUPS = Coloring("Outcome", "groups", np.array([0, 1, 1, -1]), ("survived", "died"), ("#56B4E9", "#D55E00"))
CHANGE = Coloring("Platelets, change", "change", np.array([-50.0, 0.0, 100.0, np.nan]), unit="×10⁹/L", decimals=0)


def unpack(message: bytes) -> tuple[dict, dict[str, bytes]]:
    """As the browser reads it."""
    length = int.from_bytes(message[:4], "little")
    head, offset, parts = json.loads(message[4 : 4 + length]), 4 + length, {}
    for part in head["parts"]:
        parts[part["name"]] = message[offset : offset + part["size"]]
        offset += part["size"]
    assert offset == len(message)
    return head, parts


def inflated(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def test_groups_keep_their_colors_and_none_is_gray() -> None:
    paint = painted(GROUPS)
    assert paint.codes.tolist() == [0, 1, 1, 2]
    assert paint.colors == ("#56B4E9", "#D55E00", NEUTRAL)


def test_a_change_is_colored_around_zero() -> None:
    paint = painted(CHANGE)
    assert paint.low == -paint.high
    middle = (SHADES - 1) / 2
    assert abs(paint.codes[1] - middle) <= 0.5
    assert paint.codes[0] < middle < paint.codes[2] == SHADES - 1
    assert paint.codes[3] == SHADES, "what is not known is gray"
    assert shades("change")[0] != shades("change")[-1]


def test_outliers_take_the_outermost_shade() -> None:
    values = np.concatenate([np.linspace(0, 1, 99), [1e6]])
    paint = painted(Coloring("x", "amount", values))
    assert paint.high < 2
    assert paint.codes[-1] == SHADES - 1


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)))
def test_numbers_survive_the_way_within_a_step(values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    back = low + quantized(values, low, high) / TOP * (high - low)
    assert back == pytest.approx(values, abs=(high - low) / TOP + 1e-9)


def test_what_is_not_finite_travels_as_none() -> None:
    assert quantized(np.array([np.nan, 1.0, 2.0]), 1.0, 2.0).tolist() == [NO_VALUE, 0, TOP]


def test_points_travel_with_what_the_pointer_tells() -> None:
    told = [
        Told("Age", "years", 0, np.array([50.0, 60, 90]), None),
        Told("SOFA", "", 0, np.array([2.0, 4, 6]), np.array([3.0, 0, 12])),
    ]
    points = np.array([[0.0, 5.0], [10.0, 0.0], [5.0, 10.0]])
    keys = np.array(["7", "a\nb", "ü"])
    died = np.array([False, True, False])
    head, parts = unpack(points_message("map", points, keys, died, ("survived", "died"), told))
    assert (head["id"], head["n"], head["outcomes"]) == ("map", 3, ["survived", "died"])
    x, y = (np.frombuffer(parts[axis], "<u2") / 65535 for axis in "xy")
    assert np.stack([x, y], axis=1) == pytest.approx(points / 10, abs=1e-4)
    assert zlib.decompress(parts["keys"]).decode().split("\n") == ["7", "a b", "ü"]
    assert list(parts["died"]) == [0, 1, 0]
    sofa = head["columns"][1]
    last = sofa["from"] + np.frombuffer(parts["last1"], "<u2") / TOP * (sofa["to"] - sofa["from"])
    assert last == pytest.approx([3, 0, 12], abs=1e-3)
    assert "last0" not in parts
    other, _ = unpack(points_message("map", points[::-1], keys, died, ("survived", "died"), told))
    assert other["stamp"] != head["stamp"], "other points are told from these"


def test_a_look_holds_no_points() -> None:
    labels, names = np.array([0, 1, 0, 1]), ("Phenotype 0: low a", "Phenotype 1: high a")
    phenotypes = Coloring("Phenotype", "groups", labels, names, ("#0072B2", "#D55E00"))
    look = look_message("map", phenotypes, labels, names, details=["2 patients, 50 % died", "2 patients, 0 % died"])
    assert look["numbered"]
    assert list(inflated(look["values"])) == labels.tolist()
    assert [(g["code"], g["name"], g["detail"]) for g in look["groups"]] == [
        (0, names[0], "2 patients, 50 % died"),
        (1, names[1], "2 patients, 0 % died"),
    ]
    marked = replace(
        CHANGE,
        hollow=np.array([True, False, False, False]),
        ring=np.array([False, False, False, True]),
        hollow_means="hollow: not supported",
        ring_means="red ring: against a rule",
    )
    look = look_message("map", marked, labels, names)
    assert not look["numbered"]
    assert list(inflated(look["labels"])) == labels.tolist(), "the pointer tells the phenotype under any coloring"
    assert look["range"] == ["-96 ×10⁹/L", "96 ×10⁹/L"] or look["range"][0].startswith("-")
    assert inflated(look["hollow"]) == bytes([0b10000000])
    assert inflated(look["ring"]) == bytes([0b00010000])
    assert [mark["text"] for mark in look["marks"]] == ["not supported", "against a rule"]
    assert "x" not in look
    assert "keys" not in look


def test_the_look_of_a_million_points_is_small() -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    names = ("a", "b", "c")
    look = look_message("map", Coloring("Phenotype", "groups", labels, names, ("#000000",) * 3), labels, names)
    assert len(json.dumps(look)) < n, "less than a byte a point"


def test_the_plain_map_draws_hollow_points_and_rings() -> None:
    hollow, ring = np.array([True, False, False, False]), np.array([False, True, False, False])
    marked = replace(CHANGE, hollow=hollow, ring=ring, ring_means="red ring: against a rule")
    figure = colored_map(np.eye(4, 2), marked, np.arange(4) + 10, np.array(list("abcd")), method="UMAP")
    rings, points = figure.data
    assert (rings.x.tolist(), rings.y.tolist()) == ([0.0], [1.0])
    assert rings.customdata is None, "a ring selects nobody"
    assert points.customdata.tolist() == [10, 11, 12, 13]
    assert list(points.marker.symbol) == ["circle-open", "circle", "circle", "circle"]
    assert points.marker.cmin == -points.marker.cmax
    assert points.text[0] == "patient a"


def test_groups_of_the_plain_map_have_traces_of_their_own() -> None:
    figure = colored_map(np.eye(4, 2), GROUPS, np.arange(4), np.array(list("abcd")), method="PCA")
    assert {trace.name: trace.customdata.tolist() for trace in figure.data} == {"survived": [0], "died": [1, 2]}
    assert len({trace.marker.symbol for trace in figure.data}) == 2, "told apart without color"


def test_some_of_the_points_keep_the_shades_of_all() -> None:
    few = CHANGE.among(np.array([1]))
    assert (painted(few).low, painted(few).high) == (painted(CHANGE).low, painted(CHANGE).high)
    assert painted(few).codes[0] == painted(CHANGE).codes[1]
