"""Save this session as a file, and load one: the run, its sliders, the patients chosen, the set-up of the next run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import ArtifactError, PhenoPolicyError
from core.base.text import markdown_lines
from core.icu.config import kept_values, load_preset
from core.icu.selection import Selection
from core.icu.session_file import FOLDER_SETTING, SavedSession, patient_keys, patient_positions, read_session
from pages.components.shell.export import file_name, recorded
from pages.components.shell.frame import current_run, finished_run
from pages.components.shell.places import run_path
from pages.components.shell.session import Session, get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

UPLOAD = "session-file"
SAID = "session-file-said"
MAX_MEGABYTES = 20


def session_panel(run: RunView) -> None:
    """A button that saves, a field that loads, and what came of the latest load."""
    session = get_session()
    st.download_button(
        "Save this session (JSON)",
        data=recorded(lambda: saved_session(run, session).to_bytes(), "session"),
        file_name=file_name(f"session-{run.path.name}", "json"),
        mime="application/json",
        key="session-save",
        icon=":material/save:",
        on_click="ignore",
    )
    st.file_uploader(
        "Load a session", type=["json"], max_upload_size=MAX_MEGABYTES, key=UPLOAD, on_change=_load_uploaded
    )
    if wrong := st.session_state.get(SAID):
        st.error(f"**Nothing was loaded.** {markdown_lines(wrong)}", icon=":material/error:")
    st.caption(
        "The run on show, K, λ and mode, the patient and step, all kept selections, and the settings of the next run. "
        "It holds patient keys but no measurement. Loading checks every field and executes nothing."
    )


def saved_session(run: RunView, session: Session) -> SavedSession:
    """The session as it stands."""
    cohort, current = run.cohort, session.selection
    everything = {**session.selections, **({current.name: current} if current is not None else {})}
    return SavedSession(
        run=run.path.name,
        data_hash=run.manifest.data_hash,
        n_clusters=session.n_clusters,
        lambda_=session.lambda_,
        mode=session.mode,
        patient=None if session.patient is None else str(cohort.patients[session.patient]),
        step=session.step,
        selected=None if current is None else current.name,
        selections={name: patient_keys(cohort, chosen.patients) for name, chosen in everything.items()},
        preset=session.preset,
        settings={path: json.dumps(value) for path, value in session.overrides.items() if path != FOLDER_SETTING},
    )


def _load_uploaded() -> None:
    """Take over the uploaded session as a whole, or say why nothing of it was (a callback)."""
    st.session_state.pop(SAID, None)
    file = st.session_state[UPLOAD]
    if file is None:
        return
    try:
        load_session(file.getvalue())
    except PhenoPolicyError as error:
        st.session_state[SAID] = str(error)
    else:
        st.toast("The session is loaded.", icon=":material/check_circle:")


def load_session(content: bytes) -> None:
    """Check a session file against the runs of this server, then let the session be what it says."""
    saved = read_session(content)
    run = _run_for(saved)
    selections = {
        name: Selection.of(name, patient_positions(run.cohort, keys)) for name, keys in saved.selections.items()
    }
    patient = None if saved.patient is None else int(patient_positions(run.cohort, [saved.patient])[0])
    if saved.selected is not None and saved.selected not in selections:
        raise ArtifactError(f"the selection '{saved.selected}' is named but not held by this file.")
    overrides = kept_values(load_preset(saved.preset, saved.settings), saved.settings)
    session = get_session()
    session.open_run(run.path.name)
    for name in ("n_clusters", "lambda_", "mode"):
        session.choose(name, getattr(saved, name))
    session.patient, session.step, session.preset = patient, saved.step, saved.preset
    session.overrides = overrides
    session.selections.update({chosen.name: chosen for chosen in selections.values() if len(chosen)})
    session.put(selections[saved.selected] if saved.selected is not None and saved.selections[saved.selected] else None)
    session.fit(run)


def _run_for(saved: SavedSession) -> RunView:
    """The file's run where this visitor may see it, else the run on show if it was made from the same data."""
    folder = run_path(saved.run)
    named = finished_run(folder) if folder is not None else None
    for run in (named, current_run()):
        if run is not None and run.manifest.data_hash == saved.data_hash:
            return run
    raise ArtifactError(
        f"No run that you may see was made from the data of this session ({saved.data_hash}). If it is your own run, "
        "open the app in the browser that uploaded it; else train on the same cohort first."
    )
