"""Where cohorts come from besides a file of one's own: the simulator, and extraction from a database."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.cohort import Cohort, Origin, make_cohort, simulate_cohort
from pages.components.shell.forms import config_form
from pages.components.shell.frame import failed
from pages.components.shell.places import study
from pages.components.study.cohorts import store

LIKES = {
    "mimic-iv": ("MIMIC-IV-like", "One hospital, 90-day mortality near 27 %; the published development cohort."),
    "eicu": ("eICU-like", "Many hospitals, ICU mortality near 17 %; the published validation cohort."),
}
MOST_SIMULATED = 20_000


def accept(cohort: Cohort, label: str, study_file: Path | None = None) -> None:
    """Store a cohort with its study, choose it, and show it after the rerun."""
    stored = store(cohort, label, study_file)
    st.session_state["cohort-accepted"] = True
    st.toast(f"{stored.label}: {stored.n_patients:,} patients.", icon=":material/check_circle:")
    st.rerun()


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
            _simulate(like, name, int(n_patients), int(number))


def _simulate(like: str, name: str, n_patients: int, seed: int) -> None:
    with st.spinner(f"Simulating {n_patients:,} patients ..."):
        try:
            cohort, _ = simulate_cohort(like, n_patients, seed)
        except PhenoPolicyError as error:
            failed(error, "Simulating")
            return
    accept(cohort, f"{name}, seed {seed}")


DATABASES = {
    "mimic-iv": ("MIMIC-IV", "Folder that holds hosp/ and icu/", "/data/mimic-iv/3.1"),
    "eicu": ("eICU", "Folder that holds patient.csv.gz", "/data/eicu-crd/2.0"),
    "meds": ("MEDS", "Folder of the export", "/data/meds/mimic-iv"),
    "clif": ("CLIF", "Folder that holds clif_patient", "/data/clif"),
}


def extract() -> None:
    """From the tables of a database on this machine to a cohort; the settings are those of the command line."""
    from core.cohort.extract.options import ExtractOptions

    st.markdown(
        "Stays with sepsis and low platelets, in steps around onset, from a database that lies **on this machine**."
    )
    left, right = st.columns([2, 3])
    with left:
        database = st.selectbox(
            "Database", list(DATABASES), format_func=lambda name: DATABASES[name][0], key="extract-database"
        )
    with right:
        _, label, example = DATABASES[database]
        folder = st.text_input(f"{label}, or a DuckDB file", placeholder=example, key="extract-folder")
    changes: dict[str, object] = st.session_state.setdefault("extract-changes", {})
    with st.expander("All settings", icon=":material/tune:"):
        config_form("extract", ExtractOptions(), changes)
    st.caption(
        "A demo takes seconds. A full database takes minutes: run "
        f"`python -m core extract {database} FOLDER --out FILE`, which needs no open browser and takes the same "
        "settings, and upload the file."
    )
    if st.button("Extract", type="primary", icon=":material/database:", disabled=not folder, key="extract-run"):
        _extract(database, Path(folder).expanduser(), {name.split(".", 1)[1]: value for name, value in changes.items()})


def _extract(database: str, folder: Path, options: dict[str, object]) -> None:
    from core.cohort.extract import ExtractOptions, report_of
    from core.cohort.extract import extract as extract_cohort

    with st.spinner("Reading the tables ..."):
        try:
            result = extract_cohort(database, folder, ExtractOptions.build(options), study())
            origin = Origin("recorded", result.database)
            cohort = make_cohort(result.frame, result.study, origin=origin, earlier=report_of(result))
        except PhenoPolicyError as error:
            failed(error, "Extracting")
            return
    accept(cohort, f"{DATABASES[database][0]} extract")
