"""The selection in the head of every page that shows patients: its name and size, undo, redo, clear, and a new one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.base.text import markdown
from core.figures.theme import fmt_percent
from core.icu.ask.names import phenotype_texts
from core.icu.selection import LONGEST_NAME
from pages.components.shell.patients import Filters, filter_name, matching
from pages.components.shell.session import BAR, get_session, link_popover

if TYPE_CHECKING:
    from core.icu.view import RunView

KEPT = "kept-selections"
SLICE = ("slice-phenotype", "slice-outcome", "slice-split", "slice-steps", "slice-within")
NOTHING = "slice-matched-nothing"
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
    died = float((run.cohort.outcomes[selection.patients] < 0).mean())
    few = " (few: read with care)" if n < FEW else ""
    return (
        f":material/select: Selected: **{markdown(selection.name)}** · {n:,} {noun} of {run.cohort.n_patients:,} · "
        f"{fmt_percent(died)} {run.study.died_label}{few}"
    )


def _slice(run: RunView) -> None:
    """Select by phenotype, outcome, split and length of stay."""
    session, study = get_session(), run.study
    k = session.n_clusters
    st.markdown("**Select patients by**")
    with st.form("slice", border=False):
        named = phenotype_texts(run, k).__getitem__
        st.multiselect("Phenotype", range(k), format_func=named, key=f"{SLICE[0]}-{k}", placeholder="any")
        st.multiselect("Outcome", [study.survived_label, study.died_label], key=SLICE[1], placeholder="any")
        st.multiselect("Split", ["train", "valid", "test"], key=SLICE[2], placeholder="any")
        shortest, longest = int(run.cohort.lengths.min()), int(run.cohort.lengths.max())
        if shortest < longest:
            st.slider("Steps in the unit", shortest, longest, (shortest, longest), key=SLICE[3])
        if session.selection is not None:
            st.checkbox("Only within the current selection", key=SLICE[4])
        st.form_submit_button("Select", on_click=_take_slice, args=(run, k), key="slice-select")
    if st.session_state.pop(NOTHING, False):
        st.caption(":material/info: No patient matches; the selection is as it was.")


def _take_slice(run: RunView, k: int) -> None:
    state = st.session_state
    filters = Filters(
        tuple(state[f"{SLICE[0]}-{k}"]),
        tuple(state[SLICE[1]]),
        tuple(state[SLICE[2]]),
        state.get(SLICE[3]),
        bool(state.get(SLICE[4], False)),
    )
    select_matching(run, k, filters)


def select_matching(run: RunView, n_clusters: int, filters: Filters) -> None:
    """Make the patients that pass the filters the selection (a callback)."""
    found = matching(run, n_clusters, filters)
    st.session_state[NOTHING] = not len(found)
    if len(found):
        get_session().select(filter_name(run, n_clusters, filters), found)


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
