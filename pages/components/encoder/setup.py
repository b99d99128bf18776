"""Set up a run: the cohort, a preset, every parameter with its meaning, and the button that starts it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st

from core.base.errors import PhenoPolicyError
from pages.components.shell.forms import clear_overrides, config_form, override_texts, shared_settings
from pages.components.shell.frame import empty, failed
from pages.components.shell.places import runs_root
from pages.components.shell.session import get_session
from pages.components.study.cohorts import StoredCohort, chosen_cohort, stored_cohorts

PRESETS = {
    "quick": "Seconds to minutes, for a first look; the estimates are rough.",
    "standard": "What the evidence favors: a bottleneck encoder whose phenotypes are not lengths of stay.",
    "published": "The published choices, with the published encoder of 50 epochs.",
}


def draw() -> None:
    """The whole set-up, top to bottom: cohort, preset, parameters, run."""
    cohorts = stored_cohorts()
    if not cohorts:
        empty(
            "No cohort to train on yet",
            "Simulate one in one click, upload your own, or extract one from MIMIC-IV.",
            icon=":material/groups:",
            page="pages/cohort.py",
            action="Choose a cohort",
        )
        return
    chosen = _choose_cohort(cohorts)
    _choose_preset()
    valid = _parameters()
    _start(chosen, valid)


def _choose_cohort(cohorts: list[StoredCohort]) -> StoredCohort:
    session = get_session()
    current = chosen_cohort() or cohorts[0]
    keys = [cohort.key for cohort in cohorts]
    names = {cohort.key: str(cohort) for cohort in cohorts}
    st.session_state["encoder-cohort"] = current.key
    st.selectbox(
        "Cohort",
        keys,
        format_func=lambda key: names.get(key, key),
        key="encoder-cohort",
        on_change=lambda: setattr(session, "cohort", st.session_state["encoder-cohort"]),
    )
    return cohorts[keys.index(current.key)]


def _choose_preset() -> None:
    session = get_session()
    st.session_state["encoder-preset"] = session.preset
    st.segmented_control(
        "Preset",
        list(PRESETS),
        format_func=str.capitalize,
        required=True,
        key="encoder-preset",
        on_change=lambda: setattr(session, "preset", st.session_state["encoder-preset"]),
    )
    st.caption(PRESETS[session.preset])


def _parameters() -> bool:
    """Forms of all groups; True where the settings are usable as they stand."""
    from core.icu.config import load_preset

    session = get_session()
    try:
        preset = load_preset(session.preset)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Reading the preset")
        return False
    groups = [name for name in type(preset).model_fields if name != "preset"]
    with st.container(border=True):
        changed = {path.partition(".")[0] for path in session.overrides}
        group = st.segmented_control(
            "Parameters of",
            groups,
            default="encoder",
            required=True,
            format_func=lambda name: f"{name} •" if name in changed else name,
            key="encoder-group",
        )
        with contextlib.suppress(PhenoPolicyError):  # a value that is not usable is named under the form
            preset = load_preset(session.preset, shared_settings(str(group)))
        config_form(str(group), getattr(preset, str(group)))
    return _changes()


def _changes() -> bool:
    """What differs from the preset, and whether the settings accept it."""
    from core.icu.config import load_preset

    session = get_session()
    if not session.overrides:
        st.caption("All parameters are the preset's.")
        return True
    with st.container(horizontal=True, vertical_alignment="center"):
        listed = ", ".join(f"`{name}={value}`" for name, value in override_texts().items())
        st.caption(f"Changed: {listed}")
        st.button("Back to the preset", on_click=clear_overrides, type="tertiary", icon=":material/undo:")
    try:
        load_preset(session.preset, override_texts())
    except PhenoPolicyError as error:
        failed(error, "Using these settings")
        return False
    return True


def _start(cohort: StoredCohort, valid: bool) -> None:
    session = get_session()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        suggested = f"{cohort.short_label}, {session.preset}, {datetime.now(UTC):%m-%d %H:%M:%S}"
        given = st.text_input("Name of the run", placeholder=suggested, max_chars=80, key="encoder-name")
    with right:
        pressed = st.button(
            "Run", type="primary", icon=":material/play_arrow:", disabled=not valid, width="stretch", key="encoder-run"
        )
    if not pressed:
        return
    if launch(cohort, given.strip() or suggested, session.preset, override_texts()):
        st.rerun()


def launch(cohort: StoredCohort, name: str, preset: str, overrides: Mapping[str, str]) -> bool:
    """Start a run in the background and follow it; False, with the reason on the page, where that fails.

    The run is shown under `name`; its folder is named after it in letters, digits and dashes.
    """
    from core.runs.jobs import start_run

    session, folder = get_session(), runs_root() / _slug(name)
    if folder.exists():
        st.error(f"There is a run '{folder.name}' already; give this one another name.")
        return False
    try:
        start_run(cohort.path, folder, preset, overrides, session.owner, name=name, study=cohort.study_file)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Starting the run")
        return False
    session.job = folder.name
    st.toast(f"{name} has started; its progress is at the top of the page.", icon=":material/play_arrow:")
    return True


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:50] or "run"
