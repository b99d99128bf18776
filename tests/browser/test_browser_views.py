"""Every page and every view by its link, in light and dark: the frame stands, nothing fails, and all can read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import axe
import pytest
from app_server import ROOT
from visitor import Tab

from app import PAGES

pytestmark = pytest.mark.browser

NAMES = [name for name, _, _ in chain.from_iterable(PAGES.values())]
# Controls that choose what a page shows, from the outer to the inner; those of one level stand side by side.
LEVELS = (("View", "Idea"), ("Part",), ("Show", "Show as", "At this step"))


def views(tab: Tab, levels: tuple[tuple[str, ...], ...] = LEVELS, path: str = "") -> Iterator[str]:
    """Show every view of the page, one after another; yields the way to it."""
    if not levels:
        yield path
        return
    here, *inner = levels
    groups = [label for label in here if tab.main.get_by_role("radiogroup", name=label, exact=True).count()]
    if not groups:
        yield from views(tab, tuple(inner), path)
    for label in groups:
        group = tab.main.get_by_role("radiogroup", name=label, exact=True)
        for option in group.get_by_role("radio").all_inner_texts():
            group.get_by_role("radio", name=option, exact=True).click()
            tab.rest()
            yield from views(tab, tuple(inner), f"{path} / {option}")


def test_every_page_of_the_app_is_looked_at() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in (ROOT / "pages").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_view_opens_and_can_be_read_by_all(new_tab: Callable[[], Tab], name: str) -> None:
    if not axe.SCRIPT.is_file():
        pytest.skip(axe.MISSING)
    tab = new_tab()
    tab.open("" if name == "overview" else name)
    assert tab.page.get_by_text("Research and teaching only").is_visible()
    assert tab.main.get_by_role("heading", level=1).count() == 1
    found = []
    # The other rules do not ask for colors, and the inner views are made of the same parts as the outer ones.
    for scheme, rule, levels in (("light", "", LEVELS), ("dark", "color-contrast", LEVELS[:1])):
        tab.page.emulate_media(color_scheme=scheme)
        tab.rest()
        for view in views(tab, levels):
            found += [f"{name}{view}, {scheme}: {finding}" for finding in axe.findings(tab.page, rule)]
    assert not found, "\n".join(found)
