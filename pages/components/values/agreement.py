"""Two estimators beside each other, and the places where they disagree."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import state_values
from core.figures.policy_values import policy_forest
from core.figures.theme import fmt, fmt_percent
from core.figures.values import agreement_density
from core.icu.ask.critics import critic
from core.policies.key import FUSED, PolicyKey
from pages.components.shell.estimates import (
    ESTIMATORS,
    FQE_REMARK,
    compared,
    fqe_tells_little,
    fusion_controls,
    has_truth,
    policy_names,
    rows_of,
    support_rule,
    truth_missed,
)
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.names import phenotype_texts_here, policy_name
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.view import RunView


@panel
def estimator_panel(run: RunView) -> None:
    """Two estimators beside each other, and the places where they disagree."""
    k, lambda_, mode = fusion_controls(run, "estimators")
    rows = compared(run, k, lambda_, mode)
    if rows.empty:
        empty("Nothing evaluated", "The comparison of this run is empty; the run may be incomplete.")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown("**Policy values by every estimator**")
        show(
            policy_forest(rows, truth=has_truth(run), height_each=58, names=phenotype_texts_here(run)),
            "estimators",
            "Value of each policy by every estimator with 95 % intervals.",
            caption=f"Test patients. Hollow: weak; hollow and gray: not supported. FQE: {FQE_REMARK}."
            + (" Upright bar: true value." if has_truth(run) else ""),
            help=support_rule(run),
            data=rows,
        )
    with right:
        st.markdown("**Where they disagree**")
        _disagreements(run, rows)
    st.markdown("**FQI against FQE, state by state**")
    policy = st.selectbox(
        "FQE of",
        policy_names(k, run),
        **held("density-policy", policy_names(k, run), FUSED, key=f"density-policy-{k}"),
        format_func=lambda p: policy_name(run, p),
    )
    _density(run, policy, PolicyKey.at(policy, k, lambda_, mode))


def _apart(a: Any, b: Any) -> bool:
    """True where two estimates do not meet; one without an interval (FQE) counts by its value."""
    (low, high), (other_low, other_high) = (
        (row.low, row.high) if np.isfinite(row.low) and np.isfinite(row.high) else (row.value, row.value)
        for row in (a, b)
    )
    return bool(low > other_high or other_low > high)


def _disagreements(run: RunView, rows: pd.DataFrame) -> None:
    """One sentence for each policy with estimates whose intervals do not meet."""
    found = 0
    for policy, part in rows.groupby("policy", sort=False):
        apart = [
            f"{ESTIMATORS.get(a.estimator, a.estimator)} {fmt(a.value)} and "
            f"{ESTIMATORS.get(b.estimator, b.estimator)} {fmt(b.value)}"
            for a, b in combinations(rows_of(part), 2)
            if _apart(a, b)
        ]
        if apart:
            found += 1
            grade = str(part["support"].iloc[0])
            weak = f" ({grade})" if grade != "supported" else ""
            st.warning(
                f"**{policy_name(run, str(policy))}**{weak}: no overlap of {'; '.join(apart)}.",
                icon=":material/compare_arrows:",
            )
    if not found and (rows["support"] == "supported").any():
        st.success("All intervals of every policy overlap.", icon=":material/check:")
    elif not found:
        st.info("All intervals overlap, but no estimate is supported by enough records.", icon=":material/info:")
    for grade in ("not supported", "weak"):
        named = [policy_name(run, p) for p in rows.loc[rows["support"] == grade, "policy"].unique()]
        if named:
            st.caption(f"{grade.capitalize()}, so agreement proves little: {', '.join(named)}.")
    for note in (truth_missed(run, rows), fqe_tells_little(rows)):
        if note:
            st.caption(f":material/info: {note}")


def _density(run: RunView, policy: str, key: PolicyKey) -> None:
    patients = run.split.test if len(run.split.test) else np.arange(run.cohort.n_patients)
    mask = run.trajectories.mask[patients]
    star = run.fqi_q[patients].max(axis=-1)[mask]
    own = state_values(run.probs(key)[patients], critic(run, key)[patients])[mask]
    counts, x_edges, y_edges = np.histogram2d(star, own, bins=48)
    correlation = (
        float(np.corrcoef(star, own)[0, 1]) if len(star) > 2 and star.std() > 0 and own.std() > 0 else float("nan")
    )
    above = float((own > star).mean()) if len(star) else float("nan")
    show(
        agreement_density(
            x_edges,
            y_edges,
            counts.astype(int),
            x="V* by FQI (return)",
            y=f"V of {policy_name(run, policy)} by FQE (return)",
        ),
        "fqi-fqe",
        f"Density of states by FQI and FQE value, correlation {correlation:.2f}.",
        caption=f"{len(star):,} states of test patients, correlation {fmt(correlation)}. No policy can be worth "
        "more than the best one: FQE lies "
        f"above FQI in {fmt_percent(above)} of states, which only error can explain.",
    )
