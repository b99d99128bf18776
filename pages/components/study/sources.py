"""Where data come from, for the pages of every study: the simulator, and the definition that a file is read under."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from core.access.person import Role
from core.base.errors import AccessError, CohortError, PhenoPolicyError
from core.base.files import write_atomic
from core.base.text import markdown
from core.runs.study import Data
from pages.components.shell.frame import failed
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me
from pages.components.study.cohorts import StoredCohort, store
from pages.components.study.desk import Desk

Definition = TypeVar("Definition")
ACCEPTED = "accepted"  # after a desk's upload key: data were just stored, and are to be looked at


def simulated(desk: Desk, label: str, n_patients: int, seed: int, **options: Any) -> StoredCohort | None:
    """Simulate and store; None, with the reason on the page, where that fails."""
    with st.spinner(f"Simulating {n_patients:,} patients ..."):
        try:
            me().require(Role.RESEARCHER, "simulating patients")
            return store(desk, desk.study.simulate(n_patients, seed, options), label)
        except (PhenoPolicyError, OSError) as error:
            failed(error, "Simulating")
            return None


def accept(desk: Desk, data: Data, label: str, definition: Path | None = None) -> None:
    """Store data with their definition, choose them, and show them after the rerun; says so where they may not be."""
    try:
        cohort = store(desk, data, label, definition)
    except (AccessError, CohortError, OSError) as error:
        failed(error, "Storing the data")
        return
    show_accepted(desk, cohort)


def show_accepted(desk: Desk, cohort: StoredCohort) -> None:
    """Say that data were stored, and show them after the rerun."""
    st.session_state[f"{desk.upload_key}-{ACCEPTED}"] = True
    st.toast(f"{markdown(cohort.label)}: {cohort.n_patients:,} patients.", icon=":material/check_circle:")
    st.rerun()


def just_accepted(desk: Desk) -> bool:
    """True once after data were stored."""
    return bool(st.session_state.pop(f"{desk.upload_key}-{ACCEPTED}", False))


def keep_definition(content: bytes) -> Path:
    """Where a definition was written among the visitor's uploads, by its hash."""
    path = uploads_root(get_session().owner) / "studies" / f"{hashlib.sha256(content).hexdigest()[:16]}.toml"
    if not path.is_file():  # drawn again, it is there already
        with me().storing(path.parent, len(content), f"definition {path.stem}"):
            write_atomic(path, lambda target: target.write(content))
    return path


def choose_definition(
    desk: Desk,
    title: str,
    label: str,
    read: Callable[[Path | None], Definition],
    propose: Callable[[], Path | None],
) -> tuple[Definition, Path | None]:
    """The definition that a file is checked against: the app's own, or that of a TOML file (kept by its hash).

    propose: draws how one is made from the file that is uploaded; the path of the one that was taken.
    """
    word = desk.study.definition_option.lstrip("-")
    with st.expander(title):
        file = st.file_uploader(label, type=["toml"], max_upload_size=1, key=f"{desk.upload_key}-{word}")
        proposed = propose() if file is None else None
    if file is None:
        return read(proposed), proposed
    try:
        path = keep_definition(file.getvalue())
        return read(path), path
    except (PhenoPolicyError, OSError) as error:
        failed(error, f"Reading the {'study' if word == 'study' else f'{desk.study.definition_word} definition'}")
        st.stop()
