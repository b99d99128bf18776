"""The way to a patient: filters and list, previous and next through what they leave, and back to the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.icu.ask.names import phenotype_texts
from pages.components.patient.blind import blind_toggle, is_blind
from pages.components.shell.export import table
from pages.components.shell.frame import go_to
from pages.components.shell.held import held_switch
from pages.components.shell.patients import MOST_ROWS, WALKED, Filters, longest_unseen, matching, patient_table
from pages.components.shell.selection_bar import selection_bar
from pages.components.shell.session import get_session
from pages.components.shell.stepper import step_through

if TYPE_CHECKING:
    from core.icu.view import RunView

STEPPER = (44, 215, 44)  # pixels: previous, the patient, next
HINDSIGHT = ("phenotype", "outcome", "steps", "largest dose")  # columns that nobody knows at the bedside


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
            filters = _blind_filters() if blind else _filters(run, k)
            listed = matching(run, k, filters)
            _list(run, k, filters, listed, blind)
    else:
        listed = matching(run, k, Filters(selection=_kept_filters().selection) if blind else _kept_filters())
    if len(listed):
        if session.patient is None:
            session.patient, session.step = longest_unseen(run, listed), None
        step_through(slots, listed, session.patient, run.cohort.patients, _open)


def _list(run: RunView, k: int, filters: Filters, listed: np.ndarray, blind: bool) -> None:
    key = f"patients-{hash(filters)}"
    unknown = list(HINDSIGHT) if blind else []
    table(
        patient_table(run, k, listed[:MOST_ROWS]).drop(columns=unknown),
        key,
        name="patients",
        caption=f"{len(listed):,} of {run.cohort.n_patients:,} patients"
        + (f", the first {MOST_ROWS:,} shown" if len(listed) > MOST_ROWS else "")
        + ". Click a cell to open that patient.",
        height=260,
        on_select=lambda: _take_cell(key, listed),
        selection_mode="single-cell",
        csv=lambda: patient_table(run, k, listed, every_column=True).drop(columns=unknown),
    )


def _blind_filters() -> Filters:
    """The one filter that tells nothing of how a stay goes on."""
    chosen = get_session().selection is not None
    only = st.checkbox("Only the selection", key=WALKED, disabled=not chosen, persist_state="session")
    return Filters(selection=only and chosen)


def _kept_filters() -> Filters:
    """The filters as they were left, while the list is closed."""
    kept, chosen = st.session_state, get_session().selection is not None
    phenotypes, outcomes, splits = (tuple(kept.get(f"filter-{name}", ())) for name in ("phenotype", "outcome", "split"))
    only = bool(kept.get(WALKED, False)) and chosen
    return Filters(phenotypes, outcomes, splits, kept.get("filter-steps"), only)


def _take_cell(key: str, listed: np.ndarray) -> None:
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        _open(int(listed[cells[0][0]]))


def _open(patient: int) -> None:
    session = get_session()
    session.patient, session.step = patient, None


def _filters(run: RunView, k: int) -> Filters:
    session, study = get_session(), run.study
    columns = st.columns([2, 2, 2, 2])
    phenotypes = columns[0].multiselect(
        "Phenotype",
        range(k),
        format_func=phenotype_texts(run, k).__getitem__,
        key="filter-phenotype",
        placeholder="all",
        persist_state="session",
    )
    outcomes = columns[1].multiselect(
        "Outcome",
        [study.survived_label, study.died_label],
        key="filter-outcome",
        placeholder="all",
        persist_state="session",
    )
    splits = columns[2].multiselect(
        "Split",
        ["train", "valid", "test"],
        key="filter-split",
        placeholder="all",
        help="Policies were learned on train; only test patients are new to them.",
        persist_state="session",
    )
    shortest, longest = int(run.cohort.lengths.min()), int(run.cohort.lengths.max())
    steps = None
    if shortest < longest:
        steps = columns[3].slider(
            "Steps", shortest, longest, (shortest, longest), key="filter-steps", persist_state="session"
        )
    chosen = session.selection is not None
    only = (
        st.checkbox(
            "Only the selection",
            key=WALKED,
            disabled=not chosen,
            persist_state="session",
        )
        and chosen
    )
    return Filters(tuple(phenotypes), tuple(outcomes), tuple(splits), steps, only)
