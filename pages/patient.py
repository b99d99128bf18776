"""Patient: one stay on one time axis; at each step what every policy would weigh, and what similar patients got."""

from __future__ import annotations

import streamlit as st

from core.icu.ask.find import outcome_words
from core.icu.ask.names import phenotype_texts
from core.icu.view import RunView
from pages.components.patient.blind import is_hidden
from pages.components.patient.course import course_panel
from pages.components.patient.decision import decision_of, decision_panel
from pages.components.patient.facts import who
from pages.components.patient.finder import find_patient
from pages.components.patient.similar import way_back
from pages.components.patient.verdict import verdict_panel
from pages.components.shell.controls import k_slider, lambda_slider
from pages.components.shell.frame import empty, page, require_run
from pages.components.shell.panels import panel
from pages.components.shell.patients import horizon_words
from pages.components.shell.session import get_session, let_show
from pages.components.shell.visitor import opened


def main() -> None:
    """Draw the page."""
    page(
        "Patient",
        "One stay, step by step: what was measured, what was given, what each policy would weigh, and how many "
        "similar patients stand behind it.",
    )
    run = require_run()
    session = get_session()
    find_patient(run)
    if session.patient is None:
        empty("No patient matches", "Widen the filters above to see patients.")
        return
    opened(run.path.name, str(run.cohort.patients[session.patient]))
    way_back(run)
    patient_panel(run, session.patient)


def _title(run: RunView, patient: int, step: int, hidden: bool) -> None:
    session, cohort, study = get_session(), run.cohort, run.study
    label = int(run.labels(session.n_clusters)[patient])
    split = run.split_name[patient]
    seen = {
        "train": "the policies were trained on this patient",
        "valid": "used to choose the encoder",
        "test": "new to the policies",
    }
    line = st.container(key="patient-line")
    if hidden:
        line.markdown(
            f"{who(run, patient)} · step {step + 1} of {study.step_hours:g} h each · outcome, later steps and "
            f"whole-stay phenotype are hidden until you keep a verdict · {split} ({seen[split]})"
        )
        return
    line.markdown(
        f"{who(run, patient)} · "
        f"{cohort.lengths[patient]} steps of {study.step_hours:g} h{_recorded(run, patient)} · "
        f"**{outcome_words(run)[patient]}**{horizon_words(study)} · "
        f"{phenotype_texts(run, session.n_clusters)[label]} (of {session.n_clusters}) by the whole stay · "
        f"{split} ({seen[split]})"
    )


def _recorded(run: RunView, patient: int) -> str:
    """From which hour to which, where hours were recorded."""
    hours = run.cohort.hours[run.cohort.rows(patient)]
    return f", recorded from {hours[0]:+g} h to {hours[-1]:+g} h" if run.cohort.timed else ""


@panel
def patient_panel(run: RunView, patient: int) -> None:
    """Timeline on the left, the decision at one step on the right; both follow one step slider."""
    session, hidden = get_session(), is_hidden(run, patient)
    length = int(run.cohort.lengths[patient])
    step = min(session.step if session.step is not None else min(4, length - 1), length - 1)
    _title(run, patient, step, hidden)
    first, second, third = st.container(key="patient-sticky-controls").columns([3, 2, 3])
    with first:
        step = _step_slider(run, patient, length, step, hidden)
    with second:
        k = k_slider(run, key="patient-k")
    with third:
        lambda_ = lambda_slider(run, key="patient-lambda")
    left, right = st.columns([1.08, 1], gap="medium")
    with left:
        course_panel(run, patient, step, hidden)
    with right:
        decision = decision_of(run, patient, step, k, lambda_)
        decision_panel(run, decision, hidden)
        verdict_panel(run, decision, hidden)


def _step_slider(run: RunView, patient: int, length: int, step: int, hidden: bool) -> int:
    """The step on show; where the rest is hidden, the way leads one step further at a time."""
    session, hours = get_session(), run.hours[patient]
    if length < 2:
        return 0
    reached = min(step + 2, length) if hidden else length
    # Blind and seeing, the labels differ: the browser keeps the label that it shows, and would fall back to the first
    # step where one and the same slider no longer has it.
    key = f"patient-step-{patient}{'-blind' if hidden else ''}"
    let_show(key, step)
    st.select_slider(
        "Step (hours from onset)",
        list(range(reached)),
        key=key,
        format_func=lambda t: f"{t + 1}{'' if hidden else f' of {length}'} ({hours[t]:+g} h)",
        on_change=lambda: setattr(session, "step", int(st.session_state[key])),
    )
    return step


main()
