"""Blind until judged: what nobody knows at the bedside stays off the Patient page until a verdict on the stay is kept.

Hidden are the outcome, everything after the step on show, the dose given at it, how long the stay lasts, and the
phenotype by the whole stay. Hindsight makes every dose look right or wrong; a verdict is worth something only before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.icu.verdicts import load_verdicts
from pages.components.patient.verdict import verdict_file
from pages.components.shell.session import get_session, let_show

if TYPE_CHECKING:
    from core.icu.view import RunView

MARK, ON = (
    "patient-blind",
    "on",
)  # the parameter of the link by which the clinician's and the teacher's doors ask for it


def is_blind() -> bool:
    """True where the visitor came by a door that asks for it, or has asked for it."""
    return get_session().marks.get(MARK) == ON


def is_hidden(run: RunView, patient: int) -> bool:
    """True where the page is blind and this visitor has kept no verdict on any step of the stay."""
    if not is_blind():
        return False
    judged = load_verdicts(verdict_file(run))["patient"]
    return str(run.cohort.patients[patient]) not in set(judged)


def blind_toggle() -> None:
    """The way into blind mode and out of it."""
    let_show(MARK, is_blind())
    st.toggle(
        "Blind until judged",
        key=MARK,
        help="Hides outcome, later steps, what was given and the phenotype by the whole stay until you keep a verdict.",
        on_change=lambda: get_session().mark(MARK, ON if st.session_state[MARK] else ""),
    )
