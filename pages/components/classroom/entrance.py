"""The way into a conference: join by a code, or open one on the run on show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

import numpy as np
import streamlit as st

from core.base.errors import ConfigError, PhenoPolicyError
from core.base.text import markdown
from core.teaching.codes import WrongCodes, read_code
from core.teaching.conference import LONGEST_NICKNAME, MOST_STEPS, CaseSteps, Conference, Pace, join
from core.teaching.rooms import change_conference, conferences_of, find_conference, open_conference
from pages.components.shell.controls import patient_select
from pages.components.shell.frame import current_run, empty, failed
from pages.components.shell.patients import longest_unseen
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

CODE = "class-code"  # the parameter of the link by which a class joins
PACES: dict[Pace, str] = {
    "together": "Together: I lead from step to step",
    "own": "Everybody at their own pace, until I reveal",
}


def visitor_id() -> str:
    """Who this visitor is among the members, from whom the key cannot be told."""
    return get_session().owner


def conference_here() -> Conference | None:
    """The conference of the address, where this visitor leads it or has joined it; a stranger learns nothing of it."""
    code, me = read_code(get_session().marks.get(CODE, "")), visitor_id()
    if not code:
        return None
    try:
        conference = find_conference(code)
    except PhenoPolicyError:
        return None
    return conference if me == conference.teacher or conference.member(me) is not None else None


def entrance() -> None:
    """Join on the left; on the right open one, which needs a run. Who comes by a link is asked for a nickname alone."""
    asked = get_session().marks.get(CODE, "")
    left, right = st.columns(2, gap="large")
    with left:
        _join(asked)
    if asked:
        return
    with right:
        run = current_run()
        if run is None:
            empty("No finished run yet", "Opening a conference needs a run; joining one does not.")
            return
        st.header("Open a conference", anchor=False)
        st.caption(
            "A case of the run on show, played blind. Your class joins by a code, without accounts; it sees this case "
            "alone, whatever else it may see."
        )
        asked_steps = case_form(run, "open")
        pace = st.session_state.get("class-pace", "together")
        if asked_steps is not None:
            _open(run, asked_steps, pace)
        _opened()


def _join(code: str) -> None:
    st.header("Join a conference", anchor=False)
    with st.form("class-join"):
        typed = st.text_input("Code", code, max_chars=20, placeholder="K7QM-2XFD")
        nickname = st.text_input(
            "Nickname", max_chars=LONGEST_NICKNAME, help="Shown to the whole class. No account; any name will do."
        )
        pressed = st.form_submit_button("Join", type="primary", icon=":material/login:")
    if code:
        st.button("Another code, or open one", type="tertiary", on_click=lambda: get_session().mark(CODE))
    if not pressed:
        return
    try:
        conference = enter(read_code(typed), nickname)
    except PhenoPolicyError as error:
        failed(error, "Joining")
    else:
        get_session().mark(CODE, conference.code)
        st.rerun()


@st.cache_resource
def wrong_codes() -> WrongCodes:
    """One count for the whole server."""
    return WrongCodes()


def enter(code: str, nickname: str) -> Conference:
    """Join the conference of a code as this visitor; wrong codes are counted."""
    me, now = visitor_id(), time.time()
    wrong_codes().check(me, now)
    try:
        find_conference(code)
    except ConfigError:
        wrong_codes().count(me, now)
        raise
    return change_conference(code, lambda conference: join(conference, me, nickname))


def case_form(run: RunView, key: str) -> CaseSteps | None:
    """Which steps of which patient are asked; the answer once the button is pressed. `key` "open" asks for the pace."""
    session = get_session()
    if session.patient is None:
        session.patient = longest_unseen(run, np.arange(run.cohort.n_patients))
    patient = patient_select(run, key=f"class-patient-{key}", label="Case (a patient of this run)")
    if patient is None:
        return None
    length = int(run.cohort.lengths[patient])
    with st.form(f"class-case-{key}", border=False):
        first, second = st.columns(2)
        start = first.number_input("First decision at step", 1, length, min(3, length))
        n = second.number_input("Decisions", 1, MOST_STEPS, min(5, MOST_STEPS))
        if key == "open":
            st.radio("Pace", get_args(Pace), format_func=PACES.__getitem__, key="class-pace")
        pressed = st.form_submit_button(
            "Open conference" if key == "open" else "Play this case", type="primary", icon=":material/co_present:"
        )
    first_step = int(start) - 1
    return CaseSteps(patient=patient, first=first_step, n=min(int(n), length - first_step)) if pressed else None


def _open(run: RunView, asked: CaseSteps, pace: Pace) -> None:
    try:
        conference = open_conference(visitor_id(), run.path.name, run.manifest.data_hash, asked, pace)
    except PhenoPolicyError as error:
        failed(error, "Opening the conference")
    else:
        _go_in(conference.code)
        st.rerun()


def _opened() -> None:
    """Conferences of this teacher that are still open."""
    for conference in conferences_of(visitor_id()):
        n = len(conference.members)
        st.button(
            f"Back to {conference.code} ({n} {'member' if n == 1 else 'members'}, run {markdown(conference.run)})",
            type="tertiary",
            icon=":material/arrow_forward:",
            on_click=_go_in,
            args=(conference.code,),
        )


def _go_in(code: str) -> None:
    get_session().mark(CODE, code)
