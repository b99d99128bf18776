"""Every page at three sizes of a window: nothing scrolls sideways or is cut, what a page is for stands high, and a wide
window is used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_browser_views import NAMES
from visitor import Levels, Tab

pytestmark = pytest.mark.browser

SIZES = ((1024, 768), (1280, 800), (1920, 1080))
FIRST_PANEL = 300  # pixels at most from the top of a window of 1280 x 800 to what a view is for
PANEL_LEVELS: Levels = (("View", "Idea"), ("Part",), ("Show",))
GLANCE, GLANCES = 200, 50  # milliseconds between looks, and how many looks at most
LEAST_USED = 0.85  # of the width beside the sidebar, at 1920
# Boxes that scroll sideways: the page itself, and whatever is no table, figure or code, which may within its frame.
SIDEWAYS = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => `${box.dataset.testid ?? 'window'}: ${box.scrollWidth} > ${box.clientWidth}`)"""
# Words of controls and large numbers that do not stand whole.
CUT = """() => ['stButtonGroup', 'stMetric', 'stPageLink', 'stCheckbox', 'stButton'].flatMap(id => Array.from(
    document.querySelectorAll(`[data-testid=stMain] [data-testid=${id}] :is([role=radiogroup], div, p)`))
    .filter(box => box.scrollWidth > box.clientWidth + 1 && box.innerText
        && !['', 'inline', 'contents'].includes(getComputedStyle(box).display)
        && getComputedStyle(box).overflowX !== 'visible' && getComputedStyle(box).clipPath === 'none')
    .map(box => box.innerText))"""
# From the leftmost to the rightmost thing that is drawn (words, not their boxes), as a share of the room for the page.
USED = """() => {
    const main = document.querySelector('[data-testid=stMain]'), range = document.createRange(),
        words = 'p, li, h1, h2, td';
    const drawn = Array.from(main.querySelectorAll(`${words}, .js-plotly-plot, canvas, img, svg, input, div`))
        .filter(one => !one.matches('div:not(.js-plotly-plot)') || getComputedStyle(one).borderLeftStyle === 'solid')
        .map(one => {
            range.selectNodeContents(one);
            return (one.matches(words) ? range : one).getBoundingClientRect();
        })
        .filter(box => box.width > 0 && box.height > 0);
    return (Math.max(...drawn.map(box => box.right)) - Math.min(...drawn.map(box => box.left))) / main.clientWidth;
}"""
# How far down the first thing stands that shows data or is the view's object: a chart, a table, a card, a form. Head,
# tabs and a line of controls come before it; a form that is no box begins with its first box to write in or its button.
TOP = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const panels = '.js-plotly-plot, canvas, table, [data-testid=stDataFrame], [data-testid=stMetric], '
        + '[data-testid=stForm], [data-testid=stFileUploader], [data-testid=stImage]';
    const forms = '[data-testid=stTextInput], [data-testid=stNumberInput], [data-testid^=stBaseButton-primary]';
    const isBox = one => getComputedStyle(one).borderTopStyle === 'solid'
        && parseFloat(getComputedStyle(one).borderTopWidth) > 0;
    const tops = [...main.querySelectorAll(`${panels}, ${forms}, [data-testid=stVerticalBlock]`)]
        .filter(one => !one.matches('[data-testid=stVerticalBlock]') || isBox(one))
        .filter(one => !one.closest('details:not([open])'))
        .map(one => one.getBoundingClientRect())
        .filter(box => box.width > 0 && box.height > 0)
        .map(box => box.top + main.scrollTop);
    return tops.length ? Math.round(Math.min(...tops)) : null;
}"""


@pytest.fixture(scope="module")
def tab(new_tab_of_module: Callable[[], Tab]) -> Tab:
    """One visitor for all pages and sizes."""
    return new_tab_of_module()


def found_at_rest(tab: Tab, search: str) -> list[str]:
    """What a search finds once tables and figures have followed the window, which they do a while after it."""
    for _ in range(GLANCES):
        found: list[str] = tab.page.evaluate(search)
        if not found:
            break
        tab.page.wait_for_timeout(GLANCE)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window_at_every_size(tab: Tab, name: str) -> None:
    tab.open("" if name == "overview" else name)
    for width, height in SIZES:
        tab.page.set_viewport_size({"width": width, "height": height})
        tab.rest()
        assert not found_at_rest(tab, SIDEWAYS), width
        assert not found_at_rest(tab, CUT), width
    assert tab.page.evaluate(USED) >= LEAST_USED


def too_low(tab: Tab) -> str:
    """Where the first panel of the view stands, once it is drawn; empty where that is high enough."""
    for _ in range(GLANCES):
        top = tab.page.evaluate(TOP)
        if top is not None and top <= FIRST_PANEL:
            return ""
        tab.page.wait_for_timeout(GLANCE)
    return "nothing" if top is None else f"{top} px"


@pytest.mark.parametrize("name", NAMES)
def test_the_first_panel_of_every_view_stands_high(tab: Tab, name: str) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.open("" if name == "overview" else name)
    low = [f"{name}{view}: {where}" for view in tab.views(PANEL_LEVELS) if (where := too_low(tab))]
    assert not low, "\n".join(low)


def test_the_course_of_a_patient_stands_high(tab: Tab) -> None:
    """There, a box of the row that leads to the patient is no panel."""
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.open("patient")
    course = tab.main.locator(".js-plotly-plot").first
    course.wait_for()
    box = course.bounding_box()
    assert box is not None
    assert box["y"] <= FIRST_PANEL
