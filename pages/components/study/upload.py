"""The upload of every study: preview the file, say how it is to be read, check every row, accept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import streamlit as st

from core.base.errors import CohortError, PhenoPolicyError
from core.runs.study import Data
from core.tables.read import RawTable, read_table
from core.tables.report import CohortReport, Problem
from pages.components.shell.export import table
from pages.components.shell.frame import failed
from pages.components.study.desk import Desk
from pages.components.study.sources import accept, choose_definition

PREVIEW_ROWS = 8
MAX_MEGABYTES = 200


@dataclass(frozen=True)
class Reading:
    """How a file is to be read: through a mapping, the text of its TOML; empty: as it is."""

    mapping: str = ""


class FileKind(Protocol):
    """What differs between the files of two studies; `definition` is the path of its TOML file, None for the app's."""

    title: str  # of the box for the file
    rows: str  # what a row is
    other: str  # the box that holds the box for a definition
    other_label: str  # of the box for a definition
    remedy: str  # beside "mend them in the file"
    check_step: int  # number of the step "Check"

    def read_definition(self, definition: Path | None) -> Any: ...
    def propose(self, file: Any) -> Path | None:
        """Draw how a definition is made from the file, None before there is one; the path of the one that was taken."""

    def layout(self, spec: Any) -> None:
        """Draw what a file must hold."""

    def read_as(self, raw: RawTable, spec: Any, digest: str) -> Reading | None:
        """Draw the steps between preview and check; None, with the reason on the page, where they cannot be read."""

    def check(self, frame: pd.DataFrame, definition: Path | None, reading: Reading) -> CohortReport: ...
    def make(self, raw: RawTable, spec: Any, reading: Reading) -> Data: ...
    def definition_of(self, data: Any, definition: Path | None) -> Path | None:
        """The definition that the data are stored with."""

    def usable(self, report: CohortReport) -> str:
        """The sentence that greets a file without errors."""


def draw(desk: Desk, kind: FileKind) -> None:
    """The steps of an upload, each shown once the one before is done."""
    st.markdown(f"{kind.rows}, as **CSV**, **gzipped CSV** or **Parquet**. The file stays on this machine.")
    key = desk.upload_key
    file = st.file_uploader(kind.title, type=["csv", "gz", "parquet"], max_upload_size=MAX_MEGABYTES, key=f"{key}-file")
    spec, definition = choose_definition(
        desk, kind.other, kind.other_label, kind.read_definition, partial(kind.propose, file)
    )
    if file is None:
        kind.layout(spec)
        return
    digest = hashlib.sha256(file.getbuffer()).hexdigest()
    try:
        raw = _read(digest, file)
    except CohortError as error:
        _unreadable(error, f"{key}-unreadable")
        return
    _preview(raw)
    reading = kind.read_as(raw, spec, digest)
    if reading is None:
        return
    report = checked(kind.title, digest, reading, definition, raw, kind)
    st.markdown(f"**{kind.check_step}. Check**")
    _problems(report, kind, key)
    if _accepts(desk, report.ok):
        try:
            data = kind.make(raw, spec, reading)
        except PhenoPolicyError as error:
            failed(error, f"Accepting the {desk.study.data_word}")
            return
        accept(desk, data, f"upload {file.name}", kind.definition_of(data, definition))


@st.cache_resource(scope="session", max_entries=1, show_spinner="Reading the file ...")
def _read(digest: str, _file: Any) -> RawTable:
    """Cached for this session only, by content."""
    _file.seek(0)
    return read_table(_file)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Checking every row ...")
def checked(
    title: str, digest: str, reading: Reading, definition: Path | None, _raw: RawTable, _kind: FileKind
) -> CohortReport:
    """Report on a file; cached for this session only, by kind, content, reading and definition."""
    report = _kind.check(_raw.frame, definition, reading)
    return replace(report, problems=report.problems + _raw.warnings)


def _accepts(desk: Desk, usable: bool) -> bool:
    return st.button(
        f"Accept this {desk.study.data_word}",
        type="primary",
        icon=":material/check:",
        disabled=not usable,
        key=f"{desk.upload_key}-accept",
    )


def _unreadable(error: CohortError, key: str) -> None:
    """Say why a file is no table, problem by problem where the reader named them."""
    if error.report is not None and error.report.problems:
        st.error("This file cannot be read as a table.", icon=":material/error:")
        problems_table(error.report.problems, key)
    else:
        failed(error, "Reading the file")


def _preview(raw: RawTable) -> None:
    """First rows; columns of one name are told apart by their position."""
    names = list(raw.frame.columns)
    st.markdown(f"**1. Preview** · {len(raw.frame):,} rows, {len(names)} columns")
    first = raw.frame.head(PREVIEW_ROWS)
    first.columns = [f"{name}" if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    st.dataframe(first.astype(str), hide_index=True, alt="First rows of the uploaded file")


def _problems(report: CohortReport, kind: FileKind, key: str) -> None:
    if report.ok:
        st.success(kind.usable(report), icon=":material/check_circle:")
    else:
        kinds = {(problem.rule, problem.column): problem.count for problem in report.errors}
        places, one = sum(kinds.values()), len(kinds) == 1
        st.error(
            f"{'One kind' if one else f'{len(kinds)} kinds'} of problem in {places:,} place{'s' * (places > 1)} "
            f"keep{'s' * one} this file from being used. Mend them in the file and upload it again{kind.remedy}.",
            icon=":material/error:",
        )
        problems_table(report.errors, f"{key}-errors")
    if report.warnings:
        st.caption("Not in the way; handled as stated:")
        problems_table(report.warnings, f"{key}-warnings")


def problems_table(problems: Sequence[Problem], key: str) -> None:
    """Problems by row and column, as a table with export."""
    rows = pd.DataFrame(
        {
            "row": [problem.row for problem in problems],
            "column": [problem.column or "" for problem in problems],
            "value": ["" if problem.value is None else str(problem.value)[:60] for problem in problems],
            "problem": [problem.message for problem in problems],
            "what to do": [problem.remedy for problem in problems],
            "rows affected": [problem.count for problem in problems],
        }
    ).astype({"row": "Int64"})
    if not rows["value"].any():
        rows = rows.drop(columns="value")
    table(
        rows,
        key,
        caption=f"{len(rows):,} listed; row 1 is the first below the header.",
        placeholder="all",
        column_config={
            "row": st.column_config.NumberColumn(width="small"),
            "problem": st.column_config.TextColumn(width="large"),
        },
    )
