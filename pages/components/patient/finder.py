"""The way to a patient: filters and list, previous and next through what they leave, and back to the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.icu.ask.find import Filters, filter_text, matching
from pages.components.patient.blind import blind_toggle, is_blind
from pages.components.shell.export import table
from pages.components.shell.filters import filter_form, filters_of
from pages.components.shell.frame import go_to
from pages.components.shell.held import held_switch
from pages.components.shell.patients import MOST_ROWS, WALKED, asked_for, dose_column, longest_unseen, patient_table
from pages.components.shell.selection_bar import selection_bar
from pages.components.shell.session import get_session
from pages.components.shell.stepper import step_through

if TYPE_CHECKING:
    from core.icu.view import RunView

FORM = "find"
STEPPER = (44, 215, 44)  # pixels: previous, the patient, next
HINDSIGHT = ("phenotype", "outcome", "steps")  # columns that nobody knows at the bedside, beside that of doses


def find_patient(run: RunView) -> None:
    """One row to walk through the patients and to select some, and the list below it where it is opened.

    Blind, neither list nor filters tell outcomes, phenotypes, lengths of stay or doses.
    """
    session, k = get_session(), get_session().n_clusters
    blind = is_blind()
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="patient-bar"):
        slots = [st.container(width=width) for width in STEPPER]
        shown = st.toggle("Find a patient", **held_switch("find-patient"), width="content")
        blind_toggle()
        if not blind:  # it tells how many of a selection died
            selection_bar(run, short=True)
        go_to("pages/phenotypes.py", "Back to the map", icon=":material/scatter_plot:")
    if shown:
        with st.container(border=True):
            if not blind:
                filter_form(run, k, FORM, width=4)
            elif session.selection is not None:
                st.checkbox("Only the selection", **held_switch(WALKED))
            listed = matching(run, k, filters := _asked(run, k, blind))
            _list(run, k, filters, listed, blind)
    else:
        listed = matching(run, k, _asked(run, k, blind))
    if len(listed):
        if session.patient is None:
            session.patient, session.step = longest_unseen(run, listed), None
        step_through(slots, listed, session.patient, run.cohort.patients, _open)


def _asked(run: RunView, k: int, blind: bool) -> Filters:
    """The filters as they stand, drawn or not; blind, the one that tells nothing of how a stay goes on."""
    filters = filters_of(run, k, FORM)
    return Filters(selection=filters.selection) if blind else filters


def _list(run: RunView, k: int, filters: Filters, listed: np.ndarray, blind: bool) -> None:
    key = f"patients-{hash(filters)}"
    unknown = [*HINDSIGHT, dose_column(run.study)] if blind else []
    shown = listed[:MOST_ROWS]
    rows = patient_table(run, k, shown).drop(columns=unknown)
    for title, values in asked_for(run, shown, filters).items():
        rows.insert(1, title, values)  # beside the patient: what was asked for stays in sight
    table(
        rows,
        key,
        name="patients",
        caption=f"{len(listed):,} of {run.cohort.n_patients:,} patients"
        + (f", the first {MOST_ROWS:,} shown" if len(listed) > MOST_ROWS else "")
        + ". Click a cell to open that patient.",
        height=260,
        on_select=lambda: _take_cell(key, listed),
        selection_mode="single-cell",
        csv=lambda: (
            patient_table(run, k, listed, every_column=True)
            .drop(columns=unknown)
            .assign(**asked_for(run, listed, filters))
        ),
    )
    if not blind and 0 < len(listed) < run.cohort.n_patients:
        st.button(
            f"Select {len(listed):,} patient" + ("" if len(listed) == 1 else "s"),
            key="find-select",
            icon=":material/select_check_box:",
            on_click=get_session().select,
            args=(filter_text(run, k, filters), listed),
        )


def _take_cell(key: str, listed: np.ndarray) -> None:
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        _open(int(listed[cells[0][0]]))


def _open(patient: int) -> None:
    session = get_session()
    session.patient, session.step = patient, None
