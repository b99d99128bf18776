"""Mortality against dose excess, and the patients to whom a policy would have given far more than they got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import mortality_by_excess, step_excess
from core.figures.dose_excess import mortality_by_dose
from core.policies.key import CLINICIAN, FUSED, PolicyKey
from pages.components.shell.estimates import choose_patients, fusion_controls, policy_names, too_few
from pages.components.shell.export import show
from pages.components.shell.frame import empty, no_survival
from pages.components.shell.held import held, held_many
from pages.components.shell.names import phenotype_texts_here, policy_name
from pages.components.shell.panels import panel
from pages.components.shell.patient_list import patient_list
from pages.components.shell.patients import patient_table

if TYPE_CHECKING:
    from core.icu.view import RunView

DOSES_OF = ("of its likeliest bin", MEAN_DOSE := "mean over its probabilities")
FEWEST = 20  # patients, below which no curve is drawn
SURPRISES = 25
WHOLE = 100  # from this dose on no decimals are told


@panel
def excess_panel(run: RunView) -> None:
    """Dose excess of the chosen policies, and the surprises of one of them."""
    k, lambda_, mode = fusion_controls(run, "excess")
    names = [name for name in policy_names(k, run, baselines=False) if name != CLINICIAN]
    counted, picture = st.columns([1, 2], gap="medium")
    with counted:
        patients, who = choose_patients(run, "excess-patients")
        expected = (
            st.segmented_control(
                "Dose of a policy",
                DOSES_OF,
                **held("excess-dose", DOSES_OF, MEAN_DOSE),
                required=True,
            )
            == MEAN_DOSE
        )
        chosen = st.pills(
            "Policies",
            names,
            selection_mode="multi",
            **held_many("excess-policies", names, [FUSED], key=f"excess-policies-{k}"),
            format_func=lambda name: policy_name(run, name).partition(":")[0],  # its words stand in the picture
            wrap=True,
        )
    if not chosen:
        empty("No policy chosen", "Choose at least one policy above.")
        return
    if too_few(patients, FEWEST):
        return
    if not run.study.tells_survival:
        no_survival()
        return
    data = run.trajectories.subset(patients)
    doses = run.cohort.bin_doses
    at_steps = {
        name: step_excess(
            run.probs(PolicyKey.at(name, k, lambda_, mode))[patients], data.actions, data.mask, doses, expected=expected
        )
        for name in chosen
    }
    excess = {name: np.nanmean(values, axis=1) for name, values in at_steps.items()}
    curves = {name: mortality_by_excess(values, data.outcomes < 0) for name, values in excess.items()}
    with picture:
        show(
            mortality_by_dose(
                curves, unit=run.study.actions.unit, died=run.study.died_label, names=phenotype_texts_here(run)
            ),
            "dose-excess",
            "Mortality against dose excess for "
            + ", ".join(policy_name(run, name) for name in chosen)
            + ", with 95 % bands.",
            caption=f"{len(patients):,} {who}, {mode}, 95 % Wilson intervals. {_counted_at(run)} Sicker patients get "
            "other doses, so a lowest point near 0 does not show that following the policy would save anyone; on "
            "simulated cohorts compare true values.",
            data=pd.concat([curve.assign(policy=name) for name, curve in curves.items()]),
        )
    _surprises(run, chosen[0], at_steps[chosen[0]], patients, k)


def _counted_at(run: RunView) -> str:
    """At which amounts the dose bins count."""
    doses, middle = run.cohort.bin_doses, np.asarray(run.study.actions.representative)
    medians = "the medians of recorded amounts or, of rare bins, their middles"
    how = "their middles" if (doses == middle).all() else medians
    said = ", ".join(f"{dose:,.0f}" if dose >= WHOLE else f"{dose:.3g}" for dose in doses[1:])
    return f"Dose bins count at {how}: {said} {run.study.actions.unit}."


def _surprises(run: RunView, policy: str, at_steps: np.ndarray, patients: np.ndarray, n_clusters: int) -> None:
    """The patients with the largest excess, each to be opened beside the real course; at_steps (n, T)."""
    name = policy_name(run, policy)
    st.markdown(f"**Surprises: patients to whom the policy '{name}' would have given far more**")
    excess = np.nanmean(at_steps, axis=1)
    order = np.argsort(-excess, kind="stable")[:SURPRISES]
    order = order[excess[order] > 0]
    if not len(order):
        empty("No surprises", "This policy gives no patient more than was given.")
        return
    steps = np.nanargmax(at_steps[order], axis=1)
    unit = run.study.actions.unit
    rows = patient_table(run, n_clusters, patients[order])
    rows.insert(1, f"mean excess ({unit})", excess[order].round(0))
    rows.insert(2, f"largest ({unit})", np.nanmax(at_steps[order], axis=1).round(0))
    rows.insert(3, "largest at (h)", run.hours[patients[order], steps])
    patient_list(
        rows,
        patients[order],
        f"surprises-{policy}-{len(order)}-{int(patients[order[0]])}",
        name=f"surprises of {name}",
        caption=f"The {len(order)} largest of {len(patients):,}; each opens at its step of largest excess.",
        height=260,
        steps=steps,
        whole=patients[order],
    )
