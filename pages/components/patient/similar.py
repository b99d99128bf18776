"""The patients most similar to one step of a stay: what they got, how they went on, and the way to each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.similar import LaterCourse, later_courses, similar_states
from core.figures.theme import fmt, fmt_percent
from core.icu.ask.similar import FEWEST_ON_COURSE, Similar, later_course, neighborhood, similar_patients, similar_table
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.patient_list import patient_list
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

FEWEST_SURVIVAL = 5  # similar patients who got a dose, below which their survival is not shown
PARTS = ("What they got", "How they went on", "Who they are")
CAME_FROM = "similar-came-from"
COLUMNS = ("Platelets", "SOFA")  # followed in similar patients, where the study has them


def similar_view(run: RunView, patient: int, step: int, n_clusters: int, why: str) -> None:
    """Similar training states in three parts; `why` says what is wrong with them ("": nothing is)."""
    similar = similar_patients(run, patient, step)
    if not len(similar.patients):
        st.warning(why, icon=":material/block:")
        return
    part = st.segmented_control(
        "Part",
        PARTS,
        default=PARTS[0],
        key="similar-part",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    support = float(run.support[patient, step])
    if why:
        st.warning(why, icon=":material/block:")
    else:
        st.caption(
            ":material/groups: Similar: the nearest training states by all features of the step together, so single "
            f"ones may differ. Support {fmt_percent(support, 0)}: so many training states have neighbors no nearer "
            "than this one has."
        )
    if part == PARTS[1]:
        _went_on(run, patient, step, similar)
    elif part == PARTS[2]:
        _who(run, patient, step, similar, n_clusters)
    else:
        _got(run, patient, step)


def _got(run: RunView, patient: int, step: int) -> None:
    rows = neighborhood(run, patient, step)
    seldom = rows["patients"] < FEWEST_SURVIVAL
    rows.loc[seldom, ["survival", "low", "high"]] = np.nan
    labels = [run.study.actions.label(a) for a in range(run.study.n_actions)]
    show(
        similar_states(rows, labels),
        "similar-states",
        f"Doses given in the {int(rows['n'].sum())} most similar states, and survival by dose.",
        caption=f"The {int(rows['n'].sum())} nearest states of training patients, who may have several each; survival "
        f"of those patients with 95 % Wilson intervals, not shown under {FEWEST_SURVIVAL}. Treated "
        "patients differ from untreated ones: description, not effect.",
        data=rows.assign(dose=labels),
    )


def followed(run: RunView) -> list[str]:
    """The two measurements whose course is shown."""
    study = run.study
    return [name for name in COLUMNS if name in study.names] or list(study.highlights[:2])


def _went_on(run: RunView, patient: int, step: int, similar: Similar) -> None:
    """Their later course and outcome, beside how this stay went on."""
    study, cohort = run.study, run.cohort
    own = cohort.states[cohort.rows(patient)][step:]
    courses = {name: later_course(run, similar, name) for name in followed(run)}
    if max(int(others["median"].notna().sum()) for others in courses.values()) < 2:
        empty(
            "Too few similar patients to follow",
            f"Only {len(similar.patients)} patients are similar, and fewer than {FEWEST_ON_COURSE} of them stay in the "
            "record after this step. See who they are, or train on more patients.",
        )
        return
    n, died = len(similar.patients), int((cohort.outcomes[similar.patients] < 0).sum())
    outcome = study.survived_label if cohort.outcomes[patient] > 0 else study.died_label
    drawn = []
    for name, others in courses.items():
        column = study.column(name)
        label = column.label or name
        drawn.append(LaterCourse(label, column.unit, others, own[:, study.index(name)], column.reference))
    show(
        later_courses(drawn, step_hours=study.step_hours),
        "similar-courses",
        f"Later course of {n} similar patients. "
        + " ".join(f"{name}, median by hours: {_spoken(others)}." for name, others in courses.items()),
        caption=f"{n} similar patients, {died} of them {study.died_label}; this one {outcome}. Blue: median and middle "
        "half of those still in the record, who are not all that were there at first. Dotted: this stay, not known at "
        "this step.",
        data=pd.concat([others.assign(measurement=name) for name, others in courses.items()]),
    )


def _spoken(others: pd.DataFrame) -> str:
    known = others.dropna(subset=["median"])
    return ", ".join(f"{fmt(row.median, 1)} at +{row.hours:g} h" for row in rows_of(known.iloc[::3])) or "too few left"


def _who(run: RunView, patient: int, step: int, similar: Similar, n_clusters: int) -> None:
    """The patients themselves; a row opens one at its similar state."""

    def leave() -> None:
        came = [place for place in st.session_state.get(CAME_FROM, []) if place[:2] != (run.path.name, patient)]
        st.session_state[CAME_FROM] = [*came, (run.path.name, patient, step)]

    patient_list(
        similar_table(run, similar, followed(run), n_clusters),
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
        f"Back to patient {run.cohort.patients[patient]}, step {step + 1}",
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
