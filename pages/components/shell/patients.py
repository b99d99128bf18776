"""Lists of patients: one row each with what tells them apart, filters, and the door to a patient's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.theme import fmt_unit
from core.icu.ask.find import Filters, commonest, largest_doses, outcome_words, share_of, stay_value
from core.icu.ask.names import phenotypes_of
from pages.components.shell.held import ON
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec

PATIENT_PAGE = "pages/patient.py"
MOST_ROWS = 2000
WALKED = "find-selection"  # on: previous and next on the patient's page walk the selection


def horizon_words(study: StudySpec) -> str:
    """Until when the outcome was looked for, in brackets, where the study says so."""
    return f" ({study.outcome_horizon})" if study.outcome_horizon else ""


def longest_unseen(run: RunView, listed: np.ndarray) -> int:
    """The one shown before any is chosen: the longest stay of these, one that no model has seen if possible."""
    seen = run.split_name[listed] != "test"
    return int(listed[np.lexsort((-run.cohort.lengths[listed], seen))[0]])


def dose_column(study: StudySpec) -> str:
    """Title of the column that says what a stay got in one word."""
    return "largest dose" if study.actions.ordered else f"commonest {study.actions.word}"


def patient_table(run: RunView, n_clusters: int, patients: np.ndarray, *, every_column: bool = False) -> pd.DataFrame:
    """One row a patient: key, phenotype, outcome, split, steps, the first hour where hours were recorded, largest dose
    bin or commonest action, and columns at the first step.

    Columns at the first step are the study's highlights, or all with `every_column` (for the export).
    """
    cohort, study = run.cohort, run.study
    first = cohort.starts[patients]
    dose = (largest_doses(run) if study.actions.ordered else commonest(run))[patients]
    columns: dict[str, object] = {
        "patient": cohort.patients[patients],
        "phenotype": phenotypes_of(run, n_clusters, patients),
        "outcome": outcome_words(run)[patients],
        "split": run.split_name[patients],
        "steps": cohort.lengths[patients],
        **({"from (h)": cohort.hours[first]} if cohort.timed else {}),
        dose_column(study): [study.actions.label(int(a)) for a in dose],
    }
    names = study.names if every_column else study.highlights[:4]
    for name in names:
        column = study.column(name)
        decimals = 2 if column.decimals is None else column.decimals
        values = cohort.states[first, study.index(name)].astype(np.float64)
        columns[f"{name} at start ({fmt_unit(column.unit)})"] = values.round(decimals)
    return pd.DataFrame(columns)


def asked_for(run: RunView, patients: np.ndarray, filters: Filters) -> dict[str, np.ndarray]:
    """What the filters ask of these patients and the list does not show, one column each."""
    columns = {}
    if filters.column is not None:
        column, what = run.study.column(filters.column.column), filters.column.what
        decimals = 2 if column.decimals is None else column.decimals
        title = f"{column.name}, {what} ({fmt_unit(column.unit)})"
        columns[title] = stay_value(run, filters.column)[patients].round(decimals)
    if filters.departing is not None:
        columns["steps with another dose (%)"] = share_of(run, filters.departing)[patients].round(0)
    return columns


def walk_selection() -> None:
    """Let previous and next on the patient's page walk the selection alone."""
    get_session().mark(WALKED, ON)


def open_patient(patient: int, step: int | None = None) -> None:
    """Go to the patient's page; the selection stays in the session."""
    session = get_session()
    session.patient, session.step = int(patient), step
    st.switch_page(PATIENT_PAGE, query_params=session.to_params())
