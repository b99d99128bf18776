"""Lists of patients: one row each with what tells them apart, filters, and the door to a patient's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.theme import fmt_unit
from core.icu.ask.names import phenotypes_of
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec

PATIENT_PAGE = "pages/patient.py"
MOST_ROWS = 2000
WALKED = "filter-selection"  # True: previous and next on the patient's page walk the selection


@dataclass(frozen=True)
class Filters:
    """Which patients a list shows; empty means no restriction."""

    phenotypes: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None
    selection: bool = False


def horizon_words(study: StudySpec) -> str:
    """Until when the outcome was looked for, in brackets, where the study says so."""
    return f" ({study.outcome_horizon})" if study.outcome_horizon else ""


def outcome_words(run: RunView) -> np.ndarray:
    """(N,) the study's words for the outcome of each patient."""
    return np.where(run.cohort.outcomes > 0, run.study.survived_label, run.study.died_label)


def matching(run: RunView, n_clusters: int, filters: Filters) -> np.ndarray:
    """Positions of the patients that pass the filters, sorted."""
    keep = np.ones(run.cohort.n_patients, dtype=bool)
    if filters.phenotypes:
        keep &= np.isin(run.labels(n_clusters), filters.phenotypes)
    if filters.outcomes:
        keep &= np.isin(outcome_words(run), filters.outcomes)
    if filters.splits:
        keep &= np.isin(run.split_name, filters.splits)
    if filters.steps is not None:
        keep &= (run.cohort.lengths >= filters.steps[0]) & (run.cohort.lengths <= filters.steps[1])
    selection = get_session().selection
    if filters.selection and selection is not None:
        keep &= selection.marks(len(keep))
    return np.flatnonzero(keep)


def filter_name(run: RunView, n_clusters: int, filters: Filters) -> str:
    """What the filters ask for in a few words: 'phenotype 2 of 3, died, test'."""
    parts = []
    if filters.phenotypes:
        noun = "phenotype" if len(filters.phenotypes) == 1 else "phenotypes"
        parts.append(f"{noun} {' + '.join(map(str, filters.phenotypes))} of {n_clusters}")
    parts += [" + ".join(chosen) for chosen in (filters.outcomes, filters.splits) if chosen]
    shortest, longest = int(run.cohort.lengths.min()), int(run.cohort.lengths.max())
    if filters.steps is not None and filters.steps != (shortest, longest):
        parts.append("{}–{} steps".format(*filters.steps))
    selection = get_session().selection
    if filters.selection and selection is not None:
        parts.append(f"in {selection.name}")
    return ", ".join(parts) or "all patients"


def longest_unseen(run: RunView, listed: np.ndarray) -> int:
    """The one shown before any is chosen: the longest stay of these, one that no model has seen if possible."""
    seen = run.split_name[listed] != "test"
    return int(listed[np.lexsort((-run.cohort.lengths[listed], seen))[0]])


def patient_table(run: RunView, n_clusters: int, patients: np.ndarray, *, every_column: bool = False) -> pd.DataFrame:
    """One row a patient: key, phenotype, outcome, split, steps, the first hour where hours were recorded, largest dose
    bin, and columns at the first step.

    Columns at the first step are the study's highlights, or all with `every_column` (for the export).
    """
    cohort, study = run.cohort, run.study
    first = cohort.starts[patients]
    dose = np.maximum.reduceat(cohort.actions, cohort.starts)[patients]
    columns: dict[str, object] = {
        "patient": cohort.patients[patients],
        "phenotype": phenotypes_of(run, n_clusters, patients),
        "outcome": outcome_words(run)[patients],
        "split": run.split_name[patients],
        "steps": cohort.lengths[patients],
        **({"from (h)": cohort.hours[first]} if cohort.timed else {}),
        "largest dose": [study.actions.label(int(a)) for a in dose],
    }
    names = study.names if every_column else study.highlights[:4]
    for name in names:
        unit = fmt_unit(study.column(name).unit)
        columns[f"{name} at start ({unit})"] = cohort.states[first, study.index(name)].round(2)
    return pd.DataFrame(columns)


def walk_selection() -> None:
    """Let previous and next on the patient's page walk the selection alone."""
    st.session_state[WALKED] = True


def open_patient(patient: int, step: int | None = None) -> None:
    """Go to the patient's page; the selection stays in the session."""
    session = get_session()
    session.patient, session.step = int(patient), step
    st.switch_page(PATIENT_PAGE, query_params=session.to_params())
