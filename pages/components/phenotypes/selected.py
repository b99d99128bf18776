"""The selected patients: as a list that opens them, or what sets them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.shell.held import held
from pages.components.shell.patient_list import patient_list
from pages.components.shell.patients import MOST_ROWS, patient_table, walk_selection
from pages.components.shell.selections import compare_selection
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

VIEWS = ("Patients", "What sets them apart")


def selected_patients(run: RunView, k: int, hint: str) -> None:
    """Table or comparison of the selection; where there is none, how to make one."""
    selection = get_session().selection
    if selection is None:
        st.info(hint, icon=":material/gesture_select:")
        return
    what = st.segmented_control(
        "Show",
        VIEWS,
        **held("selection-show", VIEWS),
        label_visibility="collapsed",
        required=True,
    )
    if what == VIEWS[1]:
        compare_selection(run, selection, k)
        return
    patients = selection.patients
    patient_list(
        patient_table(run, k, patients[:MOST_ROWS]),
        patients[:MOST_ROWS],
        f"selected-{len(patients)}-{int(patients[0])}-{int(patients[-1])}",
        name=selection.name,
        caption=f"First {MOST_ROWS:,} shown, the CSV holds all." if len(patients) > MOST_ROWS else "",
        csv=lambda: patient_table(run, k, patients, every_column=True),
        leave=walk_selection,
    )
