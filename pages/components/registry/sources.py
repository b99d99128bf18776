"""Where registries come from: the simulator in one click, or a file of one's own; and how a run on one is started."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.base.errors import CohortError, PhenoPolicyError
from core.base.files import write_atomic
from core.cohort import CohortReport
from core.registry import RegistrySpec, check_registry, load_registry_spec, make_registry, simulate_registry
from core.tables.read import RawTable, read_table
from pages.components.cohort.views import problems_table
from pages.components.registry.session import overrides, set_mark, store_registry
from pages.components.shell.export import csv_button
from pages.components.shell.forms import config_form
from pages.components.shell.frame import failed
from pages.components.shell.places import registry_root, uploads_root
from pages.components.shell.session import get_session
from pages.components.study.cohorts import StoredCohort
from pages.components.study.upload import preview, unreadable

PUBLISHED_PATIENTS = 6021
SIZES = (600, 1500, 3000, PUBLISHED_PATIENTS)
FIRST = 1500  # patients of the one-button start
MAX_MEGABYTES = 200
PREVIEW_ROWS = 6
LOOKED_AT = "registry-part"
LOOK = "Look"


def simulate() -> None:
    """One click; the size and the seed can be changed."""
    st.markdown(
        "Simulated patients come from a mechanism in which the effect of every drug and the habits of the experts are "
        "known, so every estimate of the other parts can be held against the truth."
    )
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        size = st.segmented_control(
            "Patients",
            SIZES,
            default=PUBLISHED_PATIENTS,
            required=True,
            key="registry-size",
            format_func=lambda n: f"{n:,} (as published)" if n == PUBLISHED_PATIENTS else f"{n:,}",
        )
    with right:
        seed = st.number_input("Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="registry-seed")
    if st.button("Simulate a registry", type="primary", icon=":material/casino:", key="registry-simulate"):
        stored = simulated(int(size or PUBLISHED_PATIENTS), int(seed))
        if stored is not None:
            _accepted(stored)


def simulated(n_patients: int, seed: int) -> StoredCohort | None:
    """Simulate and store; None, with the reason on the page, where that fails."""
    with st.spinner(f"Simulating {n_patients:,} patients ..."):
        try:
            cohort, _ = simulate_registry(n_patients, seed)
        except PhenoPolicyError as error:
            failed(error, "Simulating")
            return None
    return store_registry(cohort, f"Simulated registry, seed {seed}")


def _accepted(stored: StoredCohort) -> None:
    st.session_state["registry-accepted"] = True
    st.toast(f"{stored.label}: {stored.n_patients:,} patients.", icon=":material/check_circle:")
    st.rerun()


def upload() -> None:
    """Preview, check, accept."""
    st.markdown(
        "One row per patient and stage, as **CSV**, **gzipped CSV** or **Parquet**. The file stays on this machine."
    )
    file = st.file_uploader(
        "Registry file", type=["csv", "gz", "parquet"], max_upload_size=MAX_MEGABYTES, key="registry-file"
    )
    spec, spec_file = _choose_spec()
    if file is None:
        _layout(spec)
        return
    digest = hashlib.sha256(file.getbuffer()).hexdigest()
    try:
        raw = _read(digest, file)
    except CohortError as error:
        unreadable(error, "registry-unreadable")
        return
    preview(raw)
    st.markdown("**2. Check**")
    report = _check(digest, spec_file, raw)
    _problems(report)
    if st.button(
        "Accept this registry", type="primary", icon=":material/check:", disabled=not report.ok, key="registry-accept"
    ):
        try:
            cohort = make_registry(raw.frame, spec, origin=raw.origin, file_warnings=raw.warnings, earlier=raw.earlier)
        except PhenoPolicyError as error:
            failed(error, "Accepting the registry")
            return
        _accepted(store_registry(cohort, f"upload {file.name}", spec_file))


def _choose_spec() -> tuple[RegistrySpec, Path | None]:
    """The registry that a file is checked against: the shipped one, or one whose TOML file is given."""
    with st.expander("Another registry: other stages, features or drugs"):
        file = st.file_uploader(
            "Registry definition (TOML); without one, the transplant registry",
            type=["toml"],
            max_upload_size=1,
            key="registry-spec",
        )
    if file is None:
        return load_registry_spec(), None
    content = file.getvalue()
    path = uploads_root(get_session().owner) / "studies" / f"{hashlib.sha256(content).hexdigest()[:16]}.toml"
    write_atomic(path, lambda target: target.write(content))
    try:
        return load_registry_spec(path), path
    except PhenoPolicyError as error:
        failed(error, "Reading the registry definition")
        st.stop()


@st.cache_resource(scope="session", max_entries=1, show_spinner="Reading the file ...")
def _read(digest: str, _file: Any) -> RawTable:
    """Cached for this session only, by content."""
    _file.seek(0)
    return read_table(_file)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Checking every row ...")
def _check(digest: str, spec_file: Path | None, _raw: RawTable) -> CohortReport:
    """Cached for this session only, by content and definition."""
    report = check_registry(_raw.frame, spec_file)
    return replace(report, problems=report.problems + _raw.warnings)


def _problems(report: CohortReport) -> None:
    if report.ok:
        st.success(f"Usable: {report.summary.get('patients', 0):,} patients.", icon=":material/check_circle:")
    else:
        kinds = {(problem.rule, problem.column): problem.count for problem in report.errors}
        st.error(
            f"{len(kinds)} kinds of problem in {sum(kinds.values()):,} places keep this file from being used. "
            "Mend them in the file and upload it again.",
            icon=":material/error:",
        )
        problems_table(report.errors, "registry-errors")
    if report.warnings:
        st.caption("Not in the way; handled as stated:")
        problems_table(report.warnings, "registry-warnings")


def _layout(spec: RegistrySpec) -> None:
    """What a file must hold, and an empty template."""
    days = ", ".join(f"{stage.day}" for stage in spec.stages)
    rows = [("patient", "key of the patient"), ("stage", f"day: one of {days}")]
    for feature in spec.features:
        low, high = feature.plausible or (0, 0)
        values = ", ".join(feature.categories) if feature.categories else f"{low:g} to {high:g} {feature.unit}"
        rows.append((feature.name, f"{feature.label or feature.name}: {values}"))
    rows += [(name, "0 or 1 at this stage") for name in spec.indicators]
    for decision in spec.decisions:
        rows += [(name, f"{decision.title}: 0 or 1, given at this stage") for name in decision.columns]
        rows.append((decision.name, f"instead of the {len(decision.drugs)} above: drugs joined by '{spec.separator}'"))
    with st.expander("The columns that a file needs"):
        st.dataframe(
            pd.DataFrame(rows, columns=["column", "meaning"]),
            hide_index=True,
            height=320,
            column_config={"meaning": st.column_config.TextColumn(width="large")},
            alt="Columns that a registry file needs",
        )
    csv_button(
        pd.DataFrame(columns=list(spec.columns)), "registry-template", name="registry-template", label="Empty template"
    )


# Training


def train(cohort: StoredCohort) -> None:
    """Parameters first, then run."""
    from core.registry.config import registry_config

    st.markdown(f"**Train on {cohort}**")
    preset = registry_config()
    changed = {path.partition(".")[0] for path in overrides()}
    with st.container(border=True):
        group = st.segmented_control(
            "Parameters of",
            list(type(preset).model_fields),
            default="dqn",
            required=True,
            format_func=lambda name: f"{name.replace('_', ' ')} •" if name in changed else name.replace("_", " "),
            key="registry-group",
        )
        config_form(str(group), getattr(preset, str(group)), overrides())
    texts = override_texts()
    valid = True
    if texts:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Changed: " + ", ".join(f"`{name}={value}`" for name, value in texts.items()))
            st.button("Back to the defaults", on_click=overrides().clear, type="tertiary", icon=":material/undo:")
        try:
            registry_config(texts)
        except PhenoPolicyError as error:
            failed(error, "Using these settings")
            valid = False
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    suggested = f"{cohort.short_label}, {datetime.now(UTC):%m-%d %H:%M:%S}"
    given = left.text_input("Name of the run", placeholder=suggested, max_chars=80, key="registry-name")
    pressed = right.button(
        "Run", type="primary", icon=":material/play_arrow:", disabled=not valid, width="stretch", key="registry-run"
    )
    if pressed and launch(cohort, given.strip() or suggested, texts):
        st.rerun()


def override_texts() -> dict[str, str]:
    """Changed settings as the command line takes them."""
    return {name: json.dumps(value) for name, value in sorted(overrides().items())}


def launch(cohort: StoredCohort, name: str, settings: dict[str, str]) -> bool:
    """Start a run in the background and follow it; False, with the reason on the page, where that fails."""
    from core.runs.jobs import start_command

    owner, folder = get_session().owner, registry_root() / _slug(name)
    if folder.exists():
        st.error(f"There is a run '{folder.name}' already; give this one another name.")
        return False
    words = ["registry", "train", str(cohort.path), "--run", str(folder)]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    spec_file = "" if cohort.study_file is None else str(cohort.study_file.resolve())
    given = {"--owner": owner, "--name": name, "--spec": spec_file}
    words += [f"{option}={text}" for option, text in given.items() if text]
    try:
        start_command(folder, words, owner, name)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Starting the run")
        return False
    set_mark("job", folder.name)
    st.toast(f"{name} has started; its progress is at the top of the page.", icon=":material/play_arrow:")
    return True


def first_start() -> None:
    """The empty state: one button that simulates a registry and trains on it."""
    with st.container(border=True):
        st.markdown("## :material/hourglass_empty: No registry yet")
        st.markdown(
            "The transplant registry of the publication is not open to the public. Start with a simulated one of the "
            f"same shape: {FIRST:,} patients, five decision stages, 14 to 24 drugs a decision. Training runs in the "
            "background and shows its progress here."
        )
        with st.container(horizontal=True):
            pressed = st.button(
                f"Simulate {FIRST:,} patients and train",
                type="primary",
                icon=":material/play_arrow:",
                key="registry-go",
            )
    if not pressed:
        return
    stored = simulated(FIRST, 0)
    if stored is not None and launch(stored, stored.label, {}):
        st.rerun()


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:50] or "run"
