"""Upload a cohort: preview, map its columns, see every problem, accept."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.base.errors import CohortError, PhenoPolicyError
from core.base.files import write_atomic
from core.cohort import CohortReport, check_cohort, make_cohort, needed_columns, read_table, suggest_columns
from core.cohort.columns import resolve_columns
from core.figures.theme import fmt_unit
from core.study import StudySpec, load_study
from core.tables.read import RawTable
from pages.components.cohort.sources import accept
from pages.components.cohort.views import UNIT_WIDTH, problems_table
from pages.components.shell.export import csv_button
from pages.components.shell.frame import failed
from pages.components.shell.places import study, uploads_root
from pages.components.shell.session import get_session
from pages.components.study.upload import preview, unreadable

MAX_MEGABYTES = 200
NONE = "(not in the file)"
UNIT_COLUMN = st.column_config.TextColumn(width=UNIT_WIDTH)


def draw() -> None:
    """The steps of an upload, each shown once the one before is done."""
    st.markdown(
        "One row per patient and step, as **CSV**, **gzipped CSV** or **Parquet**. The file stays on this machine."
    )
    file = st.file_uploader(
        "Cohort file", type=["csv", "gz", "parquet"], max_upload_size=MAX_MEGABYTES, key="upload-file"
    )
    spec, study_file = _choose_study()
    if file is None:
        _layout(spec)
        return
    digest = hashlib.sha256(file.getbuffer()).hexdigest()
    try:
        raw = _read(digest, file)
    except CohortError as error:
        unreadable(error, "upload-unreadable")
        return
    preview(raw)
    mapping = _map_columns(raw, spec)
    units = _choose_units(raw, spec, mapping, digest, study_file)
    report = _check(digest, tuple(mapping.items()), tuple(units.items()), study_file, raw)
    st.markdown("**4. Check**")
    _problems(report)
    if _accepts(report.ok):
        _accept(raw, mapping, units, f"upload {file.name}", spec, study_file)


def _choose_study() -> tuple[StudySpec, Path | None]:
    """The study that a file is checked against: the app's own, or one whose TOML file is given (kept by its hash)."""
    with st.expander("Another study: other columns, another drug"):
        file = st.file_uploader(
            "Study (TOML); without one, the study of this app", type=["toml"], max_upload_size=1, key="upload-study"
        )
    if file is None:
        return study(), None
    content = file.getvalue()
    path = uploads_root(get_session().owner) / "studies" / f"{hashlib.sha256(content).hexdigest()[:16]}.toml"
    write_atomic(path, lambda target: target.write(content))
    try:
        return load_study(path), path
    except PhenoPolicyError as error:
        failed(error, "Reading the study")
        st.stop()


@st.cache_resource(scope="session", max_entries=1, show_spinner="Reading the file ...")
def _read(digest: str, _file: Any) -> RawTable:
    """Cached for this session only, by content."""
    _file.seek(0)
    return read_table(_file)


