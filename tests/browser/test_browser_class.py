"""A case conference as a class plays it: six browsers, one of them the teacher's, from the code to what it is worth."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from visitor import Tab

pytestmark = pytest.mark.browser

STUDENTS = ("Ann", "Ben", "Cem", "Dora", "Eve")
DOSES = ((0, 0), (1, 2), (2, 1), (4, 4), (0, 3))  # what each of them commits, at two steps


def press(tab: Tab, name: str) -> None:
    """Press a button of the page."""
    tab.main.get_by_role("button", name=name, exact=True).click()
    tab.rest()


def opened(tab: Tab) -> str:
    """A conference of two decisions on the case that the page proposes; its code."""
    tab.open("classroom")
    for label in ("First decision at step", "Decisions"):
        field = tab.main.get_by_role("spinbutton", name=label)
        field.fill("2")
        field.press("Tab")
    press(tab, "Open conference")
    code = tab.main.locator(".pp-code").inner_text()
    assert parse_qs(urlsplit(tab.page.url).query)["class-code"][0].replace("-", "") == code.replace("-", "")
    return code


def join(tab: Tab, code: str, nickname: str, *, by_link: bool) -> None:
    """Come in by the link, or type the code that stands on the wall."""
    tab.open(f"classroom?class-code={code}" if by_link else "classroom")
    if not by_link:
        tab.main.get_by_role("textbox", name="Code").fill(code)
    tab.main.get_by_role("textbox", name="Nickname").fill(nickname)
    press(tab, "Join")
    tab.main.get_by_text(f"You are {nickname}").wait_for()


def commit(tab: Tab, decision: int, dose: int) -> None:
    """Wait for one's turn, choose a dose and commit it."""
    tab.main.get_by_text(f"Decision {decision} of 2").wait_for()
    tab.rest()
    tab.main.get_by_test_id("stRadio").get_by_role("radio").nth(dose).locator("xpath=ancestor::label").click()
    press(tab, "Commit")
    tab.main.get_by_text("You committed").wait_for()


def worth(tab: Tab) -> str:
    """What the page says that every policy is worth."""
    tab.choose("What it is worth")
    tab.main.get_by_text("Your policy:").wait_for()
    table = tab.main.get_by_test_id("stDataFrame").first
    table.wait_for()
    tab.page.wait_for_function("box => box.textContent.includes('Clinicians')", arg=table.element_handle())
    return table.text_content() or ""


def test_six_browsers_play_a_case_to_the_end(new_tab: Callable[[], Tab]) -> None:
    teacher, *class_ = [new_tab() for _ in range(1 + len(STUDENTS))]
    class_[0].page.set_viewport_size({"width": 1024, "height": 768})
    code = opened(teacher)
    for i, (tab, nickname) in enumerate(zip(class_, STUDENTS, strict=True)):
        join(tab, code, nickname, by_link=i > 0)
    teacher.main.get_by_text(f"0 of {len(STUDENTS)} have committed").wait_for()

    for decision in (1, 2):
        for tab, doses in zip(class_, DOSES, strict=True):
            assert not tab.main.get_by_text("What was chosen").count(), "blind until the reveal"
            commit(tab, decision, doses[decision - 1])
        teacher.main.get_by_text(f"{len(STUDENTS)} of {len(STUDENTS)} have committed").wait_for()
        teacher.rest()
        press(teacher, "Next step" if decision == 1 else "Reveal")

    for tab in class_:
        tab.main.get_by_role("radio", name="What it is worth").wait_for()  # the reveal comes by itself
    for tab, nickname in ((class_[0], STUDENTS[0]), (class_[-1], STUDENTS[-1])):
        tab.rest()
        told = worth(tab)
        for other in STUDENTS:
            assert f"{other} (you)" in told if other == nickname else other in told
        assert "True value" in told
        own = told.partition(f"{nickname} (you)")[2]
        assert re.search(r"[-−]?\d+\.\d+ \[[-−]?\d+\.\d+, [-−]?\d+\.\d+\]", own), "a value with its interval"
        assert "in truth" in tab.main.inner_text()
