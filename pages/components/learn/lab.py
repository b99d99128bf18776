"""What fresh simulated cohorts say about the estimates: tables in short, from the files that Experiments shows."""

from __future__ import annotations

import streamlit as st

from core.experiments.estimator_evidence import MEASURED, evidence_table, load_evidence
from core.experiments.judgment_evidence import COLUMNS, GOALS, judgment_evidence
from pages.components.shell.export import table


def lab() -> None:
    """The mix by size of cohort, then the published estimators; nothing where none were measured."""
    judged, published = judgment_evidence(), load_evidence()
    if judged is not None:
        st.markdown("**The mix: differences to the clinicians, held against the truth**")
        rows = judged.of_the_mix()
        table(
            rows.rename(columns=COLUMNS),
            "learn-lab",
            name="lab-of-the-mix",
            caption=f"{judged.on} Policies with {judged.ess_floor:g} effective stays or more, without the worlds with "
            f"hidden causes. {GOALS} Experiments → Estimators shows every world, grade and the advice.",
            csv=rows,
        )
    if published is not None:
        st.markdown("**Published estimators: values, held against the truth**")
        rows = evidence_table(published).drop(columns=["bias", "rank_sd", "seeds"])
        table(
            rows.round(2).rename(columns=MEASURED),
            "learn-lab-published",
            name="lab-of-published-estimators",
            caption=f"{len(published['settings']['seeds'])} simulated cohorts of "
            f"{published['settings']['n_patients']:,} patients, measured {published['date']}; policies with "
            f"{published['ess_floor']:g} effective stays or more. A value is harder to tell than a difference, so the "
            "two tables do not compare line by line.",
            csv=rows,
        )
