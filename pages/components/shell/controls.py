"""Sliders and switches that are bound to the session: the same value on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.figures.theme import fmt_lambda
from pages.components.shell.session import MODES, get_session, let_show

if TYPE_CHECKING:
    from core.icu.view import RunView

MODE_HELP = (
    "Prospective: what could be known at each step, from the stay so far. "
    "Retrospective: the whole stay is known, as in the published study."
)


def _take(name: str, key: str) -> None:
    """Copy a widget's value into the session (a callback: it runs before the page is drawn again)."""
    value: Any = st.session_state[key]
    if value is not None:
        get_session().choose(name, value)


def _bind(name: str, key: str) -> None:
    """Let the widget show the session's value, also after it was set on another page or by a link."""
    let_show(key, getattr(get_session(), name))


def k_slider(run: RunView, key: str = "n_clusters") -> int:
    """Number of phenotypes among those that the run holds."""
    _bind("n_clusters", key)
    if len(run.k_values) == 1:
        st.caption(f"Number of phenotypes K = {run.k_values[0]} (the only one in this run)")
        return int(run.k_values[0])
    st.select_slider(
        "Number of phenotypes K",
        options=[int(k) for k in run.k_values],
        key=key,
        on_change=_take,
        args=("n_clusters", key),
        help="Phenotypes are found again for every K; points on the map never move. "
        f"The run's own K: {run.n_clusters}.",
    )
    return get_session().n_clusters


def lambda_slider(run: RunView, key: str = "lambda") -> float:
    """Sharpness of the fusion among the stored values: 0 averages all experts, infinity follows the nearest."""
    _bind("lambda_", key)
    st.select_slider(
        "Sharpness λ",
        options=[float(value) for value in run.lambdas],
        format_func=fmt_lambda,
        key=key,
        on_change=_take,
        args=("lambda_", key),
        help="Weight of phenotype k is exp(-λ d) over the sum, d = distance to its center. "
        "0: plain average of all experts; ∞: the nearest phenotype's expert alone. "
        f"The run's own λ: {fmt_lambda(run.config.fusion.lambda_)}.",
    )
    return get_session().lambda_


def mode_control(key: str = "mode") -> str:
    """Prospective or retrospective representation."""
    _bind("mode", key)
    st.segmented_control(
        "Mode",
        options=list(MODES),
        format_func=str.capitalize,
        key=key,
        required=True,
        on_change=_take,
        args=("mode", key),
        help=MODE_HELP,
    )
    return get_session().mode


def patient_select(run: RunView, key: str = "patient", label: str = "Patient") -> int | None:
    """One patient of the run by its key; None where nothing is chosen yet."""
    session = get_session()
    let_show(key, session.patient)
    keys = run.cohort.patients
    st.selectbox(
        label,
        options=list(range(len(keys))),
        format_func=lambda position: f"{keys[position]} · {int(run.cohort.lengths[position])} steps",
        key=key,
        index=None,
        placeholder="Type a patient key",
        on_change=lambda: setattr(session, "patient", st.session_state[key]),
    )
    return session.patient
