"""How far the phenotypes of a run can be trusted: stay length, resampling, first steps, truth, and plain rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from core.figures.phenotype_quality import early_agreement
from core.figures.theme import fmt
from core.phenotypes import prefix_agreement
from pages.components.shell.controls import k_slider
from pages.components.shell.export import show, table
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.view import RunView


class Verdict(NamedTuple):
    """What an index says in words, on either side of a limit."""

    label: str
    limit: float
    lower_is_better: bool
    good: str
    bad: str


VERDICTS = {
    "eta2_length": Verdict("η² of stay length", 0.1, True, "hardly depends on stay length", "follows the stay length"),
    "bootstrap_ari": Verdict("Bootstrap ARI", 0.75, False, "comes back in resamples", "changes between samples"),
    "silhouette": Verdict("Silhouette", 0.25, False, "groups are apart", "a continuum cut into pieces"),
}
MEASURES = {  # column: label, and by how much a rival must be better to be pointed out (negative: lower is better)
    "eta2_length": ("η² of stay length", -0.05),
    "bootstrap_ari": ("Bootstrap ARI", 0.02),
    "early_ari": ("ARI, {early} steps", 0.02),
    "later_ari": ("ARI, {later} steps", 0.02),
    "truth_ari": ("ARI, truth", 0.02),
    "early_truth_ari": ("ARI, {early} steps, truth", 0.02),
    "later_truth_ari": ("ARI, {later} steps, truth", 0.02),
}


@panel
def trust_panel(run: RunView) -> None:
    """What the phenotypes are worth: stay length, stability, first steps, truth, and plain rivals."""
    k = k_slider(run, key="trust-k")
    here = run.indices[run.indices["n_clusters"] == k]
    if len(here):
        _verdicts({str(name): float(value) for name, value in here.iloc[0].items()})
        st.caption(
            f"These three: on the {len(run.split.train):,} training patients, which the clusters were fitted on. The "
            f"table below: on all {run.cohort.n_patients:,} patients, but for its bootstrap ARI. So they may differ."
        )
    _rivals(run, k)
    _early(run, k)


def _verdicts(row: dict[str, float]) -> None:
    """Plain sentences on the indices of this K."""
    for card, (name, verdict) in zip(st.columns(len(VERDICTS)), VERDICTS.items(), strict=True):
        value = row.get(name, np.nan)
        if not np.isfinite(value):
            continue
        fine = value < verdict.limit if verdict.lower_is_better else value > verdict.limit
        with card.container(border=True, gap=None):
            st.metric(verdict.label, fmt(value, 3))
            st.caption(f":material/check_circle: {verdict.good}" if fine else f":material/warning: {verdict.bad}")


def _rivals(run: RunView, n_clusters: int) -> None:
    honesty, settings = run.honesty[run.honesty["n_clusters"] == n_clusters], run.config.phenotypes
    steps = {"early": settings.early_steps, "later": settings.later_steps}
    measures = {name: (label.format(**steps), margin) for name, (label, margin) in MEASURES.items()}
    st.markdown("**Beside plain rivals**")
    st.markdown(
        "A phenotype has to beat what is free: clustering each patient's mean values, changes or slopes, or a PCA "
        "of the padded stay. It should not mirror the length of stay, it should come back in resamples, and the first "
        "steps should show it."
    )
    encoder = honesty[honesty["representation"] == "encoder"]
    rivals = honesty[honesty["representation"] != "encoder"]
    beaten = 0
    for name, (label, margin) in measures.items():
        if name not in honesty or encoder.empty or rivals.empty or not np.isfinite(rivals[name]).any():
            continue
        sign, own, values = np.sign(margin), float(encoder[name].iloc[0]), rivals[name].to_numpy(dtype=float)
        place = int(np.nanargmax(sign * values))
        if sign * (values[place] - own) > abs(margin):
            beaten += 1
            rival = rivals["representation"].iloc[place]
            st.warning(
                f"{label}: the encoder ({fmt(own, 3)}) does not beat {rival} ({fmt(float(values[place]), 3)}).",
                icon=":material/warning:",
            )
    if not beaten and not rivals.empty:
        st.success(f"At K = {n_clusters} no rival is better than the encoder on any measure.", icon=":material/check:")
    names = {name: label for name, (label, _) in measures.items()} | {
        "smallest": "smallest phenotype",
        "n_clusters": "K",
    }
    table(
        honesty.drop(columns="n_clusters").round(3).rename(columns=names),
        "honesty",
        caption=f"On all {run.cohort.n_patients:,} patients; bootstrap ARI on the {len(run.split.train):,} training "
        "patients. η² of stay length: 0 is right, 1 is a clustering of stay lengths. ARI: 1 is full agreement, 0 is "
        "chance; labels from the first steps alone are held against the whole stay, or against the truth. "
        "Truth is known on simulated cohorts only. Silhouettes live in each representation's own space and do not "
        "compare.",
        csv=honesty,
    )


def _early(run: RunView, k: int) -> None:
    st.markdown("**How soon the stay so far shows the phenotype**")
    agreement = prefix_agreement(run.prefix_labels(k), run.labels(k), run.slots, run.cohort.axis.hours)
    show(
        early_agreement(agreement["hours"].to_numpy(), agreement["agreement"].to_numpy(), agreement["ari"].to_numpy()),
        "early-agreement",
        "Agreement of the phenotype by the steps so far with that of the whole stay, by hours from onset.",
        caption="All patients in the record at that hour. Low agreement early means that a retrospective phenotype "
        "tells more than anybody could know at the time: prefer the prospective mode.",
        data=agreement,
    )