def _layout(spec: StudySpec) -> None:
    """What a file must hold, with units, and an empty template."""
    roles = {
        "traj": ("key of the patient", ""),
        "step": ("0, 1, 2, ... in each patient", f"{spec.step_hours:g} h"),
        "action": (f"dose bin of {spec.actions.drug}: 0 to {spec.n_actions - 1}", spec.actions.unit),
        "outcome": (f"last row: +1 {spec.survived_label}, -1 {spec.died_label}; other rows: 0", ""),
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


def _map_columns(raw: RawTable, spec: StudySpec) -> dict[str, str]:
    """{file's name: our name}; select boxes for what was not found by itself, prefilled with the best guess."""
    names = [str(name) for name in raw.frame.columns]
    found = resolve_columns(names, spec, None)
    needed = needed_columns(spec)
    lacking = [name for name in needed if name not in found.positions]
    st.markdown(f"**2. Columns** · {len(needed) - len(lacking)} of {len(needed)} found by name")
    mapping: dict[str, str] = {}
    if lacking:
        guesses = {ours: theirs for theirs, ours in suggest_columns(names, spec).items()}
        used = {names[position] for position in found.positions.values()}
        free = [NONE, *(name for name in dict.fromkeys(names) if name not in used)]
        columns = st.columns(3)
        for i, ours in enumerate(lacking):
            with columns[i % 3]:
                guess = guesses.get(ours, NONE)
                theirs = st.selectbox(
                    f"{ours}{_unit(ours, spec)}",
                    free,
                    index=free.index(guess) if guess in free else 0,
                    key=f"upload-map-{ours}",
                )
                if theirs != NONE:
                    mapping[theirs] = ours
        st.caption("Guesses are by spelling only; the unit that the study uses stands in parentheses.")
    return mapping


def _choose_units(
    raw: RawTable, spec: StudySpec, mapping: dict[str, str], digest: str, study_file: Path | None
) -> dict[str, str]:
    """{our column: the file's unit} for columns that the file holds in another unit than the study."""
    names = [str(name) for name in raw.frame.columns]
    positions = resolve_columns(names, spec, mapping).positions
    report = _check(digest, tuple(mapping.items()), (), study_file, raw)
    doubtful = {str(problem.column): problem.message for problem in report.warnings if problem.rule == "unit"}
    st.markdown(
        "**3. Units** · "
        + (f"look at {', '.join(doubtful)}" if doubtful else "no column looks as if it were in another unit")
    )
    for message in doubtful.values():
        st.caption(f":material/warning: {message[:1].upper()}{message[1:]}")
    units: dict[str, str] = {}
    with st.expander("Units of the file", expanded=bool(doubtful)):
        columns = st.columns(4)
        choices = [column for column in spec.columns if column.other_units]
        for i, column in enumerate(choices):
            with columns[i % 4]:
                unit = st.selectbox(
                    f"{column.name} :orange-badge[check]" if column.name in doubtful else column.name,
                    [column.unit, *(other.unit for other in column.other_units)],
                    format_func=fmt_unit,
                    key=f"upload-unit-{column.name}",
                    help=f"In the file: {_range(raw, positions.get(column.name))}",
                )
            if unit != column.unit:
                units[column.name] = unit
        fixed = [
            {
                "column": column.name,
                "unit": fmt_unit(column.unit),
                "in the file (middle 98 %)": _range(raw, positions.get(column.name)),
                "plausible": f"{column.plausible[0]:g} to {column.plausible[1]:g}",
            }
            for column in spec.columns
        ]
        st.dataframe(
            pd.DataFrame(fixed),
            hide_index=True,
            height=260,
            column_config={"unit": UNIT_COLUMN},
            alt="Units and ranges of the columns",
        )
    return units


def _unit(name: str, spec: StudySpec) -> str:
    return f" ({fmt_unit(spec.column(name).unit)})" if name in spec.names else ""


def _range(raw: RawTable, position: int | None) -> str:
    """Middle 98 % of the values in the file, to hold a unit against."""
    if position is None:
        return "–"
    values = pd.to_numeric(raw.frame.iloc[:, position], errors="coerce").dropna()
    return f"{values.quantile(0.01):g} to {values.quantile(0.99):g}" if len(values) else "–"


@st.cache_resource(scope="session", max_entries=4, show_spinner="Checking every row ...")
def _check(
    digest: str,
    mapping: tuple[tuple[str, str], ...],
    units: tuple[tuple[str, str], ...],
    study_file: Path | None,
    _raw: RawTable,
) -> CohortReport:
    """Cached for this session only, by content, mapping, units and study."""
    report = check_cohort(_raw.frame, study_file, columns=dict(mapping), units=dict(units))
    return replace(report, problems=report.problems + _raw.warnings)


def _accepts(usable: bool) -> bool:
    return st.button(
        "Accept this cohort", type="primary", icon=":material/check:", disabled=not usable, key="upload-accept"
    )


def _accept(
    raw: RawTable,
    mapping: dict[str, str],
    units: dict[str, str],
    label: str,
    spec: StudySpec,
    study_file: Path | None,
) -> None:
    try:
        cohort = make_cohort(
            raw.frame,
            spec,
            columns=mapping,
            units=units,
            origin=raw.origin,
            file_warnings=raw.warnings,
            earlier=raw.earlier,
        )
    except PhenoPolicyError as error:
        failed(error, "Accepting the cohort")
        return
    accept(cohort, label, study_file)


def _problems(report: CohortReport) -> None:
    facts = report.summary
    if report.ok:
        died = facts.get("mortality_percent", float("nan"))
        st.success(
            f"Usable: {facts.get('patients', 0):,} patients, mortality {died:.1f} %, "
            f"{facts.get('missing_percent', 0):.1f} % of the values to be filled in.",
            icon=":material/check_circle:",
        )
    else:
        kinds = {(problem.rule, problem.column): problem.count for problem in report.errors}
        st.error(
            f"{len(kinds)} kinds of problem in {sum(kinds.values()):,} places keep this file from being used. "
            "Mend them in the file, and upload it again; or map the columns above.",
            icon=":material/error:",
        )
        problems_table(report.errors, "upload-errors")
    if report.warnings:
        st.caption("Not in the way; handled as stated:")
        problems_table(report.warnings, "upload-warnings")
