"""The WebGL map in a real browser: it is drawn, a lasso selects its rows, colors come without points, keys work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from point_map import PointMap
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from visitor import PATIENCE, Tab

from core.icu.view import RunView

if TYPE_CHECKING:
    from playwright.sync_api import WebSocket

pytestmark = pytest.mark.browser
NO_WEBGL = """
    const found = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return kind.startsWith('webgl') ? null : found.call(this, kind, ...more);
    };
"""


@dataclass
class Wire:
    """What went over the socket: how often points came, bytes of looks, and of the largest message back."""

    points: int = 0
    looks: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)

    def listen(self, tab: Tab) -> None:
        tab.page.on("websocket", self._connect)

    def _connect(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._told)
        socket.on("framesent", self._asked)

    def _told(self, frame: bytes | str) -> None:
        part = ForwardMsg.FromString(frame).delta.new_element.bidi_component if isinstance(frame, bytes) else None
        if part is not None and part.component_name == "point_map":
            self.points += 1
        elif part is not None and part.component_name == "point_map_look":
            self.looks.append(len(frame))

    def _asked(self, frame: bytes | str) -> None:
        if isinstance(frame, bytes) and BackMsg.FromString(frame).WhichOneof("type") == "rerun_script":
            self.back.append(len(frame))


def choose(tab: Tab, label: str, option: str) -> None:
    """Choose an option of a box by typing."""
    tab.main.get_by_role("combobox", name=label).first.click()
    tab.page.keyboard.type(option)
    tab.page.wait_for_timeout(300)
    tab.page.keyboard.press("Enter")
    tab.rest()


def test_points_come_once_and_a_lasso_sends_back_their_rows(new_tab: Callable[[], Tab], tiny_run: Path) -> None:
    tab, wire, run = new_tab(), Wire(), RunView(tiny_run)
    wire.listen(tab)
    tab.open("phenotypes?run=tiny")
    shown = PointMap(tab)
    before = shown.points()
    assert len(before) == run.cohort.n_patients
    placed, own = np.array([before[str(i)][:2] for i in range(len(before))]), run.projection("umap")
    assert np.abs(np.corrcoef(placed[:, 0], own[:, 0])[0, 1]) > 0.9999
    assert np.abs(np.corrcoef(placed[:, 1], own[:, 1])[0, 1]) > 0.9999
    width, height, colors = shown.ink()
    assert width > 300
    assert height > 300
    assert colors > 3, "an empty canvas has one color"
    assert wire.points == 1

    tab.step("Number of phenotypes K", "ArrowRight")
    after = shown.points()
    assert {row: xy[:2] for row, xy in before.items()} == {row: xy[:2] for row, xy in after.items()}
    assert {xy[2] for xy in before.values()} < {xy[2] for xy in after.values()}
    choose(tab, "Color by", "Platelets")
    assert len({xy[2] for xy in shown.points().values()}) > 10
    assert wire.points == 1, "colors come without points"

    lasso_is_the_selection(tab, shown, wire)


def lasso_is_the_selection(tab: Tab, shown: PointMap, wire: Wire) -> None:
    """The rows inside the loop, and no others, are selected everywhere; one click selects one; Escape nobody."""
    row, radius = 7, 40
    places = np.array(shown.pixels())
    inside = np.flatnonzero((np.abs(places - places[row]) < radius).all(axis=1)).tolist()
    wire.back.clear()
    shown.lasso(row, radius)
    tab.main.get_by_text("lasso on the map").first.wait_for()
    tab.rest()
    assert shown.selected() == inside
    assert f"{len(inside)} patient" in tab.main.inner_text()
    assert max(wire.back) < 5000, "rows travel, not points"
    assert wire.points == 1
    tab.page.mouse.click(*shown.pixels()[row])
    tab.main.get_by_text("1 patient of").wait_for()
    tab.main.get_by_text("click on the map").first.wait_for()
    tab.rest()
    assert len(shown.selected()) == 1

    tab.page.get_by_role("application").focus()
    tab.page.keyboard.press("Escape")
    tab.main.get_by_text("No patients selected").wait_for()
    tab.rest()
    assert shown.selected() == []
    shown.loop(*shown.empty_place(20), 20)
    tab.main.get_by_role("status").filter(has_text="No patient lies inside the loop").wait_for()
    tab.page.get_by_role("application").focus()
    tab.page.keyboard.press("+")
    tab.page.keyboard.press("Enter")
    tab.main.get_by_text("in view on the map").first.wait_for()
    tab.rest()
    before = shown.selected()
    assert 0 < len(before) < len(shown.points()), "what is in view is selected by keyboard alone"
    tab.page.get_by_role("application").focus()
    for _ in range(20):
        tab.page.keyboard.press("ArrowLeft")
    tab.page.keyboard.press("Enter")
    tab.main.get_by_role("status").filter(has_text="No patient is in view").wait_for()
    assert shown.selected() == before


def test_the_pointer_tells_a_patient_in_clinical_words(new_tab: Callable[[], Tab], tiny_run: Path) -> None:
    tab, run = new_tab(), RunView(tiny_run)
    tab.open("phenotypes?run=tiny")
    shown = PointMap(tab)
    tab.page.mouse.move(*shown.pixels()[3])
    tip = tab.page.locator(".pp-map-tip")
    tip.wait_for()
    said = tip.inner_text()
    assert any(f"Patient {key}\n" in said for key in run.cohort.patients)
    for words in ("Age ", "within 90 days", "SOFA", "Platelets", "Phenotype "):
        assert words in said


def test_without_webgl_the_plain_map_stands_in_its_place(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.page.add_init_script(NO_WEBGL)
    tab.open("phenotypes?run=tiny")
    tab.main.get_by_text("This browser draws no WebGL").wait_for(timeout=PATIENCE)
    tab.rest()
    points = tab.points()
    assert len(points) == 160
    tab.lasso(next(iter(points.values())), 40)
    tab.main.get_by_text("Selected:").first.wait_for()
