"""The selected patients: as a list that opens them, or what sets them apart."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.evaluation.judging.groups import FEWEST_STAYS
from core.icu.ask.selected import advice_in
from pages.components.policies.advice import HOW
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.patient_list import patient_list
from pages.components.shell.patients import MOST_ROWS, patient_table, walk_selection
from pages.components.shell.selections import compare_selection
from pages.components.shell.session import get_session
from pages.components.study.differences import difference_card

if TYPE_CHECKING:
    from core.icu.selection import Selection
    from core.icu.view import RunView

NOT_JUDGED = (
    f"At least {FEWEST_STAYS} of the selected patients must be among those on whom the advice was judged. A run from "
    "before its folds were kept is judged here once it is trained again."
)
VIEWS = ("Patients", "What sets them apart", "What the advice does for them")
LOOKED = "advice-looked-at"  # of each run, the sets of patients in which this session has looked at the advice


def selected_patients(run: RunView, k: int, hint: str) -> None:
    """Table or comparison of the selection, or the advice in it; where there is none, how to make one."""
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
    if what == VIEWS[2]:
        _advice(run, selection)
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


def _advice(run: RunView, selection: Selection) -> None:
    """The advice's difference to the clinicians in the selection."""
    everything: dict[str, set[str]] = st.session_state.setdefault(LOOKED, {})
    looked = everything.setdefault(str(run.path), set())
    looked.add(hashlib.sha256(selection.encode().encode()).hexdigest())  # undoing a selection unsees nothing
    looks = len(looked)
    with st.spinner("Judging the advice in the selection ..."):
        judged = advice_in(run, selection, looks)
    if judged is None:
        empty("Not judged in this selection", NOT_JUDGED)
        return
    assert run.advice is not None
    difference_card(pd.Series(judged), "clinicians", HOW, unit=f"advice, a = {run.advice.shown.share:g}")
    st.caption(
        f"{judged['n']:,} of the {len(selection):,} selected patients, each judged by a fold that never saw them. The "
        f"interval is corrected for {looks} selection{'s' * (looks > 1)} looked at in this session: who looks long "
        "enough finds a group in which it seems to help. A group that was chosen by its outcome shows nothing."
    )
