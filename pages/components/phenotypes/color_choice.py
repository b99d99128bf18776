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
from core.policies.families import expert_keys
from core.policies.key import FUSED, PolicyKey
from pages.components.policies.hazards import rules_of_session
from pages.components.shell.held import held
from pages.components.shell.names import policy_name
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

PHENOTYPE, OUTCOME, LENGTH, HOURS, DISAGREEMENT = "Phenotype", "Outcome", "Length of stay", "Recorded hours", "Policy"
WORDS = {DISAGREEMENT: "Where a policy disagrees"}
ADVICE = "advice"  # the run's recommended step, in the place of a policy's name
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
    fixed = [PHENOTYPE, OUTCOME, DISAGREEMENT, LENGTH, *([HOURS] if run.cohort.timed else [])]
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
    if chosen in simple:
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
    session = get_session()
    names = [*([ADVICE] if run.advice is not None else []), FUSED, *(key.policy for key in expert_keys(k))]
    names += [name for name in run.baselines if PolicyKey.at(name, k, session.lambda_, session.mode) in run.evaluated]

    def said(name: str) -> str:
        return "Advice of the run" if name == ADVICE else policy_name(run, name, k)

    policy = (
        st.selectbox("Policy", names, format_func=said, **held("map-policy", names, key=f"map-policy-{k}")) or FUSED
    )
    against: Against | None = st.segmented_control(
        "Held against",
        AGAINST,
        format_func=lambda one: "doses given" if one == "given" else "clinicians' likeliest",
        required=True,
        **held("map-against", AGAINST),
    )
    key = None if policy == ADVICE else PolicyKey.at(policy, k, session.lambda_, session.mode)
    return by_disagreement(run, key, against or AGAINST[0], rules_of_session(run.study), said(policy))
