"""Download the run's encoder; load one that was saved before and train agents on top of it."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import AccessError, PhenoPolicyError
from core.base.text import markdown_lines
from core.encoder.archive import MOST_BYTES, pack_encoder, unpack_encoder
from core.icu.session_file import FOLDER_SETTING
from core.study import StudySpec, load_study
from pages.components.shell.export import recorded
from pages.components.shell.frame import current_run, empty, failed
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me
from pages.components.study.cohorts import chosen
from pages.components.study.desk import ICU_DESK

if TYPE_CHECKING:
    from core.icu.view import RunView


def draw() -> None:
    """Two halves: save, load."""
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        st.markdown("## :material/download: Save the encoder of this run")
        run = current_run()
        if run is None:
            empty("No finished run", "Its encoder can be saved here once a run is done.")
        else:
            _save(run)
    with right, st.container(border=True, height="stretch"):
        st.markdown("## :material/upload: Load a saved encoder")
        _load()


def _save(run: RunView) -> None:
    files = sorted((run.path / "encoder").glob("encoder.*"))
    for file in files:
        st.markdown(f"`{file.name}` · {file.stat().st_size / 1024:,.0f} KiB")
    st.caption("Weights as safetensors, everything about them as JSON: data only, nothing in them is ever executed.")
    st.download_button(
        "Download the encoder (.zip)",
        data=recorded(lambda: pack_encoder(run.path / "encoder"), "encoder"),
        file_name=f"{run.path.name}-encoder.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        disabled=not files,
    )


def _load() -> None:
    session = get_session()
    most = MOST_BYTES >> 20
    file = st.file_uploader("Encoder (.zip)", type=["zip"], max_upload_size=most, key="encoder-archive")
    cohort = chosen(ICU_DESK)
    definition = load_study(cohort.definition if cohort else None)
    if file is not None:
        _accept(file.getvalue(), definition)
    if FOLDER_SETTING in session.overrides:
        st.success(
            "The next run uses the loaded encoder and skips its training: start it under **Set up**.",
            icon=":material/check_circle:",
        )
        st.button("Train a new encoder instead", on_click=lambda: session.overrides.pop(FOLDER_SETTING, None))
    else:
        st.caption(
            f"The ZIP file of an encoder saved here, checked against the study of the cohort that is chosen under "
            f"**Set up**: {definition.title}."
        )


def _accept(content: bytes, definition: StudySpec) -> None:
    """Store under the content's hash, check by loading, and take it for the next run."""
    from core.encoder import load_encoder

    folder = uploads_root(get_session().owner) / f"encoder-{hashlib.sha256(content).hexdigest()[:16]}"
    try:
        if not folder.is_dir():  # drawn again, it is there already
            with me().storing(folder.parent, len(content), f"encoder {folder.name}"):
                unpack_encoder(content, folder)
        encoder = load_encoder(folder, definition)
    except AccessError as error:
        failed(error, "Storing the encoder")
        return
    except PhenoPolicyError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if get_session().overrides.get(FOLDER_SETTING) == str(folder):  # taken under another study
            get_session().overrides.pop(FOLDER_SETTING)
        st.error(f"This encoder cannot be used. {markdown_lines(error)}", icon=":material/error:")
        return
    get_session().overrides[FOLDER_SETTING] = str(folder)
    st.markdown(f"**{encoder.config.model_name}**, z of {encoder.z_dim} numbers, {len(encoder.history)} epochs.")
