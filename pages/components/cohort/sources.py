"""Where cohorts come from besides a file of one's own: the simulator, and an extraction from MIMIC-IV."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.cohort import CohortReport, Origin, make_cohort
from pages.components.shell.frame import failed
from pages.components.shell.places import study
from pages.components.study.desk import ICU_DESK
from pages.components.study.sources import accept, show_accepted, simulated

LIKES = {
    "mimic-iv": ("MIMIC-IV-like", "One hospital, 90-day mortality near 27 %; the published development cohort."),
    "eicu": ("eICU-like", "Many hospitals, ICU mortality near 17 %; the published validation cohort."),
}
MOST_SIMULATED = 20_000


def simulate() -> None:
    """One click per published cohort; size and seed can be changed."""
    st.markdown(
        "Simulated patients come from a mechanism whose true phenotypes, dosing habits and policy values are known, "
        "so every estimate on the other pages can be held against the truth."
    )
    size, seed = st.columns(2)
    with size:
        n_patients = st.number_input(
            "Patients", min_value=12, max_value=MOST_SIMULATED, value=2000, step=500, key="simulate-patients"
        )
    with seed:
        number = st.number_input("Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="simulate-seed")
    for column, (like, (name, text)) in zip(st.columns(len(LIKES)), LIKES.items(), strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"## {name}")
            st.caption(text)
            pressed = st.button(f"Simulate {name}", key=f"simulate-{like}", type="primary", icon=":material/casino:")
        if pressed:
            made = simulated(ICU_DESK, f"{name}, seed {int(number)}", int(n_patients), int(number), like=like)
            if made is not None:
                show_accepted(ICU_DESK, made)


def extract() -> None:
    """From the tables of MIMIC-IV on this machine to a cohort."""
    st.markdown("Stays with sepsis and low platelets, from **MIMIC-IV** tables that lie on this machine.")
    left, right = st.columns([3, 2])
    with left:
        folder = st.text_input(
            "Folder that holds hosp/ and icu/", placeholder="/data/mimic-iv/3.1", key="extract-folder"
        )
    with right:
        population = st.selectbox(
            "Population",
            ["sepsis", "platelets"],
            format_func=lambda name: {
                "sepsis": "Sepsis diagnosis and platelets below the threshold",
                "platelets": "Platelets below the threshold, any diagnosis",
            }[name],
            key="extract-population",
        )
    first, second, third = st.columns(3)
    with first:
        threshold = st.number_input("Platelet threshold (×10⁹/L)", 1, 1000, 150, key="extract-threshold")
    with second:
        days = st.number_input("Mortality within (days)", 1, 3650, 90, key="extract-days")
    with third:
        once = st.toggle("First ICU stay of a patient only", value=False, key="extract-first")
    st.caption(
        "The 100-patient demo takes seconds. The full database takes minutes: run "
        "`python -m core extract mimic-iv FOLDER --out FILE`, which needs no open browser, and upload the file."
    )
    if st.button("Extract", type="primary", icon=":material/database:", disabled=not folder, key="extract-run"):
        options = {
            "population": population,
            "platelet_threshold": threshold,
            "mortality_days": days,
            "first_stay_only": once,
        }
        _extract(Path(folder).expanduser(), options)


def _extract(folder: Path, options: dict[str, object]) -> None:
    from core.cohort.extract import ExtractOptions, extract_mimic_iv

    with st.spinner("Reading the tables ..."):
        try:
            result = extract_mimic_iv(folder, ExtractOptions.build(options), study())
            earlier = CohortReport(attrition=result.attrition)
            cohort = make_cohort(result.frame, study(), origin=Origin("recorded", result.database), earlier=earlier)
        except PhenoPolicyError as error:
            failed(error, "Extracting")
            return
    accept(ICU_DESK, cohort, f"MIMIC-IV extract ({options['population']})")
