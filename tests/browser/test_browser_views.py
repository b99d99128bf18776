"""Every page and every view by its link, in light and dark: the frame stands, nothing fails, and all can read it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import axe
import pytest
from app_server import ROOT
from visitor import LEVELS, Tab

from app import PAGES

pytestmark = pytest.mark.browser

NAMES = [name for name, _, _ in chain.from_iterable(PAGES.values())]


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
        for view in tab.views(levels):
            found += [f"{name}{view}, {scheme}: {finding}" for finding in axe.findings(tab.page, rule)]
    assert not found, "\n".join(found)
