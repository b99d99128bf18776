"""Where registries come from: the simulator in one click, or a file of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.worlds import Effect
from core.registry import RegistryCohort, RegistrySpec, check_registry, load_registry_spec, make_registry
from core.registry.cohort.mapping import parse_registry_mapping, registry_mapping_text
from core.registry.simulate.world import RegistryWorld
from core.registry.study import REGISTRY
from core.tables.read import RawTable
from core.tables.report import CohortReport
from pages.components.registry.session import DESK
from pages.components.shell.export import csv_button
from pages.components.shell.frame import failed
from pages.components.study.sources import show_accepted, simulated
from pages.components.study.train import launch
from pages.components.study.upload import Reading
from pages.components.study.upload import draw as draw_upload

EFFECTS: dict[Effect, str] = {
    "full": "Help some, harm some (as published)",
    "weak": "Half as strong",
    "no-benefit": "Harm only",
    "none": "Do nothing",
}
SIZES = (600, 1500, 3000, REGISTRY.patients)
FIRST = 1500  # patients of the one-button start


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
            default=REGISTRY.patients,
            required=True,
            key="registry-size",
            format_func=lambda n: f"{n:,} (as published)" if n == REGISTRY.patients else f"{n:,}",
        )
    with right:
        seed = st.number_input("Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="registry-seed")
    world = _world()
    if st.button("Simulate a registry", type="primary", icon=":material/casino:", key="registry-simulate"):
        label = ", ".join(filter(None, (f"Simulated registry, seed {int(seed)}", str(world))))
        made = simulated(DESK, label, int(size or REGISTRY.patients), int(seed), **asdict(world))
        if made is not None:
            show_accepted(DESK, made)


def _world() -> RegistryWorld:
    """What differs from the world with the published shape."""
    with st.expander("Another world: what drugs do, what only experts see"):
        st.caption(
            "Equal seeds meet equal patients in every world. A registry remembers its world: its truth tells whether "
            "an estimate claims a gain where no drug works, or where experts know more than the record."
        )
        left, right = st.columns(2)
        effect = left.selectbox("Drugs", EFFECTS, format_func=EFFECTS.__getitem__, key="registry-effect")
        confounding = right.slider(
            "Hidden confounding S", -2.0, 2.0, 0.0, 0.1, key="registry-confounding",
            help="Half of the patients are frail, which no column records and decides who dies. Log odds of a drug "
            "rise by S for the frail and fall by S for the others; negative: the other way round.",
        )  # fmt: skip
    return RegistryWorld(effect, confounding)


class RegistryFile:
    """A file of a registry; see `pages.components.study.upload.FileKind`."""

    title = "Registry file"
    rows = "One row per patient and stage (through a mapping also one row per patient, with events and times to them)"
    other = "Another registry: other stages, features or drugs"
    other_label = "Registry definition (TOML); without one, the transplant registry"
    remedy = "; or say above in a mapping what they mean"
    check_step = 3

    def propose(self, file: Any) -> None:
        """A registry's definition is written by hand."""

    def read_definition(self, definition: Path | None) -> RegistrySpec:
        return load_registry_spec(definition)

    def layout(self, spec: RegistrySpec) -> None:
        _layout(spec)

    def read_as(self, raw: RawTable, spec: RegistrySpec, digest: str) -> Reading | None:
        """A mapping, where the file is of another form."""
        st.markdown("**2. Mapping** · for other names, codes or drugs, and for one row per patient; none where it fits")
        file = st.file_uploader(
            "Mapping (TOML); its form is in docs/format.md", type=["toml"], max_upload_size=1, key="registry-mapping"
        )
        if file is None:
            return Reading()
        try:
            mapping = parse_registry_mapping(file.getvalue().decode("utf-8", "replace"), "the mapping")
            return Reading(mapping=registry_mapping_text(mapping))
        except PhenoPolicyError as error:
            failed(error, "Reading the mapping")
            return None

    def check(self, frame: pd.DataFrame, definition: Path | None, reading: Reading) -> CohortReport:
        return check_registry(frame, definition, parse_registry_mapping(reading.mapping))

    def make(self, raw: RawTable, spec: RegistrySpec, reading: Reading) -> RegistryCohort:
        return make_registry(
            raw.frame,
            spec,
            mapping=parse_registry_mapping(reading.mapping),
            origin=raw.origin,
            file_warnings=raw.warnings,
            earlier=raw.earlier,
        )

    def definition_of(self, data: RegistryCohort, definition: Path | None) -> Path | None:
        return definition

    def usable(self, report: CohortReport) -> str:
        return f"Usable: {report.summary.get('patients', 0):,} patients."


def _layout(spec: RegistrySpec) -> None:
    """What a file must hold, and an empty template."""
    days = ", ".join(f"{stage.day}" for stage in spec.stages)
    rows = [("patient", "key of the patient"), ("stage", f"day: one of {days}")]
    for feature in spec.features:
        low, high = feature.plausible or (0, 0)
        values = ", ".join(feature.categories) if feature.categories else f"{low:g} to {high:g} {feature.unit}"
        rows.append((feature.name, f"{feature.label or feature.name}: {values}"))
    rows += [(name, "0 or 1 at this stage") for name in spec.indicator_names]
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
        pd.DataFrame(columns=list(spec.columns)),
        "registry-template",
        name="registry-template",
        label="Empty template",
    )


def upload() -> None:
    """The steps of an upload."""
    draw_upload(DESK, RegistryFile())


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
    made = simulated(DESK, "Simulated registry, seed 0", FIRST, 0)
    if made is not None and launch(DESK, made, made.label, "", {}):
        st.rerun()
