"""The choice of what the map is colored by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.figures.coloring import Coloring
from core.icu.ask.coloring import (
    AGAINST,
    Against,
    by_column,
    by_disagreement,
    by_hours,
    by_length,
    by_outcome,
    by_phenotype,
)
from core.icu.ask.stay_values import StayValue
from core.policies.key import FUSED
from pages.components.shell.filters import AGAINST_WORDS, key_of, policies_to_hold
from pages.components.shell.held import held
from pages.components.shell.rules import rules_of_session

if TYPE_CHECKING:
    from core.icu.view import RunView

PHENOTYPE, OUTCOME, LENGTH, HOURS, DISAGREEMENT = "Phenotype", "Outcome", "Length of stay", "Recorded hours", "Policy"
WORDS = {DISAGREEMENT: "Where a policy disagrees"}
VALUES: dict[StayValue, str] = {
    "first": "First",
    "last": "Last",
    "change": "Change",
    "mean": "Mean",
    "lowest": "Lowest",
    "highest": "Highest",
}


def choose_coloring(run: RunView, k: int) -> Coloring:
    """Ask what to color by, and what belongs to the choice; the coloring of all patients of the run."""
    columns = {column.name: column.label or column.name for column in run.study.columns}
    fixed = [
        PHENOTYPE,
        *([OUTCOME] if run.study.tells_survival else []),
        DISAGREEMENT,
        LENGTH,
        *([HOURS] if run.cohort.timed else []),
    ]
    keys = [*fixed, *(f"column {name}" for name in columns)]
    chosen = st.selectbox(
        "Color by",
        keys,
        format_func=lambda key: WORDS.get(key, key) if key in fixed else columns[key.removeprefix("column ")],
        **held("map-color", keys),
        help="Points stay where they are; only their colors change.",
    )
    if chosen == DISAGREEMENT:
        return _disagreement(run, k)
    simple = {OUTCOME: by_outcome, LENGTH: by_length, HOURS: by_hours}
    if chosen in simple and chosen in keys:
        return simple[chosen](run)
    if chosen not in keys or chosen == PHENOTYPE:
        return by_phenotype(run, k)
    return _column(run, chosen.removeprefix("column "))


def _column(run: RunView, name: str) -> Coloring:
    """A static column has one value; of any other one asks which."""
    if run.study.column(name).kind == "static":
        return by_column(run, name, "first")
    what = st.selectbox(
        "Value of the stay",
        list(VALUES),
        format_func=VALUES.__getitem__,
        **held("map-color-value", VALUES),
    )
    return by_column(run, name, what or "first")


def _disagreement(run: RunView, k: int) -> Coloring:
    policies = policies_to_hold(run, k)
    policy = st.selectbox(
        "Policy", policies, format_func=policies.__getitem__, **held("map-policy", policies, key=f"map-policy-{k}")
    )
    against: Against | None = st.segmented_control(
        "Held against",
        AGAINST,
        format_func=AGAINST_WORDS.__getitem__,
        required=True,
        **held("map-against", AGAINST),
    )
    name = policy or FUSED
    rules = rules_of_session(run.study)
    return by_disagreement(run, key_of(name, k), against or AGAINST[0], rules, policies[name])
