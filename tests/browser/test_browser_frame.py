"""A real browser against a real server: the frame around every page, a cohort in one click, nothing sent elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from app_server import SIZE, serve
from visitor import PATIENCE, settle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server of its own with an empty data folder."""
    data = tmp_path_factory.mktemp("empty_data")
    (data / "runs").mkdir()
    with serve(data) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    tab = browser.new_context(viewport=SIZE).new_page()
    tab.set_default_timeout(PATIENCE)
    yield tab
    tab.context.close()


def test_a_deep_link_as_first_visit_has_the_whole_frame(server: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server}/cohort")
    page.get_by_role("heading", name="Cohort").wait_for()
    page.get_by_role("link", name="Encoder").wait_for()
    page.get_by_role("button", name="Simulate MIMIC-IV-like").wait_for()
    assert page.get_by_text("Research and teaching only").is_visible()
    foreign = [url for url in asked if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))]
    assert not foreign


def test_the_purpose_opens_by_mouse(server: str, page: Page) -> None:
    page.goto(f"{server}/encoder")
    page.get_by_text("Research and teaching only").click()  # waits until nothing lies over it
    assert page.get_by_text("Not a medical device").is_visible()


def test_a_cohort_in_one_click_survives_a_reload(server: str, page: Page) -> None:
    page.goto(f"{server}/cohort")
    page.get_by_role("button", name="Simulate eICU-like").click()
    page.get_by_text("From the source to the cohort").wait_for()
    address = page.url
    assert "owner=" not in address
    page.reload()
    page.get_by_text("From the source to the cohort").wait_for()
    settle(page)  # a click while the page is still being drawn may fall on a link that is about to be replaced
    assert page.url == address
    page.get_by_role("link", name="Train on this cohort").click()
    page.get_by_role("button", name="Run", exact=True).wait_for()
    assert "owner=" not in page.url


def test_no_page_scrolls_sideways(server: str, page: Page) -> None:
    for name in ("", "cohort", "encoder"):
        page.goto(f"{server}/{name}")
        page.get_by_text("Research and teaching only").wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
