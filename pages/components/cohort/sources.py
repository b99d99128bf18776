"""Where cohorts come from besides a file of one's own: the simulator, and extraction from a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from core.base.types import Progress
from core.base.worlds import Effect, Phenotypes
from core.cohort import Origin, make_cohort
from core.cohort.simulate import World
from pages.components.shell.forms import config_form
from pages.components.shell.frame import failed
from pages.components.shell.places import study
from pages.components.shell.visitor import me
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
PHENOTYPES: dict[Phenotypes, str] = {
    "full": "Restlessness and course (as fitted)",
    "equally-restless": "Their courses alone",
    "slow-drift": "Slow straight drifts alone",
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
                "Heparin in courses, onset at the first low count", True, key="simulate-memory",
                help="Doses go on from step to step and are held at low platelets and long aPTT; many records start "
                "late. Without: the simulator's first version, in which each dose is decided anew.",
            )  # fmt: skip
            phenotypes = st.selectbox(
                "Phenotypes differ in", PHENOTYPES, format_func=PHENOTYPES.__getitem__, key="simulate-phenotypes"
            )
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
    return World(effect, confounding, irregular, late / 100 if late else None, memory, phenotypes)


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
    copy = st.text_input(
        "Keep a columnar copy in this folder (optional)", placeholder=f"/data/copies/{database}", key="extract-copy",
        help="Made once from the tables, in minutes; a copy that was stopped goes on. Extractions read it in seconds: "
        "name it above the next time.",
    )  # fmt: skip
    st.caption(
        "A demo takes seconds. A full database takes minutes: run "
        f"`python -m core extract {database} FOLDER --out FILE`, which needs no open browser and takes the same "
        "settings, and upload the file."
    )
    if st.button("Extract", type="primary", icon=":material/database:", disabled=not folder, key="extract-run"):
        options = {name.split(".", 1)[1]: value for name, value in changes.items()}
        _extract(database, Path(folder).expanduser(), copy.strip(), options)


def _extract(database: str, folder: Path, copy: str, options: dict[str, object]) -> None:
    from core.cohort.extract import ExtractOptions, copy_source, extracting, report_of

    bar = st.progress(0.0, "Opening the tables")
    try:
        me().require(Role.ADMIN, "reading a folder of the server")  # any folder that the server's user may read
        settings = ExtractOptions.build(options)
        if copy:
            _follow(bar, copy_source(database, folder, Path(copy).expanduser(), settings))
            folder = Path(copy).expanduser()
        at_work = extracting(database, folder, settings, study())
        _follow(bar, at_work)
        result = at_work.result
        origin = Origin("recorded", result.database)
        cohort = make_cohort(result.frame, result.study, origin=origin, earlier=report_of(result))
    except PhenoPolicyError as error:
        bar.empty()
        failed(error, "Extracting")
        return
    accept(ICU_DESK, cohort, f"{DATABASES[database][0]} extract")


def _follow(bar: DeltaGenerator, steps: Iterable[Progress]) -> None:
    """Show how far the work is, until it is done."""
    for progress in steps:
        bar.progress(progress.fraction, f"{progress.stage.capitalize()}: {progress.message}")
