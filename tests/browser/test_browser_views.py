"""Every page and every view by its link, in light and dark, where every name is a trap: the frame stands, nothing
fails, all can read it, markup stays text, and nobody is asked but the app."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import axe
import pytest
from app_server import ROOT, SIZE, serve
from point_map import PointMap
from traps import CODE, HOST, KEY, PATIENT, SPRUNG, TRAP, plant_all
from visitor import LEVELS, PATIENCE, Tab

from app import PAGES
from pages.components.shell.door import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Request

pytestmark = pytest.mark.browser

NAMES = [name for name, _, _ in chain.from_iterable(PAGES.values())]
PLACES = {  # else the page with a patient
    "overview": [""],
    "encoder": ["encoder?job=at-work"],
    "classroom": ["classroom", f"classroom?class-code={CODE}"],
}
SAID = {"policies": [HOST], "learn": []}  # what a page must have said of the traps; else their beginning
WORD_JOINER = "\u2060"  # stands within the addresses of traps, so that nothing links them


class Visitor:
    """Who looks at the views of the trapped app: what sprang, what was said, and what a reader stumbles over."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.sprung: list[str] = []
        self.said: list[str] = []
        self.stumbled: list[str] = []
        self.asked: set[str] = set()

    def hear(self, request: Request) -> None:
        if request.url.startswith("http"):
            self.asked.add(urlsplit(request.url).netloc)

    def look(self, view: str) -> None:
        self.sprung += [f"{view}: {found}" for found in self.tab.page.evaluate(SPRUNG)]
        self.said.append((self.tab.main.text_content() or "").replace(WORD_JOINER, ""))  # cells of tables, too

    def walk(self, place: str) -> None:
        """Open a page by its address and look at each of its views, in light; then at the outer ones in dark.

        The other rules do not ask for colors, and the inner views are made of the same parts as the outer ones.
        """
        self.tab.page.emulate_media(color_scheme="light")
        self.tab.open(place)
        self.look(place)
        assert self.tab.page.get_by_text("Research and teaching only").is_visible()
        assert self.tab.main.get_by_role("heading", level=1).count() == 1
        for scheme, rule, levels in (("light", "", LEVELS), ("dark", "color-contrast", LEVELS[:1])):
            self.tab.page.emulate_media(color_scheme=scheme)
            self.tab.rest()
            for view in self.tab.views(levels):
                self.look(f"{place}{view}")
                found = axe.findings(self.tab.page, rule)
                self.stumbled += [f"{place}{view}, {scheme}: {finding}" for finding in found]

    def point_at_a_patient(self) -> None:
        """The tooltip of the map tells the patient's key."""
        self.tab.open("phenotypes?run=tiny")
        self.tab.page.mouse.move(*PointMap(self.tab).pixels()[PATIENT])
        tip = self.tab.page.locator(".pp-map-tip")
        tip.wait_for()
        assert TRAP[:30] in tip.inner_text().replace(WORD_JOINER, "")
        self.look("tip")


@pytest.fixture(scope="module")
def window(
    browser: Browser, tiny_run: Path, tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tab]:
    """One window for all pages, so that what draws them is fetched once, on an app that is full of traps."""
    data = tmp_path_factory.mktemp("trapped")
    plant_all(data, tiny_run, tiny_registry)
    with serve(data) as address:
        context = browser.new_context(viewport=SIZE, bypass_csp=True)  # the pages' rules would hide what the text does
        context.add_cookies([{"name": COOKIE, "value": KEY, "url": address}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        tab = Tab(page, address)
        tab.watch()
        yield tab
        context.close()


def test_every_page_of_the_app_is_looked_at() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in (ROOT / "pages").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_view_opens_can_be_read_by_all_and_asks_no_stranger(window: Tab, name: str) -> None:
    if not axe.SCRIPT.is_file():
        pytest.skip(axe.MISSING)
    visitor, complained = Visitor(window), len(window.errors)
    window.page.context.on("request", visitor.hear)
    for place in PLACES.get(name, [f"{name}?patient={PATIENT}"]):
        visitor.walk(place)
    if name == "phenotypes":
        visitor.point_at_a_patient()
    window.page.context.remove_listener("request", visitor.hear)
    assert not visitor.sprung
    assert visitor.asked == {urlsplit(window.address).netloc}
    for trap in SAID.get(name, [TRAP[:30]]):
        assert any(trap in text for text in visitor.said), f"{trap} is there, as text"
    assert not visitor.stumbled, "\n".join(visitor.stumbled)
    assert window.errors[complained:] == []
