"""Where cohorts come from besides a file of one's own: the simulator, and an extraction from MIMIC-IV."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.worlds import Effect
from core.cohort import CohortReport, Origin, make_cohort
from core.cohort.simulate import World
from pages.components.shell.frame import failed
from pages.components.shell.places import study
from pages.components.study.desk import ICU_DESK
from pages.components.study.sources import accept, show_accepted, simulated

LIKES = {
    "mimic-iv": ("MIMIC-IV-like", "One hospital, 90-day mortality near 27 %; the published development cohort."),
    "eicu": ("eICU-like", "Many hospitals, ICU mortality near 17 %; the published validation cohort."),
}
MOST_SIMULATED = 133_550
EFFECTS: dict[Effect, str] = {
    "full": "Helps some, harms others (as fitted)",
    "weak": "Half as strong",
    "no-benefit": "Harms only",
    "none": "Does nothing",
}


def simulate() -> None:
    """One click per published cohort; size, seed and world can be changed."""
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
    world = _world()
    for column, (like, (name, text)) in zip(st.columns(len(LIKES)), LIKES.items(), strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"## {name}")
            st.caption(text)
            pressed = st.button(f"Simulate {name}", key=f"simulate-{like}", type="primary", icon=":material/casino:")
        if pressed:
            label = ", ".join(filter(None, (name, f"seed {int(number)}", str(world))))
            made = simulated(ICU_DESK, label, int(n_patients), int(number), like=like, **asdict(world))
            if made is not None:
                show_accepted(ICU_DESK, made)


def _world() -> World:
    """What differs from the world that is fitted to the published tables."""
    with st.expander("Another world: what the drug does, how clinicians decide"):
        st.caption(
            "Equal seeds meet equal patients in every world. A cohort remembers its world: its truth tells whether an "
            "estimate claims a gain where the drug does nothing, or where clinicians know more than the record."
        )
        left, right = st.columns(2)
        with left:
            effect = st.selectbox("Heparin", EFFECTS, format_func=EFFECTS.__getitem__, key="simulate-effect")
            irregular = st.toggle("Clinicians follow sharp protocols", key="simulate-irregular")
            memory = st.toggle(
                "Heparin in courses, onset at the first low count", key="simulate-memory",
                help="The simulator's second version: doses go on from step to step and are held at low platelets and "
                "long aPTT; many records start late.",
            )  # fmt: skip
        with right:
            confounding = st.slider(
                "Hidden confounding S", -2.0, 2.0, 0.0, 0.1, key="simulate-confounding",
                help="Log odds of a dose rise by S in the sick phenotype and fall by S in the healthy one, beyond what "
                "the chart explains; negative: the other way round.",
            )  # fmt: skip
            late = st.slider(
                "Records that start late (%)", 0, 100, 0, 5, key="simulate-late",
                help="As where patients come to the unit hours after the window's start; adds a column `hours`.",
            )  # fmt: skip
    return World(effect, confounding, irregular, late / 100 if late else None, memory)


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
