"""One app and one Chromium for all browser tests; every tab keeps what its console complained about."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_server import SIZE, chromium, find_chromium, serve
from visitor import PATIENCE, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium; the tests are skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed; see requirements-dev.txt")
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium found; install it, for example with 'sudo apt-get install chromium'")
    with chromium(executable) as found:
        yield found


@pytest.fixture(scope="session")
def app(
    browser: Browser, tiny_run: Path, tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of the app on a data folder of its own that holds one small finished run of each study, `tiny`."""
    data = tmp_path_factory.mktemp("app_data")
    shutil.copytree(tiny_run, data / "runs" / "tiny")
    shutil.copytree(tiny_registry, data / "registry" / "tiny")
    with serve(data) as address:
        yield address


@pytest.fixture
def new_tab(browser: Browser, app: str) -> Iterator[Callable[[], Tab]]:
    """Opens tabs of different visitors; at the end none of their consoles may hold an error."""
    with tabs_of(browser, app) as open_tab:
        yield open_tab


@pytest.fixture(scope="module")
def new_tab_of_module(browser: Browser, app: str) -> Iterator[Callable[[], Tab]]:
    """The same for visitors who stay through all tests of a module."""
    with tabs_of(browser, app) as open_tab:
        yield open_tab


@contextmanager
def tabs_of(browser: Browser, app: str) -> Iterator[Callable[[], Tab]]:
    """Opens tabs on an app until the block ends, and asserts that they complained about nothing."""
    tabs: list[Tab] = []

    def open_tab() -> Tab:
        page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()
        page.set_default_timeout(PATIENCE)
        tabs.append(Tab(page, app))
        tabs[-1].watch()
        return tabs[-1]

    yield open_tab
    complaints = [error for tab in tabs for error in tab.errors]
    for tab in tabs:
        tab.page.context.close()
    assert not complaints
