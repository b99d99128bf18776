"""The selection in the head of every page that shows patients: its name and size, undo, redo, clear, and a new one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.base.text import markdown
from core.figures.theme import fmt_percent
from core.icu.ask.find import filter_text, matching
from core.icu.selection import LONGEST_NAME
from pages.components.shell.filters import filter_form, forget
from pages.components.shell.session import BAR, get_session, link_popover

if TYPE_CHECKING:
    from core.icu.view import RunView

KEPT = "kept-selections"
FORM = "select"
FEW = 20


def selection_bar(run: RunView, *, short: bool = False) -> None:
    """Name the selection of this visit, and offer what can be done with it; a page draws it under its head.

    short: among other controls, in a row that is there; it says nothing while nothing is selected.
    """
    session = get_session()
    st.session_state[BAR] = session.selection
    chosen = session.selection is not None
    with contextlib.nullcontext() if short else _row():
        if chosen or not short:
            st.markdown(_said(run), width="content")
        with st.popover("Select ..." if not chosen else "Change or name", icon=":material/filter_alt:"):
            if chosen or session.selections:
                _names()
            _slice(run)
        if session.past or not short:
            _button("Undo", "undo", not session.past, session.undo)
        if session.undone:
            _button("Redo", "redo", False, session.redo)
        if chosen:
            _button("Clear", "close", False, lambda: session.put(None))
        link_popover("link")
    if session.unread:
        st.warning(
            "The selection of this link is not stored on this server, so it cannot be shown. Ask for its patient keys "
            "(every table exports them as CSV), or select the patients again.",
            icon=":material/link_off:",
        )


def _row() -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key="selection-bar")


def bar_is_stale() -> bool:
    """True where a part of the page, rerunning alone, has changed the selection that the head still names."""
    return BAR in st.session_state and st.session_state[BAR] is not get_session().selection


def _button(label: str, icon: str, disabled: bool, act: object) -> None:
    st.button(
        label,
        key=f"{label.lower()}-selection",
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=disabled,
        on_click=act,  # type: ignore[arg-type]
        help={"Undo": "Return to the selection before", "Redo": "Take back the undo", "Clear": "Select nobody"}[label],
    )


def _said(run: RunView) -> str:
    selection = get_session().selection
    if selection is None:
        return ":material/select: No patients selected"
    n, noun = len(selection), "patient" if len(selection) == 1 else "patients"
    told, share = run.study.tells_survival, run.cohort.mortality(selection.patients)
    died = f" · {fmt_percent(share)} {run.study.died_label}" if told else ""
    few = " (few: read with care)" if n < FEW else ""
    return (
        f":material/select: Selected: **{markdown(selection.name)}** · {n:,} {noun} of {run.cohort.n_patients:,}"
        f"{died}{few}"
    )


@st.fragment
def _slice(run: RunView) -> None:
    """Select by anything that tells patients apart: the form of the patient's page, and how many it finds."""
    k = get_session().n_clusters
    st.markdown("**Select patients by**")
    filters = filter_form(run, k, FORM, width=2)
    found = matching(run, k, filters)
    label = f"Select {len(found):,} patient" + ("" if len(found) == 1 else "s")
    if st.button(label, key="slice-select", icon=":material/select_check_box:", disabled=not len(found)):
        get_session().select(filter_text(run, k, filters), found)
        forget(FORM)
        st.rerun()


def _names() -> None:
    """Give the selection a name, or return to one that was named before."""
    session = get_session()
    if session.selection is not None:
        with st.form("name-selection", border=False):
            st.text_input("Name the selection", max_chars=LONGEST_NAME, placeholder="early shock", key="selection-name")
            st.form_submit_button("Keep", on_click=_keep, key="keep-selection")
    if session.selections:
        current = session.selection.name if session.selection is not None else None
        st.session_state[KEPT] = current if current in session.selections else None
        st.selectbox(
            "Kept selections",
            list(session.selections),
            index=None,
            placeholder="return to a kept selection",
            key=KEPT,
            on_change=_return_to_kept,
        )


def _keep() -> None:
    if name := st.session_state["selection-name"].strip():
        get_session().keep(name)


def _return_to_kept() -> None:
    session = get_session()
    session.put(session.selections.get(st.session_state[KEPT], session.selection))
