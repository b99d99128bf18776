"""One selection through the whole app, by mouse: gate, map, table, patient and back, undone, and from its link."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from point_map import PointMap
from visitor import Tab

from core.icu.view import RunView

pytestmark = pytest.mark.browser

GATE, MAP = 0, 1  # charts of the view of two features


def bar(tab: Tab) -> str:
    """What the head of the page says of the selection."""
    return tab.main.get_by_text(re.compile("Selected:|No patients selected")).first.inner_text()


def count(tab: Tab) -> int:
    found = re.search(r"· ([\d,]+) patients? of", bar(tab))
    assert found, bar(tab)
    return int(found[1].replace(",", ""))


def wait_for_selection(tab: Tab, name: str) -> None:
    tab.main.get_by_text(name, exact=True).first.wait_for()
    tab.rest()


def test_a_gate_is_the_selection_of_every_page(new_tab: Callable[[], Tab], tiny_run: Path) -> None:
    tab = new_tab()
    tab.open("phenotypes?run=tiny")
    assert "No patients selected" in bar(tab)
    tab.choose("Two features")
    gate = tab.points(GATE)
    tab.box(middle(gate), 60, GATE)
    wait_for_selection(tab, "gate: SOFA, mean × Platelets, mean")
    chosen = tab.selected(GATE)
    assert 1 < len(chosen) == count(tab) < len(gate)
    assert tab.selected(MAP) == chosen
    assert tab.points(GATE) == gate, "no point has moved"

    tab.choose("Map")
    assert PointMap(tab).selected() == chosen
    tab.go("Policies")
    assert count(tab) == len(chosen)
    tab.choose("Selected patients")
    assert f"{len(chosen)} patients of 'gate: SOFA, mean × Platelets, mean'" in tab.main.inner_text()

    map_table_patient_and_back(tab, chosen, RunView(tiny_run))
    undo_and_link(tab, new_tab(), chosen)


def middle(points: dict[str, list]) -> list:
    """The point nearest to the median of all."""
    places = np.array([point[:2] for point in points.values()], dtype=float)
    away = np.abs((places - np.median(places, axis=0)) / places.std(axis=0)).sum(axis=1)
    return list(points.values())[int(away.argmin())]


def map_table_patient_and_back(tab: Tab, chosen: list[int], run: RunView) -> None:
    """A cell of the table opens its patient; the way back finds the selection as it was."""
    tab.go("Phenotypes")
    tab.main.get_by_test_id("stDataFrame").first.click(position={"x": 90, "y": 52})
    tab.page.get_by_role("heading", level=1, name="Patient", exact=True).wait_for()
    tab.rest()
    assert tab.main.get_by_text(f"Patient {run.cohort.patients[chosen[0]]} ·").count() == 1
    assert count(tab) == len(chosen)
    tab.main.get_by_role("link", name="Back to the map").click()
    tab.page.get_by_role("heading", level=1, name="Phenotypes", exact=True).wait_for()
    tab.rest()
    assert PointMap(tab).selected() == chosen


def undo_and_link(tab: Tab, friend: Tab, chosen: list[int]) -> None:
    """Undo and redo move every chart; the address opens the same selection elsewhere."""
    tab.main.get_by_role("button", name="Undo", exact=True).click()
    tab.main.get_by_text("No patients selected").wait_for()
    tab.rest()
    assert "selection" not in parse_qs(urlsplit(tab.page.url).query)
    tab.main.get_by_role("button", name="Redo", exact=True).click()
    tab.main.get_by_text("Selected:").wait_for()
    tab.rest()
    assert PointMap(tab).selected() == chosen

    address = tab.page.url.rsplit("/", 1)[1]
    friend.open(address)
    assert PointMap(friend).selected() == chosen
    assert count(friend) == len(chosen)
    friend.main.get_by_role("button", name="Clear", exact=True).click()
    friend.main.get_by_text("No patients selected").wait_for()
    friend.rest()
    tab.page.reload()
    tab.rest()
    assert PointMap(tab).selected() == chosen, "what another visitor clears is still selected here"
