"""Upload a cohort: what its file must hold, and how it is checked under the ICU study or another one like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
import tomli_w

from core.cohort import Cohort, CohortReport, check_cohort, make_cohort, needed_columns
from core.figures.theme import fmt_unit
from core.study import StudySpec, load_study
from core.tables.mapping import mapping_text, read_mapping
from core.tables.read import RawTable
from pages.components.cohort.define import draw as draw_proposal
from pages.components.shell.export import csv_button
from pages.components.study.desk import ICU_DESK
from pages.components.study.mapping import UNIT_COLUMN, read_mapped
from pages.components.study.sources import keep_definition
from pages.components.study.upload import Reading
from pages.components.study.upload import draw as draw_upload


class CohortFile:
    """A file of stays; see `pages.components.study.upload.FileKind`."""

    title = "Cohort file"
    rows = "One row per patient and step"
    other = "Another study: other columns, another drug"
    other_label = "Study (TOML); without one, the study of this app"
    remedy = ", or in the mapping above"
    check_step = 3

    def read_definition(self, definition: Path | None) -> StudySpec:
        return load_study(definition)

    def propose(self, file: Any) -> Path | None:
        return draw_proposal(file)

    def layout(self, spec: StudySpec) -> None:
        _layout(spec)

    def read_as(self, raw: RawTable, spec: StudySpec, digest: str) -> Reading | None:
        """One form, filled in from what the file seems to need."""
        mapping = read_mapped(raw, spec, digest)
        return None if mapping is None else Reading(mapping_text(mapping))

    def check(self, frame: pd.DataFrame, definition: Path | None, reading: Reading) -> CohortReport:
        return check_cohort(frame, definition, mapping=read_mapping(reading.mapping))

    def make(self, raw: RawTable, spec: StudySpec, reading: Reading) -> Cohort:
        return make_cohort(
            raw.frame,
            spec,
            mapping=read_mapping(reading.mapping),
            origin=raw.origin,
            file_warnings=raw.warnings,
            earlier=raw.earlier,
        )

    def definition_of(self, data: Cohort, definition: Path | None) -> Path | None:
        """A study of its own where the mapping left columns out."""
        if data.study == load_study(definition):
            return definition
        return keep_definition(tomli_w.dumps(data.study.model_dump(mode="json", exclude_none=True)).encode())

    def usable(self, report: CohortReport) -> str:
        facts = report.summary
        died = f", mortality {facts['mortality_percent']:.1f} %" if "mortality_percent" in facts else ""
        return (
            f"Usable: {facts.get('patients', 0):,} patients{died}, "
            f"{facts.get('missing_percent', 0):.1f} % of the values to be filled in."
        )


def _action(spec: StudySpec) -> str:
    """What a file's action is, in words."""
    actions = spec.actions
    return f"dose bin of {actions.drug}" if actions.ordered else f"number of a {actions.word}"


def _layout(spec: StudySpec) -> None:
    """What a file must hold, with units, and an empty template."""
    ends = " to the next; last row: 0" if spec.last_row == "state" else ", the last row's too"
    roles = {
        "traj": ("key of the patient", ""),
        "step": ("0, 1, 2, ... in each patient", f"{spec.step_hours:g} h"),
        "action": (f"{_action(spec)}: 0 to {spec.n_actions - 1}", spec.actions.unit),
        "outcome": (
            f"last row: +1 {spec.survived_label}, -1 {spec.died_label}; other rows: 0"
            if spec.tells_survival
            else "last row: the outcome of the stay; other rows: 0",
            "",
        ),
        spec.reward_column: (f"reward of the step from this row{ends}", ""),
    }
    rows = [
        {"column": name, "meaning": roles[name][0], "unit": roles[name][1]}
        if name in roles
        else {
            "column": name,
            "meaning": f"{spec.column(name).kind}; plausible {spec.column(name).plausible[0]:g} to "
            f"{spec.column(name).plausible[1]:g}",
            "unit": fmt_unit(spec.column(name).unit),
        }
        for name in needed_columns(spec)
    ]
    layout = pd.DataFrame(rows)
    with st.expander(f"The {len(layout)} columns that a file needs, with their units"):
        st.dataframe(
            layout,
            hide_index=True,
            height=320,
            column_config={"meaning": st.column_config.TextColumn(width="large"), "unit": UNIT_COLUMN},
            alt="Columns that a cohort file needs",
        )
    template = pd.DataFrame(columns=list(needed_columns(spec)))
    csv_button(template, "upload-template", name="cohort-template", label="Empty template (CSV)")


def draw() -> None:
    """The steps of an upload."""
    draw_upload(ICU_DESK, CohortFile())
