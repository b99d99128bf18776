"""How a file is read: one form, filled in from a proposal with its evidence, and one check; the document as TOML."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.base.errors import ConfigError
from core.cohort.columns import resolve_columns
from core.cohort.mapped import own_mapping
from core.figures.theme import fmt_unit
from core.study import Column, StudySpec
from core.tables.mapping import Factor, TableMapping, mapping_text, parse_mapping, read_mapping
from core.tables.propose import Proposed, propose_mapping
from core.tables.read import RawTable
from core.tables.values import safe_text
from pages.components.shell.frame import failed
from pages.components.study.mapping_rules import Rules, draw_rules, pairs

NONE = "(not in the file)"
LEAVE_OUT = "(study goes without it)"
UNIT_WIDTH = 190  # pixels, for '0 = male, 1 = female'
UNIT_COLUMN = st.column_config.TextColumn(width=UNIT_WIDTH)


@dataclass(frozen=True)
class Form:
    """What the form starts from. found: {study's name: the file's} by name alone; tag: tells widgets of two starts
    apart."""

    spec: StudySpec
    names: tuple[str, ...]
    start: TableMapping
    proposed: Proposed
    found: dict[str, str]
    tag: str

    def source(self, target: str) -> str | None:
        """The file's column for one of the study's, before anything is changed."""
        return self.start.columns.get(target) or self.found.get(target)

    def key(self, name: str) -> str:
        return f"upload-map-{self.tag}-{name}"


def read_mapped(raw: RawTable, spec: StudySpec, digest: str) -> TableMapping | None:
    """The mapping that the form says; None, with the reason on the page, where it contradicts itself."""
    proposed = _propose(digest, spec.model_dump_json(), raw.frame, spec)
    names = tuple(dict.fromkeys(safe_text(name) for name in raw.frame.columns))
    own = own_mapping(spec, names, raw.earlier)
    start = _own_document() or own or proposed.mapping
    found = resolve_columns(raw.frame.columns, spec, None).renamed
    by_name = {ours: theirs for theirs, ours in found.items()} | {name: name for name in names}
    tag = hashlib.sha256(f"{digest}{spec.name}{mapping_text(start)}".encode()).hexdigest()[:8]
    form = Form(spec, names, start, proposed, by_name, tag)
    if start is own:
        st.caption("Filled in as the study's own mapping says.")
    try:
        with st.form(f"upload-mapping-{tag}", border=True):
            mapping = _draw(form)
            st.form_submit_button("Check with this mapping", icon=":material/rule:")
        values = mapping()
        built = parse_mapping(values, "the mapping")
        text = mapping_text(built, proposed.evidence)
    except ConfigError as error:
        failed(error, "Reading the mapping")
        return None
    st.download_button(
        "Mapping (TOML)", text, "mapping.toml", "application/toml", key="upload-mapping-download", on_click="ignore",
        disabled=built.empty,
    )  # fmt: skip
    return built


@st.cache_resource(scope="session", max_entries=2, show_spinner="Looking at the columns ...")
def _propose(digest: str, study: str, _frame: pd.DataFrame, _spec: StudySpec) -> Proposed:
    """Cached for this session only, by content and study."""
    return propose_mapping(_frame, _spec)


def _own_document() -> TableMapping | None:
    """A mapping that the visitor has already, in place of the proposal."""
    with st.expander("I have a mapping for such files (TOML)"):
        file = st.file_uploader("Mapping (TOML)", type=["toml"], max_upload_size=1, key="upload-mapping-file")
    if file is None:
        return None
    try:
        return read_mapping(file.getvalue().decode("utf-8", "replace"), "the mapping")
    except ConfigError as error:
        failed(error, "Reading the mapping")
        st.stop()


def _draw(form: Form) -> Callable[[], dict[str, Any]]:
    """Doubtful columns first, the settled ones folded, then outcome, dose, time and what holds for all cells."""
    spec, start = form.spec, form.start
    doubtful = [name for name in ("traj", *spec.names, "subject") if _doubtful(form, name)]
    settled = [name for name in ("traj", *spec.names) if name not in doubtful]
    st.markdown(f"**2. Mapping** · {len(settled)} of {len(settled) + len(doubtful)} columns settled")
    for doubt in form.proposed.doubts:
        st.caption(f":material/warning: {doubt}")
    read = {name: _row(form, name) for name in doubtful}
    with st.expander(f"Settled: {len(settled)} columns"):
        read |= {name: _row(form, name) for name in settled}
    rules = draw_rules(Rules(spec, form.names, start, form.found, form.proposed.evidence, form.key))

    def values() -> dict[str, Any]:
        made = start.model_dump(exclude={"columns", "units", "codes", "leave_out", "outcome", "action", "time"})
        made |= {"columns": {}, "units": {}, "codes": {}, "leave_out": []}
        for row in read.values():
            row.put(made)
        kept = {"hours", "dose"} & {*start.columns}
        made["columns"] |= {name: start.columns[name] for name in kept}
        rules(made)
        return made

    return values


def _doubtful(form: Form, name: str) -> bool:
    """True where a person should look: nothing found, a unit or codes, or another name than the study's."""
    start = form.start
    if name == "subject":
        return form.source(name) is not None
    changed = name in start.units or name in start.codes or name in start.leave_out
    return changed or form.source(name) is None or (name == "traj" and form.source(name) != name)


