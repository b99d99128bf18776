"""Inside a conference: the case, blind, with what the class has committed; the teacher leads, the others choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.teaching.conference import Conference, advance, commit, next_case, reveal
from core.teaching.rooms import change_conference, close_conference, find_conference
from pages.components.classroom.entrance import CODE, case_form, conference_here, entrance, visitor_id
from pages.components.classroom.revealed import revealed
from pages.components.patient.course import course_panel
from pages.components.patient.facts import who
from pages.components.shell.frame import empty, failed, finished_run, run_of_case
from pages.components.shell.places import run_path
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

STYLE = "<style>.pp-code {font: 600 1.9rem monospace; letter-spacing: .06em;}</style>"  # to be read from a wall
GLANCE = 2  # seconds between looks at what the others have done


def conference_view() -> None:
    """The conference of the address, or the way into one."""
    conference = conference_here()
    if conference is None:
        entrance()
        return
    folder = run_path(conference.run)
    run = run_of_case(folder, conference.data_hash) if folder is not None else None
    if run is None:
        empty("The case of this conference is gone", "Its run was deleted or made anew; ask for another conference.")
        st.button("Leave", on_click=_leave)
        return
    me = visitor_id()
    leads = me == conference.teacher
    _head(run, conference, me)
    if conference.revealed:
        revealed(run, conference, me)
        if leads:
            _next_case(run, conference, me)
        _live(conference.code, conference.stage, me)
        return
    left, right = st.columns([1.15, 1], gap="medium")
    step = _step_shown(conference, me)
    with left:
        hours = run.cohort.hours[run.cohort.starts[conference.asked.patient] + step]
        st.markdown(f"{who(run, conference.asked.patient)} · step {step + 1}, {hours:+g} h from onset")
        course_panel(run, conference.asked.patient, step, hidden=True)
    with right:
        if leads:
            st.caption(_told(conference))
        else:
            _choose(run, conference, me)
        _live(conference.code, conference.stage, me)


def _head(run: RunView, conference: Conference, me: str) -> None:
    """One row: the code, whose patient it is, and what this visitor may do next."""
    member = conference.member(me)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span class="pp-code">{conference.code}</span>{STYLE}', width="content")
        kind = "simulated" if run.manifest.simulated else "recorded"
        st.badge(f"{kind} patient", color="violet" if run.manifest.simulated else "gray", width="content")
        if me == conference.teacher:
            with st.popover("Link", icon=":material/link:"):
                base = (st.context.url or "").split("?")[0]
                st.code(f"{base}?{CODE}={conference.code}", language=None, wrap_lines=True)
                st.caption("Whoever has it can join for a day from when it was opened, and sees this case alone.")
            _lead(conference, me)
        elif member is not None:
            st.markdown(f"You are **{markdown(member.nickname)}**.", width="content")
        st.button("Leave", icon=":material/logout:", type="tertiary", on_click=_leave)


def _leave() -> None:
    get_session().mark(CODE)


def _lead(conference: Conference, me: str) -> None:
    """What the teacher may do next."""
    code, asked = conference.code, conference.asked
    more = conference.pace == "together" and conference.step + 1 in asked.steps
    if not conference.revealed:
        if more:
            _button("Next step", "skip_next", code, lambda c: advance(c, me), primary=True)
        _button("Reveal", "visibility", code, lambda c: reveal(c, me), primary=not more)
    if st.button("Close conference", icon=":material/cancel:", type="tertiary"):
        _close(code, me)


def _told(conference: Conference) -> str:
    """How far the class is."""
    asked = conference.asked
    done = f"decision {conference.step - asked.first + 1} of {asked.n}"
    far = done if conference.pace == "together" else f"{asked.n} decisions, at one's own pace"
    return f"Case {conference.case + 1} · {far}. Outcome and later steps are hidden until the reveal, here too."


def _next_case(run: RunView, conference: Conference, me: str) -> None:
    """Another case for the same class, of a run that the teacher may still see."""
    folder = run_path(conference.run)
    if folder is None or finished_run(folder) is None:
        return
    with st.expander("Next case with the same class", icon=":material/add:"):
        asked = case_form(run, f"next-{conference.case}")
        if asked is not None:
            _move(conference.code, lambda c: next_case(c, me, asked))


def _button(label: str, icon: str, code: str, move: Callable[[Conference], Conference], *, primary: bool) -> None:
    if st.button(label, icon=f":material/{icon}:", type="primary" if primary else "secondary", key=f"class-{icon}"):
        _move(code, move)


def _move(code: str, move: Callable[[Conference], Conference]) -> None:
    """Make a move and show what came of it; a refusal is a sentence, with the room as it is by now."""
    try:
        change_conference(code, move)
    except PhenoPolicyError as error:
        failed(error, "This")
    else:
        st.rerun()


def _close(code: str, me: str) -> None:
    try:
        close_conference(code, me)
    except PhenoPolicyError as error:
        failed(error, "Closing")
        return
    _leave()
    st.rerun()


def _step_shown(conference: Conference, me: str) -> int:
    """The step whose past is on screen."""
    asked = conference.asked
    if conference.pace == "together":
        return conference.step
    if me == conference.teacher:
        return asked.first
    step = conference.step_of(me)
    return asked.steps[-1] if step is None else step


def _choose(run: RunView, conference: Conference, me: str) -> None:
    """What to choose from, or what was chosen."""
    step, study = conference.step_of(me), run.study
    asked = conference.asked
    if step is None:
        chosen = conference.choices(me, conference.case).get(_step_shown(conference, me))
        said = f"You committed **{markdown(study.actions.label(chosen))}**. " if chosen is not None else ""
        st.info(f"{said}Wait for the teacher.", icon=":material/hourglass_top:")
        return
    st.markdown(f"**Decision {step - asked.first + 1} of {asked.n}: what would you give now?**")
    with st.form(f"class-commit-{conference.case}-{step}"):
        chosen = st.radio(
            study.actions.heading,
            range(study.n_actions),
            index=None,
            format_func=study.actions.label,
        )
        pressed = st.form_submit_button("Commit", type="primary", icon=":material/how_to_vote:")
    if pressed and chosen is None:
        st.warning(study.actions.said("Choose a dose first."), icon=":material/info:")
    elif pressed and chosen is not None:
        _move(conference.code, lambda c: commit(c, me, step, int(chosen), study.actions))


@st.fragment(run_every=GLANCE)
def _live(code: str, stage: tuple[int, int, bool], me: str) -> None:
    """Who is there and who has committed; the whole page follows where the teacher has gone on."""
    try:
        conference = find_conference(code)
    except PhenoPolicyError:
        st.rerun()
    if conference.stage != stage:
        st.rerun()
    if conference.revealed:
        return
    n = len(conference.members)
    if conference.pace == "together":
        done = conference.committed(conference.step)
        st.progress(len(done) / max(n, 1), f"{len(done)} of {n} have committed")
        said = [f"{_mark(m.id in done)} {markdown(m.nickname)}" for m in conference.members]
    else:
        total = conference.asked.n
        counts = {m.id: len(conference.choices(m.id, conference.case)) for m in conference.members}
        through = sum(count == total for count in counts.values())
        st.progress(through / max(n, 1), f"{through} of {n} are through")
        said = [f"{_mark(counts[m.id] == total)} {markdown(m.nickname)} {counts[m.id]}" for m in conference.members]
    st.caption(" · ".join(said) or "Nobody has joined yet.")


def _mark(done: bool) -> str:
    return ":material/check_circle:" if done else ":material/pending:"
