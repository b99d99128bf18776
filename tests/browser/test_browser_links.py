"""The link holds the view: a reload and another browser show it again; Back returns to places, not to slider values."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from test_browser_views import NAMES
from visitor import Tab

pytestmark = pytest.mark.browser

PLACES = ("View", "Idea", "Part", "Show", "Show as", "At this step", "Projection", "Dial")
# What every control shows, by its label; sliders as they read.
SHOWN = """() => Object.fromEntries([
    ...Array.from(document.querySelectorAll('[data-testid=stMain] [role=radiogroup]'), group =>
        [group.ariaLabel, group.querySelector('[aria-checked=true]')?.innerText]),
    ...Array.from(document.querySelectorAll('[data-testid=stMain] input[role=combobox]'), box =>
        [box.ariaLabel, box.value || box.closest('[data-testid^=st]').innerText]),
    ...Array.from(document.querySelectorAll('[data-testid=stMain] input[type=range]'), range =>
        [range.ariaLabel, range.ariaValueText ?? range.value]),
    ...Array.from(document.querySelectorAll('[data-testid=stMain] [role=switch]'), one => [one.ariaLabel, one.checked]),
])"""


def shown(tab: Tab) -> dict[str, object]:
    """Every control of the page by its label."""
    found: dict[str, object] = tab.page.evaluate(SHOWN)
    return found


def last_of_everything(tab: Tab) -> None:
    """Choose the last of the page's views, then the last of what that view lets one choose."""
    done: set[str] = set()
    while True:
        groups = [label for label in PLACES if tab.main.get_by_role("radiogroup", name=label, exact=True).count()]
        label = next((label for label in groups if label not in done), None)
        if label is None:
            return
        done.add(label)
        tab.main.get_by_role("radiogroup", name=label, exact=True).get_by_role("radio").last.click()
        tab.rest()


def pick(tab: Tab, box: str, option: str) -> None:
    """Choose an option of a select box."""
    tab.main.get_by_role("combobox", name=box).click()
    tab.page.get_by_role("option", name=option, exact=True).click()
    tab.rest()


def test_a_reload_of_any_page_shows_the_view_that_was_left(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("")
    for name in NAMES:
        tab.open("" if name == "overview" else name)
        first = shown(tab)
        last_of_everything(tab)
        left, address = shown(tab), tab.page.url
        assert left != first or name in ("overview", "cohort"), f"{name}: nothing was chosen"
        tab.page.reload()
        tab.rest()
        assert shown(tab) == left, name
        assert tab.page.url == address, name


def test_another_browser_sees_what_a_copied_link_shows(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("phenotypes")
    pick(tab, "Color by", "Where a policy disagrees")
    pick(tab, "Policy", last_option(tab, "Policy"))
    tab.step("Number of phenotypes K", "ArrowRight")
    left = {tab.page.url: shown(tab)}
    tab.go("Policies")
    tab.choose("Trust frontier")
    tab.step("Sharpness λ", "ArrowLeft")
    tab.choose("Only doses that clinicians give")
    tab.step("Departure from the clinicians", "ArrowRight")
    left[tab.page.url] = shown(tab)
    tab.go("Patient")
    tab.main.get_by_role("button", name="Next", exact=True).click()
    tab.rest()
    tab.step("Step (hours from onset)", "ArrowRight")
    tab.choose("Table")
    tab.main.get_by_text("Your verdict", exact=True).click()
    tab.rest()
    left[tab.page.url] = shown(tab)

    other = new_tab()
    for address, controls in left.items():
        assert "owner" not in parse_qs(urlsplit(address).query)
        other.page.goto(address)
        other.rest()
        assert shown(other) == controls, address
    assert other.main.get_by_role("button", name="Keep verdict").is_visible(), "the open panel"


def last_option(tab: Tab, box: str) -> str:
    """The last option of a select box."""
    tab.main.get_by_role("combobox", name=box).click()
    text = tab.page.get_by_role("option").last.inner_text()
    tab.page.keyboard.press("Escape")
    return text


def test_back_returns_to_views_and_pages_and_never_to_a_slider_value(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("")
    tab.go("Policies")
    tab.choose("Fusion λ")
    entries = tab.page.evaluate("history.length")
    for _ in range(3):
        tab.step("Sharpness λ", "ArrowLeft")
    tab.step("Number of phenotypes K", "ArrowRight")
    assert tab.page.evaluate("history.length") == entries, "a slider's move is no place to go back to"
    moved = shown(tab)
    tab.go("Values")
    tab.choose("Two estimators")

    back(tab)
    assert shown(tab)["View"] != "Two estimators"
    back(tab)
    assert urlsplit(tab.page.url).path == "/policies"
    assert shown(tab) == moved
    back(tab)
    assert shown(tab)["View"] == "Doses"
    back(tab)
    assert urlsplit(tab.page.url).path == "/"
    for _ in range(2):
        tab.page.go_forward()
        tab.rest()
    assert shown(tab) == moved


def back(tab: Tab) -> None:
    """Press the browser's own button."""
    tab.page.go_back()
    tab.rest()