@dataclass(frozen=True)
class Row:
    """What the widgets of one column hold."""

    name: str
    source: str
    unit: str | Factor | None
    codes: str

    def put(self, made: dict[str, Any]) -> None:
        """Into the sections of a document."""
        if self.source == LEAVE_OUT:
            made["leave_out"].append(self.name)
            return
        if self.source not in (NONE, self.name):
            made["columns"][self.name] = self.source
        if self.unit is not None and self.source != NONE:
            made["units"][self.name] = self.unit if isinstance(self.unit, str) else self.unit.model_dump()
        if self.codes.strip() and self.source != NONE:
            made["codes"][self.name] = pairs(self.codes, self.name)


def _row(form: Form, name: str) -> Row:
    """One column: the file's column, its unit, its codes; and why it was proposed."""
    column = form.spec.column(name) if name in form.spec.names else None
    where, unit, codes = st.columns([3, 2, 3], vertical_alignment="bottom")
    source = form.source(name)
    nothing = [LEAVE_OUT, NONE] if name in form.start.leave_out else [NONE, LEAVE_OUT]
    options = [*([n for n in nothing if column is not None or n == NONE]), *form.names]
    label = {"traj": "Stay (key)", "subject": "Person (key)"}.get(name, name)
    index = options.index(source) if source in options else 0
    chosen = where.selectbox(label, options, index=index, key=form.key(name), help=form.proposed.evidence.get(name))
    given, text = None, ""
    if column is not None:
        with unit:
            given = _unit(form, column)
        start = form.start.codes.get(name, {})
        if start or column.binary:
            shown = ", ".join(f"{code} = {number:g}" for code, number in start.items())
            text = codes.text_input(
                f"Codes of {name}", shown, placeholder="M = 0, F = 1", key=form.key(f"{name}-codes")
            )
    if name in form.start.columns or name in form.start.units or name in form.start.codes:
        st.caption(form.proposed.evidence.get(name, "from the mapping that was given"))
    return Row(name, chosen, given, text or "")


def _unit(form: Form, column: Column) -> str | Factor | None:
    """The file's unit; None for the study's own."""
    start = form.start.units.get(column.name)
    known: dict[str, str | Factor | None] = {fmt_unit(column.unit): None}
    known |= {fmt_unit(other.unit): other.unit for other in column.other_units}
    if column.unit == "years":
        known |= {"days": Factor(factor=1 / 365.2425, unit="days"), "months": Factor(factor=1 / 12, unit="months")}
    if isinstance(start, Factor):
        known[start.unit or f"× {start.factor:g} + {start.offset:g}"] = start
    options = list(known)
    index = next((i for i, name in enumerate(options) if known[name] == start), 0)
    if len(options) == 1:
        st.caption(options[0])
        return None
    return known[st.selectbox(f"Unit of {column.name}", options, index=index, key=form.key(f"{column.name}-unit"))]
