"""Why a combination has its Q: the features and states that move it, against what similar patients had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.figures.theme import fmt_percent, fmt_unit
from core.registry.ask.why import UNKNOWN, why
from pages.components.registry.session import in_text, looks_of
from pages.components.shell.held import held_switch
from pages.components.study.why import beside_similar, why_bars

if TYPE_CHECKING:
    from core.registry.view import RegistryView

HOW = (
    "For each feature and state in turn: it is replaced by that of the 30 training and validation decisions of other "
    "patients at this stage that are nearest in all others and in the same state, and the Q-network is asked again. "
    "Bar: the combination's advantage as recorded, minus the mean with the values set in. One is moved at a time: bars "
    "do not add up."
)


def why_view(run: RegistryView, options: pd.DataFrame, patient: int, stage: int, decision: str) -> None:
    """Behind a switch: bars of what moves the Q of one of the ranked options."""
    if not st.toggle("Why this Q", **held_switch("registry-why")):
        return
    names = dict(zip(options["action"].astype(int), options["name"], strict=True))
    action = st.selectbox(
        "Combination", list(names), format_func=names.__getitem__, key=f"registry-why-{patient}-{stage}-{decision}"
    )
    found = why(run, patient, stage, decision)
    why_bars(
        found,
        action,
        lambda row: _line(run, row),
        name=names[action],
        lead="Advantage of this combination over what experts would likely choose here: "
        f"{found.advantage[action]:+.2f} by Q, which has no interval.",
        how=HOW,
    )


def _line(run: RegistryView, row: Any) -> str:
    """'Age 51 years' over 'similar patients: 47'; of a category its word, and how many share it."""
    spec, states = run.spec, looks_of(run.spec).states
    if row.column not in spec.feature_names:
        title = "Alive" if row.column == "alive" else states[row.column].name
        return beside_similar(f"{title}:", "yes" if row.value else "no", fmt_percent(row.similar, 0))
    feature = spec.feature(row.column)
    title = feature.label or feature.name
    if feature.kind == "number":
        return beside_similar(title, f"{row.value:.0f} {fmt_unit(feature.unit)}".strip(), f"{row.similar:.0f}")
    word = "not recorded" if row.value == UNKNOWN else in_text(feature.categories[int(row.value)])
    return beside_similar(f"{title}:", word, fmt_percent(row.similar, 0))
