"""A reader study as a reader meets it: every case blind, then what its arm shows, to the results and their file."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from visitor import Tab

pytestmark = pytest.mark.browser
CASES = 3
FIRST, SECOND = 1, 2  # what the reader would give before and after


def answer(tab: Tab, dose: int, button: str) -> None:
    """Choose a dose and keep it."""
    doses = tab.main.get_by_test_id("stForm").get_by_role("radio")
    doses.nth(dose).locator("xpath=ancestor::label").click()
    tab.main.get_by_role("button", name=button).click()
    tab.rest()


def test_a_study_with_wrong_advice_is_read_to_its_results(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("classroom?run=tiny&class-view=Reader+study")
    for label, value in (("Cases", CASES), ("Wrong advice planted (% of cases)", 50)):
        field = tab.main.get_by_role("spinbutton", name=label, exact=True)
        field.fill(str(value))
        field.press("Tab")
    tab.main.get_by_role("button", name="Start study").click()
    tab.rest()
    shown = []
    for case in range(1, CASES + 1):
        tab.main.get_by_text(f"Case {case} of {CASES}, reader 1").wait_for()
        assert not tab.main.get_by_text("Advice:").count(), "blind until the first answer is kept"
        answer(tab, FIRST, "Keep first answer")
        shown.append(tab.main.get_by_text("Advice:").count() > 0)
        answer(tab, SECOND, "Keep and go on")
    assert sorted(shown) == [False, True, True], "each arm once"
    tab.choose("Results")
    tab.main.get_by_text(f"{CASES} decisions of 1 reader on {CASES} cases").wait_for()
    with tab.page.expect_download() as download:
        tab.main.get_by_role("button", name="All decisions (CSV)").click()
    decisions = pd.read_csv(download.value.path())
    assert decisions["before"].tolist() == [FIRST] * CASES
    assert decisions["after"].tolist() == [SECOND] * CASES
    assert sorted(decisions["arm"]) == ["advice", "alone", "support"]
    assert [arm != "alone" for arm in decisions["arm"]] == shown
    assert 0 < decisions["planted"].sum() < CASES
