"""Download the run's encoder; load one that was saved before and train agents on top of it."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown_lines
from core.icu.session_file import FOLDER_SETTING
from pages.components.shell.frame import current_run, empty
from pages.components.shell.places import study, uploads_root
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

MAX_MEGABYTES = 64


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
        "Download both (.zip)",
        data=lambda: _zip(files),
        file_name=f"{run.path.name}-encoder.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        disabled=not files,
    )


def _zip(files: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return buffer.getvalue()


def _load() -> None:
    session = get_session()
    weights = st.file_uploader("Weights", type=["safetensors"], max_upload_size=MAX_MEGABYTES, key="encoder-weights")
    manifest = st.file_uploader("Manifest", type=["json"], max_upload_size=4, key="encoder-manifest")
    if weights is not None and manifest is not None:
        _accept(weights.getvalue(), manifest.getvalue())
    if FOLDER_SETTING in session.overrides:
        st.success(
            "The next run uses the loaded encoder and skips its training: start it under **Set up**.",
            icon=":material/check_circle:",
        )
        st.button("Train a new encoder instead", on_click=lambda: session.overrides.pop(FOLDER_SETTING, None))
    else:
        st.caption("Both files of an encoder saved here, for the same columns. They are checked before they are used.")


def _accept(weights: bytes, manifest: bytes) -> None:
    """Store under the content's hash, check by loading, and take it for the next run."""
    from core.encoder import load_encoder

    folder = uploads_root(get_session().owner) / f"encoder-{hashlib.sha256(weights + manifest).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "encoder.safetensors").write_bytes(weights)
    (folder / "encoder.json").write_bytes(manifest)
    try:
        encoder = load_encoder(folder, study())
    except PhenoPolicyError as error:
        shutil.rmtree(folder, ignore_errors=True)
        st.error(f"This encoder cannot be used. {markdown_lines(error)}", icon=":material/error:")
        return
    get_session().overrides[FOLDER_SETTING] = str(folder)
    st.markdown(f"**{encoder.config.model_name}**, z of {encoder.z_dim} numbers, {len(encoder.history)} epochs.")
