"""The three doors of the Overview, each walked by the kind of user it is for, with what they must see."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from visitor import Tab

pytestmark = pytest.mark.browser


def enter(tab: Tab, door: str, title: str) -> None:
    """Go through a door of the Overview to the page it names."""
    tab.open("")
    tab.main.get_by_role("link", name=door).click()
    tab.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
    tab.rest()


def number(tab: Tab, label: str) -> str:
    """The large number of the card with this label."""
    card = tab.main.get_by_test_id("stMetric").filter(has_text=label)
    return card.get_by_test_id("stMetricValue").inner_text()


def patient(tab: Tab) -> str:
    """Who is on show."""
    return tab.main.get_by_text(re.compile(r"Patient \S+ ·")).first.inner_text()


def test_a_clinician_reviews_a_stay_and_keeps_a_verdict(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    enter(tab, "Open a case worth a look", "Patient")
    said = tab.main.inner_text()
    assert "cannot be told apart" in said or "No options are ranked here" in said, "never one command"
    assert "steps of 4 h" not in said, "blind until judged: how long a stay is tells how it ends"
    assert "simulated data" in said
    assert tab.main.get_by_role("figure", name="Course of SOFA, Platelets").is_visible()
    tab.step("Step (hours from onset)", "ArrowRight")
    assert "step=" in tab.page.url

    tab.choose("Similar states")
    said = tab.main.inner_text()
    assert "similar" in said
    assert "survived" in said

    assert tab.main.get_by_role("radio", name="Reject", exact=True).is_visible(), "open while the page is blind"
    tab.choose("Reject")
    slider = tab.main.get_by_role("slider", name="Step (hours from onset)").first
    judged_at = slider.get_attribute("aria-valuenow")
    tab.main.get_by_role("textbox", name="Why (optional)").fill("bleeding")
    tab.main.get_by_role("button", name="Keep verdict").click()
    tab.main.get_by_text("Your verdict: reject").wait_for()
    tab.rest()
    assert "steps of 4 h" in tab.main.inner_text(), "judged, and so no longer blind"
    assert slider.get_attribute("aria-valuenow") == judged_at, "the slider stays at the step that the page shows"
    tab.page.reload()
    tab.rest()
    tab.main.get_by_text("Your verdict: reject").wait_for()

    stranger = new_tab()
    stranger.open("patient?" + tab.page.url.partition("?")[2])
    assert patient(stranger).split(" · ")[0] == patient(tab).split(" · ")[0]
    assert "hidden until you keep a verdict" in patient(stranger), "the link is as blind as its sender was"
    assert stranger.main.get_by_text("Your verdict", exact=True).is_visible(), "a verdict is its writer's own"


def test_a_researcher_tunes_compares_and_exports(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    enter(tab, "Compare policies", "Policies")
    tab.choose("Fusion λ")
    before = tab.main.get_by_test_id("stMetricValue").all_inner_texts()
    tab.step("Sharpness λ", "Home")
    after = tab.main.get_by_test_id("stMetricValue").all_inner_texts()
    assert sum(a != b for a, b in zip(before, after, strict=True)) > 1
    said = tab.main.inner_text()
    assert all(basis in said for basis in ("95 % CI", "ESS", "PHWIS", "PHWDR"))
    assert "lambda=0" in tab.page.url

    tab.choose("Value")
    differences = {"policy", "difference", "difference_low", "difference_high", "ess", "grade"}
    values = {"policy", "estimator", "value", "low", "high", "ess"}
    for place, columns in ((0, differences), (3, values)):  # groups of patients and columns left out stand between
        button = tab.main.get_by_role("button", name="CSV").nth(place)
        button.wait_for()
        with tab.page.expect_download() as download:
            button.click()
        header, *rows = download.value.path().read_text(encoding="utf-8").splitlines()
        assert columns <= set(header.split(","))
        assert any("fused" in row for row in rows)

    tab.go("Experiments")
    assert "Tiny run" in tab.main.inner_text()


def test_a_teacher_moves_a_toy_and_shows_the_function(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    enter(tab, "Eight ideas to play with", "Learn")
    tab.choose("Importance weights")
    before = number(tab, "Largest weight")
    tab.step("The policy gives it (%)", "End")
    assert number(tab, "Largest weight") != before, "the further the policy, the fewer stays speak for it"
    tab.main.get_by_text("Show the function").click()
    tab.main.get_by_text("def trajectory_weights(").first.wait_for()

    enter(tab, "Hold estimates against the truth", "Values")
    tab.choose("Two estimators")
    said = tab.main.inner_text()
    assert all(word in said for word in ("PHWIS", "PHWDR", "true value", "simulated data"))
