"""Kept data: one's own things and how much they are, everybody's and the audit for administrators, share and delete."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.access.chain import lines
from core.access.person import Person, Role
from core.access.settings import Audit
from core.access.trail import Trail
from core.runs.folders import owner_of
from core.runs.manifest import read_manifest
from tests.manifests import edit_manifest
from tests.pages.conftest import OWNER, OpenPage

ME = owner_of(OWNER)


@pytest.fixture
def mine(app_data: Path, tiny_run: Path) -> Path:
    """A run of this visitor."""
    return edit_manifest(Path(shutil.copytree(tiny_run, app_data / "runs" / "mine")), owner=ME, name="My run")


def mark(page: AppTest, key: str, row: int = 0) -> AppTest:
    """Mark a row of a table, as a click does."""
    page.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def said(page: AppTest) -> str:
    return " ".join(element.value for element in [*page.markdown, *page.caption, *page.error, *page.success])


def table_of(page: AppTest) -> list[dict[str, Any]]:
    return page.dataframe[0].value.to_dict("records")


def test_a_visitor_sees_what_is_theirs_shares_it_and_deletes_it(
    app_data: Path, mine: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHENOPOLICY_QUOTA__RUNS", "5")
    page = open_page("kept")
    assert "You keep **1 run** of at most 5 and" in said(page)
    (row,) = table_of(page)
    assert (row["what"], row["name"], row["seen by"]) == ("run", "My run", "its owner")
    mark(page, "kept-yours")
    page.toggle(key="kept-yours-share-mine").set_value(True).run()
    assert read_manifest(mine).shared
    mark(page, "kept-yours")
    page.button(key="kept-yours-delete").click().run()
    assert not mine.exists()
    assert "You keep nothing here" in said(page)
    told = [found.line.what for found in lines(Trail(app_data, Audit())) if found.line]
    assert told == ["share", "delete"]


def test_an_administrator_sees_everybodys_and_the_audit(app_data: Path, mine: Path, open_page: OpenPage) -> None:
    edit_manifest(Path(shutil.copytree(mine, app_data / "runs" / "theirs")), owner="b" * 32, name="Their run")
    page = open_page("kept")
    page.segmented_control(key="kept-view").set_value("Everybody's").run()
    assert {(row["name"], row["owner"]) for row in table_of(page)} == {("My run", ME[:8]), ("Their run", "b" * 8)}
    page.segmented_control(key="kept-view").set_value("Audit").run()
    assert "Nothing has been recorded yet" in said(page)
    trail = Trail(app_data, Audit())
    trail.add(Person(ME, Role.ADMIN, "ann"), "export", run="mine", detail="x-csv")
    trail.add(Person(ME, Role.ADMIN, "ann"), "delete", run="mine")
    page.run()
    assert "All 2 lines are as they were written" in said(page)
    assert [row["what"] for row in table_of(page)] == ["delete", "export"]
    (path,) = trail.files()
    path.write_bytes(path.read_bytes().replace(b"x-csv", b"y-csv"))
    page.run()
    assert "The audit is not as it was written" in said(page)
    assert "line 1" in said(page)


def test_whoever_is_no_administrator_sees_neither(
    mine: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHENOPOLICY_OPEN_WITHOUT_SIGN_IN", "true")
    page = open_page("kept", {"kept-view": "Audit"})
    assert not page.segmented_control
    assert [row["name"] for row in table_of(page)] == ["My run"]


def test_opened_runs_and_patients_are_entered_once_each(app_data: Path, app_run: str, open_page: OpenPage) -> None:
    page = open_page("patient", {"patient": "3"})
    page.run()
    found = [found.line for found in lines(Trail(app_data, Audit(patients="hashed"))) if found.line]
    assert [line.what for line in found] == ["run opened", "patient opened"]
    assert {line.run for line in found} == {app_run}
    assert found[1].patient
    assert found[0].who == ME
