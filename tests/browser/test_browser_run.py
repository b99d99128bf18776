"""A run at work: a reload in the middle, a cancel and a resume lose nothing, and nobody else sees it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from visitor import PATIENCE, Tab

pytestmark = pytest.mark.browser

EPOCHS = 3000  # far more than the test waits for
ENOUGH = 30
READ_EPOCH = """least => {
    const found = document.querySelector('[data-testid=stMain]').innerText.match(/epoch (\\d+) of/);
    return found && Number(found[1]) >= least ? Number(found[1]) : null;
}"""

READ_CURVE = """least => {
    const curve = document.querySelector('.js-plotly-plot')?._fullData?.[0]?.x;
    return curve && curve.length > least ? Array.from(curve) : null;
}"""


def epoch(tab: Tab, least: int = 0) -> int:
    """The epoch that the panel shows, as soon as it is at least `least`."""
    return int(tab.page.wait_for_function(READ_EPOCH, arg=least, timeout=2 * PATIENCE).json_value())


def press(tab: Tab, name: str) -> None:
    tab.main.get_by_role("button", name=name, exact=True).click()


def cancel(tab: Tab) -> None:
    press(tab, "Cancel")
    tab.main.get_by_role("button", name="Resume").wait_for()
    assert "Cancelled" in tab.main.inner_text()


def test_reload_cancel_and_resume_lose_nothing(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("encoder")
    tab.choose("Quick")
    field = tab.main.get_by_role("spinbutton", name="epochs", exact=True)
    field.fill(str(EPOCHS))
    field.press("Enter")
    tab.main.get_by_text(f"encoder.epochs={EPOCHS}").wait_for()
    tab.main.get_by_label("Name of the run").fill("long way")
    tab.rest()
    press(tab, "Run")
    tab.main.get_by_text("Whole run:").wait_for()
    epoch(tab, 1)
    tab.page.reload()
    seen = epoch(tab, ENOUGH)

    cancel(tab)
    tab.page.reload()
    resume = tab.main.get_by_role("button", name="Resume")
    resume.wait_for()
    assert "What was finished is kept" in tab.main.inner_text()

    stranger = new_tab()
    job = re.search(r"job=([^&]+)", tab.page.url)
    assert job is not None
    stranger.open(f"encoder?job={job[1]}&run={job[1]}")
    assert stranger.main.get_by_text("This run is not here").is_visible()
    assert "Tiny run" in stranger.main.locator(".pp-run").inner_text()
    stranger.open("experiments")
    assert "1 run that you may see" in stranger.main.inner_text()

    resume.click()
    epoch(tab, seen + ENOUGH)
    drawn = tab.page.wait_for_function(READ_CURVE, arg=seen, timeout=2 * PATIENCE).json_value()
    assert drawn == list(range(1, len(drawn) + 1)), "no epoch was lost, none was done twice"
    assert len(drawn) > seen
    cancel(tab)
    press(tab, "Close")
    resume.wait_for(state="detached")
