"""Mortality against dose excess, and the patients to whom a policy would have given far more than they got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import dose_excess, mortality_by_excess
from core.figures.dose_excess import mortality_by_dose
from core.figures.theme import policy_style
from pages.components.estimates import choose_patients, fusion_controls, policy_names
from pages.components.export import show, table
from pages.components.frame import empty
from pages.components.panels import panel
from pages.components.patients import open_patient, patient_table

if TYPE_CHECKING:
    from core.runs.view import RunView

FEWEST = 20  # patients, below which no curve is drawn
SURPRISES = 25


@panel
def excess_panel(run: RunView) -> None:
    """Dose excess of the chosen policies, and the surprises of one of them."""
    k, lambda_, mode = fusion_controls(run, "excess")
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left:
        patients, who = choose_patients(run, "excess-patients")
    names = [name for name in policy_names(k) if name != "clinician"]
    with right:
        expected = (
            st.segmented_control(
                "Dose of a policy",
                ("of its likeliest bin", "mean over its probabilities"),
                default="mean over its probabilities",
                key="excess-dose",
                required=True,
            )
            != "of its likeliest bin"
        )
    chosen = st.pills(
        "Policies",
        names,
        selection_mode="multi",
        default=["fused"],
        key=f"excess-policies-{k}",
        format_func=lambda name: policy_style(name).name,
    )
    if len(patients) < FEWEST or not chosen:
        empty("Nothing to draw", f"Choose at least one policy, and at least {FEWEST} patients (here {len(patients)}).")
        return
    data = run.trajectories.subset(patients)
    doses = np.asarray(run.study.actions.representative)
    excess = {
        name: dose_excess(
            run.policy_probs(name, k, lambda_, mode)[patients], data.actions, data.mask, doses, expected=expected
        )
        for name in chosen
    }
    curves = {name: mortality_by_excess(values, data.outcomes < 0) for name, values in excess.items()}
    show(
        mortality_by_dose(curves, unit=run.study.actions.unit, died=run.study.died_label),
        "dose-excess",
        "Mortality against dose excess for "
        + ", ".join(policy_style(name).name for name in chosen)
        + ", with 95 % bands.",
        caption=f"{len(patients):,} {who}, {mode}, 95 % Wilson intervals. Sicker patients get other doses, so a "
        "lowest point "
        "near 0 does not show that following the policy would save anyone; on simulated cohorts compare true values.",
        data=pd.concat([curve.assign(policy=name) for name, curve in curves.items()]),
    )
    _surprises(run, chosen[0], excess[chosen[0]], patients, k)


def _surprises(run: RunView, policy: str, excess: np.ndarray, patients: np.ndarray, n_clusters: int) -> None:
    """The patients with the largest excess, each to be opened beside the real course."""
    st.markdown(f"**Surprises: patients to whom the policy '{policy_style(policy).name}' would have given far more**")
    order = np.argsort(-excess, kind="stable")[:SURPRISES]
    order = order[excess[order] > 0]
    if not len(order):
        empty("No surprises", "This policy gives no patient more than was given.")
        return
    rows = patient_table(run, n_clusters, patients[order])
    rows.insert(1, f"excess ({run.study.actions.unit})", excess[order].round(0))
    event = table(
        rows,
        f"surprises-{policy}-{len(order)}-{int(patients[order[0]])}",
        name="surprises",
        caption=f"The {len(order)} largest; mark a row to open the patient.",
        height=260,
        on_select="rerun",
        selection_mode="single-row",
    )
    if event and (marked := list(event["selection"]["rows"])):
        open_patient(int(patients[order[marked[0]]]))
