"""One case of a reader study: the course so far, a first answer, what the arm shows, a second answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.figures.theme import fmt_percent
from core.icu.ask.hazards import rules_met
from core.icu.ask.options import refusal
from core.icu.ask.similar import neighborhood
from core.policies.hazards import default_rules
from core.teaching.arms import Arm
from core.teaching.cases import Case
from core.teaching.reading import MOST_READERS, Answer, ReaderStudy, keep_first, keep_second, open_case
from pages.components.patient.course import course_panel
from pages.components.patient.facts import who
from pages.components.shell.frame import empty, failed
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

READER = "reading-reader"  # the number of the reader, in the address, so that a reload goes on


def read_case(run: RunView, path: Path) -> None:
    """The next case of the reader whose number is set."""
    reader = _reader()
    try:
        study, order = open_case(path, reader, time.time())
    except PhenoPolicyError as error:
        failed(error, "Opening the case")
        return
    if order is None:
        empty(
            f"Reader {reader} has finished all {len(study.cases)} cases",
            "The next reader takes the next number above. **Results** compares the arms.",
            icon=":material/task_alt:",
        )
        return
    case, arm = study.seen(reader, order)
    answer = study.answer(reader, order)
    if answer is None:
        return
    st.markdown(f"{who(run, case.patient)} · step {case.step + 1}, {case.hours:+g} h from onset")
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        course_panel(run, case.patient, case.step, hidden=True)
    with right:
        st.progress((order - 1) / len(study.cases), f"Case {order} of {len(study.cases)}, reader {reader}")
        if answer.first is None:
            _first(run, path, reader, order)
        else:
            _second(run, path, study, answer, case, arm)


def _reader() -> int:
    """The number of the reader at this screen."""
    session = get_session()
    kept = session.marks.get(READER, "1")
    st.session_state[READER] = int(kept) if kept.isdecimal() and 1 <= int(kept) <= MOST_READERS else 1
    with st.columns([1, 4])[0]:
        st.number_input(
            "Reader number",
            1,
            MOST_READERS,
            key=READER,
            on_change=lambda: session.mark(READER, st.session_state[READER]),
            help="Arms and order of the cases follow from it. At several machines: the same set-up and seed, and a "
            "number of one's own for each reader.",
        )
    return int(st.session_state[READER])


def _first(run: RunView, path: Path, reader: int, order: int) -> None:
    st.markdown("**What would you give at this step?**")
    said = _ask(run, f"first-{reader}-{order}", None, None, "Keep first answer")
    if said is not None:
        _keep(lambda: keep_first(path, reader, order, *said, time.time(), run.study.actions))


def _second(run: RunView, path: Path, study: ReaderStudy, answer: Answer, case: Case, arm: Arm) -> None:
    _shown(run, case, arm)
    reader, order = answer.reader, answer.order
    said = _ask(run, f"second-{reader}-{order}", answer.before, answer.confidence_before, "Keep and go on")
    if said is not None:
        _keep(lambda: keep_second(path, reader, order, *said, time.time(), run.study.actions))


def _ask(run: RunView, key: str, before: int | None, sure: int | None, button: str) -> tuple[int, int] | None:
    """Action and confidence once they are kept; None before."""
    with st.form(key):
        chosen = st.radio(
            run.study.actions.heading,
            range(run.study.n_actions),
            index=before,
            format_func=run.study.actions.label,
        )
        confidence = st.slider("How sure are you?", 0, 100, 50 if sure is None else sure, step=5, format="%d %%")
        pressed = st.form_submit_button(button, type="primary", icon=":material/save:")
    if pressed and chosen is None:
        st.warning(run.study.actions.said("Choose a dose first."), icon=":material/info:")
        return None
    return (int(chosen), int(confidence)) if pressed and chosen is not None else None


def _keep(keep: object) -> None:
    try:
        keep()  # type: ignore[operator]
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Keeping the answer")
    else:
        st.rerun()


def _shown(run: RunView, case: Case, arm: Arm) -> None:
    """What the arm shows of the advice."""
    if arm == "alone":
        st.info("No advice in this case. Look again, then keep or change your answer.", icon=":material/visibility:")
        return
    st.info(f"Advice: **{markdown(run.study.actions.label(case.shown))}**", icon=":material/smart_toy:")
    if arm == "support":
        st.markdown("\n".join(f"- {line}" for line in support_lines(run, case)))


def support_lines(run: RunView, case: Case) -> list[str]:
    """How far the records carry what is shown: similar states, clinicians, and the hazard rules that it breaks."""
    similar = neighborhood(run, case.patient, case.step)
    got, n = int(similar["n"].iloc[case.shown]), int(similar["n"].sum())
    usual = float(run.behavior[case.patient, case.step, case.shown])
    lines = [
        f"{got} of the {n} most similar states got this {run.study.actions.word}.",
        f"Clinicians give it in {fmt_percent(usual, 0)} of such states.",
    ]
    met = rules_met(run, case.patient, case.step, default_rules(run.study))
    broken = [m.rule.text(run.study) for m in met if case.shown >= m.rule.from_action]
    lines += [f":material/warning: It breaks a hazard rule: {text}." for text in broken]
    return lines + [f":material/block: {why}" for why in (refusal(run, case.patient, case.step),) if why]
