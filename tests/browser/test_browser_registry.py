"""The second study in a real browser: simulate a small registry, train on it, look at a patient; a link restores it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from app_server import SIZE, serve
from visitor import PATIENCE, Tab

pytestmark = pytest.mark.browser

# Small enough that a run ends in seconds; each is set in the form, as a visitor would.
SETTINGS = {
    "screening": {"epochs": 2},
    "dqn": {"updates": 40},
    "forest": {"n_trees": 4},
    "reward model": {"epochs": 2},
    "evaluation": {"n_bootstrap": 40, "ope_bootstrap": 40, "truth_patients": 60},
}


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A visitor of a server of its own with an empty data folder; its console may hold no error."""
    data = tmp_path_factory.mktemp("registry_data")
    (data / "runs").mkdir()
    with serve(data) as address:
        page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()
        page.set_default_timeout(PATIENCE)
        visitor = Tab(page, address)
        visitor.watch()
        yield visitor
        page.context.close()
    assert not visitor.errors


def test_a_walk_from_a_simulated_registry_to_a_patient(tab: Tab) -> None:
    tab.open("registry")
    tab.main.get_by_text("No registry yet").wait_for()
    tab.choose("600")
    tab.main.get_by_role("button", name="Simulate a registry").click()
    tab.main.get_by_text("Stages and decisions").wait_for()
    tab.rest()

    tab.choose("Train")
    for group, values in SETTINGS.items():
        tab.choose(group)
        for name, value in values.items():
            field = tab.main.get_by_role("spinbutton", name=name, exact=True)
            field.fill(str(value))
            field.press("Enter")
            tab.main.get_by_text(f"{group.replace(' ', '_')}.{name}={value}").wait_for()
    tab.rest()
    tab.main.get_by_role("button", name="Run", exact=True).click()
    tab.main.get_by_text("The other parts of this page show this run now.").or_(
        tab.main.get_by_role("button", name="Show this run")
    ).first.wait_for(timeout=3 * PATIENCE)
    tab.rest()

    tab.choose("Patient")
    tab.main.get_by_text("What may be weighed at a stage").wait_for()
    tab.rest()
    said = tab.main.inner_text()
    assert "simulated data" in said
    assert "As far as the records support: a = " in said
    tab.choose("By Q alone")
    assert "the records cannot tell them apart" in tab.main.inner_text()
    assert "Screened out:" in said
    tab.step("Screen by number", "ArrowLeft")
    assert "registry-n=9" in tab.page.url
    tab.main.get_by_role("button", name="Next", exact=True).click()
    tab.rest()
    address = tab.page.url
    patient = tab.main.get_by_text(re.compile(r"^Patient \S+ · ")).first
    who = patient.inner_text()
    tab.page.reload()
    tab.rest()
    assert tab.page.url == address
    assert patient.inner_text() == who
