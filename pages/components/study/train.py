"""Set up a run of any study: a preset, every parameter with its meaning, and the button that starts it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from pages.components.shell.forms import config_form, override_texts, shared_settings
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held
from pages.components.shell.visitor import me
from pages.components.study.cohorts import StoredCohort
from pages.components.study.desk import Desk


def draw(desk: Desk, cohort: StoredCohort) -> None:
    """Preset where there are several, parameters, run."""
    if not me().person.may(Role.RESEARCHER):
        empty("Training is for researchers", "You may look at what is shared with you.", icon=":material/lock:")
        return
    if desk.presets:
        _choose_preset(desk)
    _start(desk, cohort, _parameters(desk, cohort))


def _choose_preset(desk: Desk) -> None:
    key = f"{desk.train_key}-preset"
    st.session_state[key] = desk.preset()
    st.segmented_control(
        "Preset",
        list(desk.presets),
        format_func=str.capitalize,
        required=True,
        key=key,
        on_change=lambda: desk.take_preset(st.session_state[key]),
    )
    st.caption(desk.presets[desk.preset()])


def _parameters(desk: Desk, cohort: StoredCohort) -> bool:
    """Forms of all groups; True where the settings are usable as they stand."""
    study, changes = desk.study, desk.overrides()
    try:
        preset = desk.settings(study.config(desk.preset(), {}), cohort.definition)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Reading the preset")
        return False
    groups = [name for name in type(preset).model_fields if name != "preset"]
    changed = {path.partition(".")[0] for path in changes}
    with st.container(border=True):
        group = st.segmented_control(
            "Parameters of",
            groups,
            required=True,
            format_func=lambda name: f"{name.replace('_', ' ')}{' •' if name in changed else ''}",
            **held(f"{desk.train_key}-group", groups, desk.first_group),
        )
        with contextlib.suppress(PhenoPolicyError):  # a value that is not usable is named under the form
            inherited = study.config(desk.preset(), shared_settings(str(group), changes))
            preset = desk.settings(inherited, cohort.definition)
        config_form(str(group), getattr(preset, str(group)), changes)
    return _changes(desk, cohort)


def _changes(desk: Desk, cohort: StoredCohort) -> bool:
    """What differs from the preset, and whether the settings accept it."""
    base, own = ("preset", "the preset's") if desk.presets else ("defaults", "the defaults")
    texts = override_texts(desk.overrides())
    if not texts:
        st.caption(f"All parameters are {own}.")
        return True
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Changed: " + ", ".join(f"`{name}={value}`" for name, value in texts.items()))
        st.button(f"Back to the {base}", on_click=desk.overrides().clear, type="tertiary", icon=":material/undo:")
    try:
        desk.settings(desk.study.config(desk.preset(), texts), cohort.definition)
    except PhenoPolicyError as error:
        failed(error, "Using these settings")
        return False
    return True


def _start(desk: Desk, cohort: StoredCohort, valid: bool) -> None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    parts = [cohort.short_label, desk.preset(), f"{datetime.now(UTC):%m-%d %H:%M:%S}"]
    suggested = ", ".join(part for part in parts if part)
    key = desk.train_key
    given = left.text_input("Name of the run", placeholder=suggested, max_chars=80, key=f"{key}-name")
    pressed = right.button(
        "Run", type="primary", icon=":material/play_arrow:", disabled=not valid, width="stretch", key=f"{key}-run"
    )
    if pressed and launch(desk, cohort, given.strip() or suggested, desk.preset(), override_texts(desk.overrides())):
        st.rerun()


def launch(desk: Desk, cohort: StoredCohort, name: str, preset: str, overrides: Mapping[str, str]) -> bool:
    """Start a run in the background and follow it; False, with the reason on the page, where that fails.

    The run is shown under `name`; its folder is named after it in letters, digits and dashes.
    """
    folder = desk.study.folder / _slug(name)
    if folder.exists():
        st.error(f"There is a run '{folder.name}' already; give this one another name.")
        return False
    try:
        me().start(desk.study, cohort.path, folder, preset, overrides, name=name, definition=cohort.definition)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Starting the run")
        return False
    desk.follow(folder.name)
    st.toast(f"{markdown(name)} has started; its progress is at the top of the page.", icon=":material/play_arrow:")
    return True


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:50] or "run"
