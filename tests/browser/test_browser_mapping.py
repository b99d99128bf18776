"""A file of other names: its mapping is proposed, completed, kept, and used again on the next file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from visitor import Tab

from core.cohort import simulate_cohort
from core.tables.mapping import load_mapping

pytestmark = pytest.mark.browser
PATIENTS = 30
KNOWN = {"HR": "hr_bpm", "Platelets": "plt_count", "Sodium": "serum_sodium"}
UNKNOWN = {"RDW": "redcell"}


def ward_file(folder: Path, seed: int) -> Path:
    """A cohort under a ward's own names."""
    cohort, _ = simulate_cohort("mimic-iv", PATIENTS, seed)
    path = folder / f"ward-{seed}.csv"
    cohort.frame.rename(columns=KNOWN | UNKNOWN).to_csv(path, index=False)
    return path


def give(tab: Tab, label: str, file: Path) -> None:
    """Hand a file to an uploader."""
    uploader = tab.main.get_by_test_id("stFileUploader").filter(has_text=label)
    uploader.locator("input[type=file]").set_input_files(file)
    tab.rest()


def test_a_mapping_is_completed_kept_and_used_again(new_tab: Callable[[], Tab], tmp_path: Path) -> None:
    tab = new_tab()
    tab.open("cohort?run=tiny")
    tab.choose("Upload")
    give(tab, "Cohort file", ward_file(tmp_path, 1))
    tab.main.get_by_text("this file from being used").wait_for()
    tab.main.get_by_role("combobox", name="RDW", exact=True).click()
    tab.page.keyboard.type("redcell")
    tab.page.wait_for_timeout(300)
    tab.page.keyboard.press("Enter")
    tab.main.get_by_role("button", name="Check with this mapping").click()
    tab.main.get_by_text(f"Usable: {PATIENTS} patients").wait_for()
    with tab.page.expect_download() as download:
        tab.main.get_by_role("button", name="Mapping (TOML)").click()
    kept = tmp_path / "ward.toml"
    download.value.save_as(kept)
    assert (KNOWN | UNKNOWN).items() <= load_mapping(kept).columns.items()

    give(tab, "Cohort file", ward_file(tmp_path, 2))
    tab.main.get_by_text("I have a mapping for such files").click()
    give(tab, "Mapping (TOML)", kept)
    tab.main.get_by_text(f"Usable: {PATIENTS} patients").wait_for()
    tab.main.get_by_role("button", name="Accept this cohort").click()
    tab.main.get_by_text("From the source to the cohort").wait_for()
