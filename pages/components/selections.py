"""A selection of patients: naming it, and what sets it apart from the rest or from another selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.figures.phenotypes import effect_bars
from core.figures.theme import fmt
from core.phenotypes import effect_sizes, patient_means
from pages.components.estimates import rows_of
from pages.components.export import show
from pages.components.frame import empty
from pages.components.session import Selection, get_session

if TYPE_CHECKING:
    from core.runs.view import RunView

FEWEST = 5  # patients on each side of a comparison
MAP_VERSION = "map-version"  # part of the map's widget key
KEPT = "kept-selections"
REST = "all other patients"


def clear_selection() -> None:
    """Drop the current selection (a callback); the map gets a new key, which is how Streamlit forgets a lasso."""
    get_session().selection = None
    redraw_map()


def redraw_map() -> None:
    """Let the map start afresh, so that it shows the session's selection instead of the last lasso."""
    st.session_state[MAP_VERSION] = st.session_state.get(MAP_VERSION, 0) + 1


def keep_selection() -> None:
    """Give the current selection a name, or return to one that was named before."""
    session = get_session()
    named = [name for name in session.selections if name != "map"]
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left.popover("Name this selection", icon=":material/bookmark_add:"), st.form("name-selection", border=False):
        name = st.text_input("Name", max_chars=40, placeholder="early shock")
        if st.form_submit_button("Keep") and name.strip() and session.selection is not None:
            session.select(name.strip(), session.selection.patients)
            st.rerun()
    if named:
        current = session.selection.name if session.selection is not None else None
        st.session_state[KEPT] = current if current in named else None
        right.selectbox(
            "Kept selections",
            named,
            index=None,
            placeholder="return to a kept selection",
            label_visibility="collapsed",
            key=KEPT,
            on_change=_return_to_kept,
        )


def _return_to_kept() -> None:
    session, name = get_session(), st.session_state[KEPT]
    if name in session.selections:
        session.selection = session.selections[name]
        redraw_map()


def compare_selection(run: RunView, selection: Selection, n_clusters: int) -> None:
    """Standardized differences between the selection and the rest, a phenotype or another selection, largest first."""
    session = get_session()
    others = {name: s for name, s in session.selections.items() if name != selection.name}
    against = st.selectbox(
        "Against", [REST, *(f"phenotype {k}" for k in range(n_clusters)), *others], key="selection-against"
    )
    inside = np.zeros(run.cohort.n_patients, dtype=bool)
    inside[list(selection.patients)] = True
    if against == REST:
        other = ~inside
    elif against in others:
        other = np.isin(np.arange(len(inside)), others[against].patients)
    else:
        other = (run.labels(n_clusters) == int(against.rsplit(" ", 1)[1])) & ~inside
    if min(inside.sum(), other.sum()) < FEWEST:
        empty(
            "Too few patients to compare", f"Each side needs at least {FEWEST}; here {inside.sum()} and {other.sum()}."
        )
        return
    _effects(run, inside, other, against)


def _effects(run: RunView, inside: np.ndarray, other: np.ndarray, against: str) -> None:
    """One value a patient and feature (the mean of the stay), compared by standardized mean difference."""
    study, mask = run.study, run.trajectories.mask
    values = patient_means(run.trajectories.states, mask)
    used = np.concatenate([values, run.cohort.lengths[:, None], (run.cohort.outcomes < 0)[:, None]], axis=1)
    names = [*(c.label or c.name for c in study.columns), "Steps in the unit", study.died_label.capitalize()]
    effects = effect_sizes(used, inside, names, other)
    shown = effects.dropna(subset=["effect"])
    strongest = ", ".join(f"{r.feature} {fmt(r.effect)}" for r in rows_of(shown.head(3)))
    show(
        effect_bars(
            list(shown["feature"]),
            shown["effect"].to_numpy(),
            low=shown["low"].to_numpy(),
            high=shown["high"].to_numpy(),
            versus=against,
            top=15,
        ),
        "selection-effects",
        f"Standardized differences of the selection from {against}, largest first: {strongest}.",
        caption=f"{inside.sum():,} selected against {other.sum():,}: difference of patients' stay means in standard "
        "deviations, 95 % "
        "intervals, the 15 largest of all features. Chosen by eye on a map, so no test applies: a description.",
        data=effects.assign(against=against),
    )
