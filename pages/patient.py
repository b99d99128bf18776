"""Patient: one stay on one time axis; at each step what every policy would weigh, and what similar patients got."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.figures.theme import phenotype_name
from core.runs.view import RunView
from pages.components.controls import k_slider, lambda_slider
from pages.components.course import course_panel
from pages.components.decision import decision_panel
from pages.components.export import table
from pages.components.frame import empty, go_to, page, require_run
from pages.components.panels import panel
from pages.components.patients import MOST_ROWS, Filters, matching, outcome_words, patient_table
from pages.components.selection_bar import selection_bar
from pages.components.session import get_session
from pages.components.similar_panel import way_back
from pages.components.verdict_panel import verdict_panel


def main() -> None:
    """Draw the page."""
    page(
        "Patient",
        "One stay, step by step: what was measured, what was given, what each policy would weigh, and how many "
        "similar patients stand behind it.",
    )
    run = require_run()
    selection_bar(run)
    session = get_session()
    listed = _choose(run)
    if session.patient is None and len(listed):
        session.patient, session.step = _first(run, listed), None
    if session.patient is None:
        empty("No patient matches", "Widen the filters above to see patients.")
        return
    way_back(run)
    _title(run, session.patient)
    patient_panel(run, session.patient)


def _choose(run: RunView) -> np.ndarray:
    """Filters, the list, and previous and next; returns the positions that match."""
    k = get_session().n_clusters
    with st.expander("Find a patient", icon=":material/filter_alt:", expanded=False):
        filters = _filters(run, k)
        listed = matching(run, k, filters)
        rows = patient_table(run, k, listed[:MOST_ROWS])
        table(
            rows,
            f"patients-{hash(filters)}",
            name="patients",
            caption=f"{len(listed):,} of {run.cohort.n_patients:,} patients"
            + (f", the first {MOST_ROWS:,} shown" if len(listed) > MOST_ROWS else "")
            + ". Mark a row to open it.",
            height=260,
            on_select=lambda: _take_row(f"patients-{hash(filters)}", listed),
            selection_mode="single-row",
            csv=patient_table(run, k, listed, every_column=True),
        )
    if not len(listed):
        return listed
    _steps_through(run, listed)
    return listed


def _first(run: RunView, listed: np.ndarray) -> int:
    """The patient shown before any is chosen: the longest stay, one that the policies have not seen if possible."""
    new = run.split_name[listed] == "test"
    return int(listed[np.lexsort((-run.cohort.lengths[listed], ~new))[0]])


def _take_row(key: str, listed: np.ndarray) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        _open(int(listed[rows[0]]))


def _open(patient: int) -> None:
    session = get_session()
    session.patient, session.step = patient, None


def _filters(run: RunView, k: int) -> Filters:
    session, study = get_session(), run.study
    columns = st.columns([2, 2, 2, 2])
    phenotypes = columns[0].multiselect(
        "Phenotype",
        range(k),
        format_func=phenotype_name,
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
            key="filter-selection",
            disabled=not chosen,
            persist_state="session",
        )
        and chosen
    )
    return Filters(tuple(phenotypes), tuple(outcomes), tuple(splits), steps, only)


def _steps_through(run: RunView, listed: np.ndarray) -> None:
    """Previous, the patient by key, next, and the way back to the map."""
    session = get_session()
    if session.patient is None:
        session.patient = _first(run, listed)
    place = int(np.searchsorted(listed, session.patient))
    inside = place < len(listed) and listed[place] == session.patient
    before, pick, after, back = st.columns([1, 3, 1, 1.3], vertical_alignment="bottom")
    before.button(
        "Previous",
        icon=":material/chevron_left:",
        key="previous-patient",
        width="stretch",
        disabled=place == 0,
        on_click=_open,
        args=(int(listed[max(place - 1, 0)]),),
    )
    following = min(place + (1 if inside else 0), len(listed) - 1)
    after.button(
        "Next",
        icon=":material/chevron_right:",
        key="next-patient",
        width="stretch",
        on_click=_open,
        args=(int(listed[following]),),
        disabled=inside and place == len(listed) - 1,
    )
    with pick:
        _pick(run, listed, inside)
    with back:
        go_to("pages/phenotypes.py", "Back to the map", icon=":material/scatter_plot:")


def _pick(run: RunView, listed: np.ndarray, inside: bool) -> None:
    session, keys = get_session(), run.cohort.patients
    options = [int(p) for p in listed] if inside else [int(session.patient or 0), *(int(p) for p in listed)]
    st.session_state["pick-patient"] = session.patient
    st.selectbox(
        f"Patient ({len(listed):,} in the list)" + ("" if inside else ", this one outside of the filters"),
        options,
        format_func=lambda p: f"{keys[p]}",
        key="pick-patient",
        on_change=lambda: _open(int(st.session_state["pick-patient"])),
    )


def _title(run: RunView, patient: int) -> None:
    session, cohort, study = get_session(), run.cohort, run.study
    first = cohort.states[cohort.starts[patient]]
    static = []
    for j, column in enumerate(study.columns[: study.n_static]):
        if column.binary:
            static.append(_binary(column.unit, first[j]) or f"{column.label or column.name} {first[j]:.0f}")
        else:
            static.append(f"{(column.label or column.name).lower()} {first[j]:.0f} {column.unit}")
    label = int(run.labels(session.n_clusters)[patient])
    split = run.split_name[patient]
    seen = {
        "train": "the policies were trained on this patient",
        "valid": "used to choose the encoder",
        "test": "new to the policies",
    }
    st.subheader(f"Patient {cohort.patients[patient]}", anchor=False)
    st.caption(
        f"{', '.join(static)} · {cohort.lengths[patient]} steps of {study.step_hours:g} h · "
        f"**{outcome_words(run)[patient]}** · "
        f"{phenotype_name(label)} of {session.n_clusters} by the whole stay · {split} ({seen[split]})"
    )


def _binary(unit: str, value: float) -> str:
    """The word for a binary column whose unit spells out its codes ('0 = male, 1 = female')."""
    codes = dict(part.strip().split(" = ", 1) for part in unit.split(",") if " = " in part)
    return codes.get(f"{value:.0f}", "")


@panel
def patient_panel(run: RunView, patient: int) -> None:
    """Timeline on the left, the decision at one step on the right; both follow one step slider."""
    session = get_session()
    length = int(run.cohort.lengths[patient])
    step = min(session.step if session.step is not None else min(4, length - 1), length - 1)
    first, second, third = st.columns([3, 2, 3], vertical_alignment="bottom")
    with first:
        step = _step_slider(run, patient, length, step)
    with second:
        k = k_slider(run, key="patient-k")
    with third:
        lambda_ = lambda_slider(run, key="patient-lambda")
    left, right = st.columns([1.08, 1], gap="medium")
    with left:
        course_panel(run, patient, step)
    with right:
        decision_panel(run, patient, step, k, lambda_)
        verdict_panel(run, patient, step, k, lambda_)


def _step_slider(run: RunView, patient: int, length: int, step: int) -> int:
    session, hours = get_session(), run.study.hours(np.arange(length))
    if length < 2:
        return 0
    key = f"patient-step-{patient}"
    st.session_state[key] = step
    st.select_slider(
        "Step (hours from onset)",
        list(range(length)),
        key=key,
        format_func=lambda t: f"{t + 1} of {length} ({hours[t]:+g} h)",
        on_change=lambda: setattr(session, "step", int(st.session_state[key])),
    )
    return step


main()
