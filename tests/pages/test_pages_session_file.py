"""A saved session brings back the run, the sliders and the patients; a foreign or broken one changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.icu.view import RunView
from pages.components.shell.session import KEY, Session

UPLOAD = """
import streamlit as st
from pages.components.shell.frame import current_run, page
from pages.components.shell.session import get_session
from pages.components.shell.session_file import UPLOAD, load_session, saved_session, session_panel
page("Overview", "")
session_panel(current_run())
if "given" in st.session_state:
    try:
        load_session(st.session_state.pop("given"))
    except Exception as error:
        st.error(str(error))
st.session_state["saved"] = saved_session(current_run(), get_session()).to_bytes()
"""


@pytest.fixture
def page(app_run: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = AppTest.from_string(UPLOAD, default_timeout=60)
    monkeypatch.setattr("pages.components.shell.visitor.own_key", lambda: "a-token-of-this-test-only")
    page.run()
    assert not page.exception
    return page


def session(page: AppTest) -> Session:
    return page.session_state[KEY]


def load(page: AppTest, content: bytes) -> str:
    page.session_state["given"] = content
    page.run()
    assert not page.exception
    return " ".join(error.value for error in page.error)


def test_a_session_comes_back_as_it_was_saved(page: AppTest, tiny_run: Path) -> None:
    here = session(page)
    here.choose("n_clusters", 2)
    here.choose("lambda_", float("inf"))
    here.patient, here.step, here.preset = 7, 2, "standard"
    here.overrides["encoder.epochs"] = 5
    here.select("early shock", [3, 1, 4])
    here.keep("early shock")
    here.select("map", [9])
    page.run()
    saved = page.session_state["saved"]
    assert json.loads(saved)["patient"] == str(RunView(tiny_run).cohort.patients[7])

    here.choose("n_clusters", 4)
    here.patient, here.step, here.preset = None, None, "quick"
    here.overrides.clear()
    here.selections.clear()
    here.put(None)
    assert load(page, saved) == ""
    assert (here.n_clusters, here.lambda_, here.patient, here.step) == (2, float("inf"), 7, 2)
    assert (here.preset, here.overrides) == ("standard", {"encoder.epochs": 5})
    assert here.selection is not None
    assert (here.selection.name, here.selection.patients.tolist()) == ("map", [9])
    assert here.selections["early shock"].patients.tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data_hash": "other data"}, "No run that you may see was made from the data"),
        ({"patient": "nobody"}, "no patient nobody"),
        ({"selected": "lost"}, "'lost' is named but not held"),
        ({"run": "../../etc", "data_hash": "other data"}, "No run that you may see"),
    ],
)
def test_a_session_that_does_not_fit_changes_nothing(page: AppTest, changes: dict, says: str) -> None:
    session(page).choose("n_clusters", 2)
    content = {**json.loads(page.session_state["saved"]), "n_clusters": 4, **changes}
    assert says in load(page, json.dumps(content).encode())
    assert session(page).n_clusters == 2


def test_settings_that_are_plain_text_are_taken_as_they_are_checked(page: AppTest) -> None:
    content = {**json.loads(page.session_state["saved"]), "settings": {"encoder.model_name": "seq2seq"}}
    assert load(page, json.dumps(content).encode()) == ""
    assert session(page).overrides == {"encoder.model_name": "seq2seq"}


def test_a_renamed_run_on_the_same_data_takes_the_session(page: AppTest) -> None:
    content = {**json.loads(page.session_state["saved"]), "run": "another-name", "n_clusters": 4}
    assert load(page, json.dumps(content).encode()) == ""
    assert (session(page).run, session(page).n_clusters) == ("tiny", 4)
