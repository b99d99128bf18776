"""Charts that show and make the selection, and what sets it apart from the rest or from another selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.figures.phenotypes import effect_bars
from core.figures.theme import axis_label, fmt
from core.icu.ask.stay_values import StayValue, values_of_stays
from core.icu.selection import Selection
from core.phenotypes import effect_sizes
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

FEWEST = 5  # patients on each side of a comparison
REST = "all other patients"
BEFORE = "the selection before"
VALUES: dict[StayValue, str] = {"mean": "stay mean", "first": "first step", "last": "last step"}


@dataclass
class _Drawn:
    """What a chart shows: its selection, and how often it had to start afresh."""

    selection: Selection | None = None
    version: int = 0


def chart_key(name: str) -> str:
    """Key of a chart that shows the selection.

    It changes when the selection was made elsewhere, which is how Streamlit forgets the chart's own last lasso; a lasso
    on the chart itself keeps the key, and so its zoom.
    """
    drawn: _Drawn = st.session_state.setdefault(f"{name}-drawn", _Drawn())
    selection = get_session().selection
    if selection is not drawn.selection:
        drawn.selection, drawn.version = selection, drawn.version + 1
    return f"{name}-{drawn.version}"


def take_from_chart(name: str, key: str, what: str) -> None:
    """Make a lasso, box or click the selection (a callback); an emptied one clears it."""
    points = st.session_state[key]["selection"]["points"]
    patients = [int(np.ravel(point["customdata"])[0]) for point in points if point.get("customdata") is not None]
    get_session().select(what, patients)
    st.session_state[f"{name}-drawn"].selection = get_session().selection


def compare_selection(run: RunView, selection: Selection, n_clusters: int) -> None:
    """Standardized differences between the selection and the rest, a phenotype or another selection, largest first."""
    others = _others(selection)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    sides = [REST, *(f"phenotype {k}" for k in range(n_clusters)), *others]
    against = left.selectbox("Against", sides, **held("selection-against", sides))
    what = right.segmented_control(
        "Value of each patient",
        list(VALUES),
        format_func=VALUES.__getitem__,
        required=True,
        **held("selection-value", VALUES, "mean"),
    )
    inside = selection.marks(run.cohort.n_patients)
    if against == REST:
        other = ~inside
    elif against in others:
        other = others[against].marks(len(inside))
    else:
        other = (run.labels(n_clusters) == int(against.rsplit(" ", 1)[1])) & ~inside
    if min(inside.sum(), other.sum()) < FEWEST:
        empty(
            "Too few patients to compare", f"Each side needs at least {FEWEST}; here {inside.sum()} and {other.sum()}."
        )
        return
    _effects(run, inside, other, against, what or "mean")


def _others(selection: Selection) -> dict[str, Selection]:
    """Selections to compare with, by what they are called here."""
    session = get_session()
    before = next((past for past in reversed(session.past) if past is not None and past != selection), None)
    kept = {f"kept: {name}": found for name, found in session.selections.items() if name != selection.name}
    return ({f"{BEFORE}: {before.name}": before} if before is not None else {}) | kept


def _effects(run: RunView, inside: np.ndarray, other: np.ndarray, against: str, what: StayValue) -> None:
    """One value a patient and feature, compared by standardized mean difference."""
    study = run.study
    values = values_of_stays(run, what)
    ends = run.cohort.died if study.tells_survival else run.cohort.outcomes
    used = np.concatenate([values, run.cohort.lengths[:, None], ends[:, None]], axis=1)
    end = study.died_label.capitalize() if study.tells_survival else "Outcome"
    names = [*(c.label or c.name for c in study.columns), "Steps in the unit", end]
    units = dict(zip(names, [*("" if c.binary else c.unit for c in study.columns), "", ""], strict=True))
    effects = effect_sizes(used, inside, names, other)
    shown = effects.dropna(subset=["effect"])
    strongest = ", ".join(
        f"{axis_label(r.feature, units[r.feature])} {fmt(r.mean_selected)} against {fmt(r.mean_rest)}"
        for r in rows_of(shown.head(3))
    )
    overlap = int((inside & other).sum())
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
        caption=f"Largest: {strongest}. {inside.sum():,} selected against {other.sum():,}: difference of patients' "
        f"values ({VALUES[what]}) in standard deviations, 95 % intervals, the 15 largest of all features. "
        + (f"{overlap:,} patients are on both sides, so the intervals are rough. " if overlap else "")
        + "The patients were chosen by eye or by hand, so no test applies: a description.",
        data=effects.assign(unit=[units[name] for name in effects["feature"]], against=against, value=VALUES[what]),
    )
