"""Data that this session may train on: its own, stored by data hash, and those of the runs it may see."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from core.base.files import read_json, write_atomic, write_json
from core.runs.manifest import now
from core.runs.study import Data, study_of
from pages.components.shell.frame import visible_runs
from pages.components.shell.places import NAME
from pages.components.shell.visitor import me
from pages.components.study.desk import Desk

LONGEST_LABEL = 44


@dataclass(frozen=True)
class StoredCohort:
    """One cohort or registry on disk; `key` is what the session and the URL carry."""

    key: str
    path: Path
    label: str
    n_patients: int
    simulated: bool
    created: str
    definition: Path | None = None  # the file of its study, where it is not the app's own

    def __str__(self) -> str:
        parts = [self.short_label, f"{self.n_patients:,} patients", "simulated" if self.simulated else "recorded"]
        if self.simulated and "simulated" in self.short_label:
            parts.pop()
        return " · ".join(parts)

    @property
    def short_label(self) -> str:
        """The label, cut in its middle where it is long: the beginning and the end of a file name tell most."""
        text = self.label
        return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 13].rstrip()} … {text[-10:].lstrip()}"


def store(desk: Desk, data: Data, label: str, definition: Path | None = None) -> StoredCohort:
    """Save checked data under their hash (never under a user's file name), label and definition beside them.

    Raises `AccessError` where the visitor may store nothing, or not as much; nothing stays then.
    """
    path = desk.data_folder / f"{data.data_hash}.parquet"
    written = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.parquet")
    me().require(Role.RESEARCHER, "storing data")
    simulated = data.origin.simulated
    facts = {"label": label[:80], "n_patients": data.n_patients, "simulated": simulated, "created": now()}
    try:
        desk.study.save(data, written)
        with me().storing(path.parent, written.stat().st_size, f"{desk.study.data_word} {data.data_hash}"):
            os.replace(written, path)
            if definition is not None:
                write_atomic(path.with_suffix(".toml"), lambda target: target.write(definition.read_bytes()))
            write_json(path.with_suffix(".json"), facts)
    finally:
        written.unlink(missing_ok=True)
    desk.choose(data.data_hash)
    return _stored(path, facts)


def stored(desk: Desk) -> list[StoredCohort]:
    """The session's own data, newest first, then one for each data set of the runs it may see."""
    own = []
    for path in desk.data_folder.glob("*.parquet"):
        try:
            own.append(_stored(path, read_json(path.with_suffix(".json"))))
        except (PhenoPolicyError, KeyError, TypeError):
            continue
    own.sort(key=lambda cohort: cohort.created, reverse=True)
    seen = {cohort.key for cohort in own}
    for run in visible_runs(desk.study):
        path, (usable, definition) = run.path / "cohort.parquet", desk.of_run(run)
        if usable and run.data_hash not in seen and NAME.fullmatch(run.data_hash) and path.is_file():
            seen.add(run.data_hash)
            facts = run.name, run.n_patients, run.simulated, run.created
            own.append(StoredCohort(run.data_hash, path, *facts, definition))
    return own


def chosen(desk: Desk, otherwise: str = "") -> StoredCohort | None:
    """The data chosen for the next run, else those of the hash `otherwise`, else the newest."""
    found = stored(desk)
    for key in (desk.chosen(), otherwise):
        for cohort in found:
            if cohort.key == key:
                return cohort
    return found[0] if found else None


def choose(desk: Desk, key: str, label: str, found: list[StoredCohort], current: StoredCohort, **how: Any) -> None:
    """A box to choose among stored data."""
    names = {cohort.key: str(cohort) for cohort in found}
    st.session_state[key] = current.key
    st.selectbox(
        label,
        list(names),
        format_func=lambda name: names.get(name, name),
        key=key,
        on_change=lambda: desk.choose(st.session_state[key]),
        **how,
    )


def open_stored(desk: Desk, cohort: StoredCohort) -> Any:
    """The checked data of a stored file, read only; those of a run are read once for all who may see the run."""
    open_ = _open_own if cohort.path.parent == desk.data_folder else _open_of_run
    return open_(desk.study.kind, str(cohort.path), cohort.path.stat().st_mtime_ns, cohort.definition)


@st.cache_resource(scope="session", max_entries=3, ttl="2h", show_spinner="Reading the data ...")
def _open_own(kind: str, path: str, stamp: int, definition: Path | None) -> Any:
    """Cached for this session only: what a visitor uploads is never shared between sessions by a cache."""
    return _load(kind, path, definition)


@st.cache_resource(max_entries=4, ttl="6h", show_spinner="Reading the data ...")
def _open_of_run(kind: str, path: str, stamp: int, definition: Path | None) -> Any:
    """One for all, as the run itself is: `stored` lists only runs that the visitor may see."""
    return _load(kind, path, definition)


def _load(kind: str, path: str, definition: Path | None) -> Any:
    study = study_of(kind)
    return study.load(Path(path), definition, study.config(study.preset, {}))


def _stored(path: Path, facts: Mapping[str, Any]) -> StoredCohort:
    definition = path.with_suffix(".toml")
    return StoredCohort(
        key=path.stem,
        path=path,
        label=str(facts["label"]),
        n_patients=int(facts["n_patients"]),
        simulated=bool(facts["simulated"]),
        created=str(facts["created"]),
        definition=definition if definition.is_file() else None,
    )
