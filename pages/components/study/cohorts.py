"""Cohorts that this session may use: its own, stored by data hash, and those of the runs it may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.files import read_json, write_atomic, write_json
from core.cohort import Cohort, load_cohort, save_cohort
from core.runs.document import Data
from core.runs.manifest import now
from pages.components.shell.frame import visible_runs
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session

LONGEST_LABEL = 44


@dataclass(frozen=True)
class StoredCohort:
    """One cohort on disk; `key` is what the session and the URL carry."""

    key: str
    path: Path
    label: str
    n_patients: int
    simulated: bool
    created: str
    study_file: Path | None = None  # its study, where it is not the app's own

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


def store(cohort: Cohort, label: str, study_file: Path | None = None) -> StoredCohort:
    """Save a checked cohort under its hash (never under a user's file name), with its label and study beside it."""
    session = get_session()
    folder = uploads_root(session.owner)
    path = folder / f"{cohort.data_hash}.parquet"
    save_cohort(cohort, path)
    facts = write_facts(path, cohort, label, study_file)
    session.cohort = cohort.data_hash
    return _stored(path, facts)


def write_facts(path: Path, cohort: Data, label: str, definition: Path | None) -> dict[str, Any]:
    """Keep what a list of stored data shows, and the TOML file of its study, beside the data in `path`."""
    if definition is not None:
        write_atomic(path.with_suffix(".toml"), lambda target: target.write(definition.read_bytes()))
    simulated = cohort.origin.simulated
    facts = {"label": label[:80], "n_patients": cohort.n_patients, "simulated": simulated, "created": now()}
    write_json(path.with_suffix(".json"), facts)
    return facts


def stored_cohorts() -> list[StoredCohort]:
    """The session's own cohorts, newest first, then one for each data set of the runs it may see."""
    own = []
    for path in uploads_root(get_session().owner).glob("*.parquet"):
        try:
            own.append(_stored(path, read_json(path.with_suffix(".json"))))
        except (PhenoPolicyError, KeyError, TypeError):
            continue
    own.sort(key=lambda cohort: cohort.created, reverse=True)
    seen = {cohort.key for cohort in own}
    for run in visible_runs():
        path = run.path / "cohort.parquet"
        if run.data_hash not in seen and path.is_file():
            seen.add(run.data_hash)
            study_file = _if_there(run.path / "study.json")
            facts = (run.name, run.n_patients, run.simulated, run.created)
            own.append(StoredCohort(run.data_hash, path, *facts, study_file))
    return own


def chosen_cohort() -> StoredCohort | None:
    """The cohort chosen for the next run; the newest one where none was chosen."""
    session, cohorts = get_session(), stored_cohorts()
    return next((cohort for cohort in cohorts if cohort.key == session.cohort), cohorts[0] if cohorts else None)


def open_cohort(stored: StoredCohort) -> Cohort:
    """The checked cohort of a stored file."""
    return _load(str(stored.path), stored.path.stat().st_mtime_ns, stored.study_file)


@st.cache_resource(scope="session", max_entries=3, ttl="2h", show_spinner="Reading the cohort ...")
def _load(path: str, stamp: int, study_file: Path | None) -> Cohort:
    """Cached for this session only: patient data is never shared between sessions by a cache."""
    return load_cohort(path, study_file)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _stored(path: Path, facts: Mapping[str, Any]) -> StoredCohort:
    return StoredCohort(
        key=path.stem,
        path=path,
        label=str(facts["label"]),
        n_patients=int(facts["n_patients"]),
        simulated=bool(facts["simulated"]),
        created=str(facts["created"]),
        study_file=_if_there(path.with_suffix(".toml")),
    )
