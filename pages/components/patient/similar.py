"""The patients most similar to one step of a stay: what they got, how they went on, and the way to each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.similar import LaterCourse, later_courses, similar_states
from core.figures.theme import fmt, fmt_percent
from core.icu.ask.decision import Decision
from core.icu.ask.similar import FEWEST_ON_COURSE
from core.policies.hazards import band_text
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.patient_list import patient_list
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

FEWEST_SURVIVAL = 5  # similar patients who got a dose, below which their survival is not shown
PARTS = ("What they got", "How they went on", "Who they are")
CAME_FROM = "similar-came-from"
COLUMNS = ("Platelets", "SOFA")  # followed in similar patients, where the study has them


def similar_view(run: RunView, decision: Decision, hidden: bool = False) -> None:
    """Similar training states in three parts, with what is wrong with them."""
    why = decision.options.refused
    if not len(decision.neighbors.patients.patients):
        st.warning(why, icon=":material/block:")
        return
    part = st.segmented_control(
        "Part",
        PARTS,
        **held("similar-part", PARTS),
        required=True,
        label_visibility="collapsed",
    )
    if why:
        st.warning(why, icon=":material/block:")
    else:
        close = fmt_percent(decision.neighbors.closeness, 0)
        st.caption(
            f":material/groups: Similar: {_shared(run, decision)}, nearest by all features together, so "
            f"single ones may differ. Support {close}: {close} of the training states stand as far from their own "
            "neighbors as this state does, or farther."
        )
    if part == PARTS[1]:
        _went_on(run, decision, hidden)
    elif part == PARTS[2]:
        _who(run, decision)
    else:
        _got(run, decision)


def _shared(run: RunView, decision: Decision) -> str:
    """How many of the similar states meet the same hazards."""
    doses, band = decision.neighbors.doses, int(run.bands[decision.patient, decision.step])
    hazards = band_text(run.study, band)
    n = int(doses["n"].sum())
    return (
        f"{int(doses['in_band'].sum())} of {n} training states share {hazards}" if hazards else f"{n} training states"
    )


def _got(run: RunView, decision: Decision) -> None:
    rows = decision.neighbors.doses.copy()
    seldom = rows["patients"] < FEWEST_SURVIVAL
    rows.loc[seldom, ["survival", "low", "high"]] = np.nan
    study = run.study
    labels = study.actions.labels
    n, by_dose, lived = int(rows["n"].sum()), "", "Nobody knows who survived."
    if run.study.tells_survival:
        by_dose = ", and survival by dose"
        lived = f"Survival of those patients with 95 % Wilson intervals, not shown under {FEWEST_SURVIVAL}."
    show(
        similar_states(rows, labels, ordered=run.study.actions.ordered),
        "similar-states",
        study.actions.said(f"Doses given in the {n} most similar states{by_dose}."),
        caption=f"The {n} nearest states of training patients, who may have several each. {lived} Treated patients "
        "differ from untreated ones: description, not effect.",
        data=rows.assign(**{study.actions.word: labels}),
    )


def followed(run: RunView) -> list[str]:
    """The two measurements whose course is shown."""
    study = run.study
    return [name for name in COLUMNS if name in study.names] or list(study.highlights[:2])


def _went_on(run: RunView, decision: Decision, hidden: bool) -> None:
    """Their later course and outcome, beside how this stay went on unless that is hidden."""
    study, similar, courses = run.study, decision.neighbors.patients, decision.neighbors.courses
    if max(int(course.others["median"].notna().sum()) for course in courses) < 2:
        empty(
            "Too few similar patients to follow",
            f"Only {len(similar.patients)} patients are similar, and fewer than {FEWEST_ON_COURSE} of them stay in the "
            "record after this step. See who they are, or train on more patients.",
        )
        return
    n, died = len(similar.patients), decision.neighbors.died
    outcome = study.outcome_text(run.cohort.outcomes[decision.patient])
    died_too = f", {died} of them {study.died_label}" if study.tells_survival else ""
    drawn = []
    for course in courses:
        column = study.column(course.column)
        label = column.label or course.column
        told = 1 if hidden else len(course.own)  # the step itself is known
        own = course.own[:told], course.own_hours[:told]
        drawn.append(LaterCourse(label, column.unit, course.others, *own, column.reference))
    show(
        later_courses(drawn, step_hours=study.step_hours),
        "similar-courses",
        f"Later course of {n} similar patients. "
        + " ".join(f"{course.column}, median by hours: {_spoken(course.others)}." for course in courses),
        caption=f"{n} similar patients{died_too}{'' if hidden else f'; this one {outcome}'}. "
        "Blue: median and middle half of those still in the record, who are not all that were there at first."
        + ("" if hidden else " Dotted: this stay, not known at this step."),
        data=pd.concat([course.others.assign(measurement=course.column) for course in courses]),
    )


def _spoken(others: pd.DataFrame) -> str:
    known = others.dropna(subset=["median"])
    return ", ".join(f"{fmt(row.median, 1)} at +{row.hours:g} h" for row in rows_of(known.iloc[::3])) or "too few left"


def _who(run: RunView, decision: Decision) -> None:
    """The patients themselves; a row opens one at its similar state."""
    patient, step, similar = decision.patient, decision.step, decision.neighbors.patients

    def leave() -> None:
        came = [place for place in st.session_state.get(CAME_FROM, []) if place[:2] != (run.path.name, patient)]
        st.session_state[CAME_FROM] = [*came, (run.path.name, patient, step)]

    patient_list(
        decision.neighbors.table,
        similar.patients,
        f"similar-patients-{patient}-{step}",
        name=f"similar to {run.cohort.patients[patient]} at step {step + 1}",
        caption="Nearest first.",
        height=390,
        steps=similar.steps,
        leave=leave,
    )


def way_back(run: RunView) -> None:
    """A button back to the stay from which a similar patient was opened, one after the other."""
    session = get_session()
    came = [place for place in st.session_state.get(CAME_FROM, []) if place[0] == run.path.name]
    before = [place for place in came if place[1] != session.patient]
    if not before:
        return
    _, patient, step = before[-1]
    st.button(
        f"Back to patient {markdown(run.cohort.patients[patient])}, step {step + 1}",
        icon=":material/undo:",
        type="tertiary",
        key="similar-back",
        on_click=_return,
        args=(patient, step),
    )


def _return(patient: int, step: int) -> None:
    session = get_session()
    session.patient, session.step = patient, step
    st.session_state[CAME_FROM] = [place for place in st.session_state[CAME_FROM] if place[1] != patient]
