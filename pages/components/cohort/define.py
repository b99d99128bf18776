"""A study proposed from the file that is being uploaded: look at it, keep it, read the file as it says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.cohort.define import Told, propose_study, study_text
from core.tables.read import read_table
from pages.components.shell.frame import failed
from pages.components.study.sources import keep_definition

KEY = "study-proposed"
HEIGHT = 340


def draw(file: Any) -> Path | None:
    """What a person may say of the file, the button, and the proposal; the TOML file where it is to be used."""
    if file is None:
        st.caption("None yet? Load your file above, and one is proposed from it.")
        return None
    st.markdown("None yet? One is proposed from the file above; what is not found by itself can be named.")
    told = _told()
    if st.button("Propose a study from this file", icon=":material/draw:", key=f"{KEY}-make"):
        st.session_state.pop(KEY, None)
        _propose(file, told)
    digest, path = st.session_state.get(KEY, ("", ""))
    if digest != _digest(file) or not Path(path).is_file():
        return None
    text = Path(path).read_text(encoding="utf-8")
    with st.container(height=HEIGHT):
        st.code(text, language="toml")
    st.caption(
        "Every line is a proposal with its evidence. Download it, correct it and load it here, or use it as it is."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download (.toml)", text, "my-study.toml", "application/toml", icon=":material/download:", on_click="ignore"
        )
        used = st.toggle("Read the file as this study", value=True, key=f"{KEY}-use")
    return Path(path) if used else None


def _told() -> Told:
    """Boxes for what the file does not tell by itself."""
    hint = "found by itself"
    first, second, third, fourth = st.columns(4)
    return Told(
        drug=first.text_input("Drug", placeholder=hint, max_chars=60, key=f"{KEY}-drug").strip(),
        dose=second.text_input("Column of doses", placeholder=hint, key=f"{KEY}-dose").strip(),
        outcome=third.text_input("Column of who died", placeholder=hint, key=f"{KEY}-outcome").strip(),
        stay=fourth.text_input("Column of the stay's key", placeholder=hint, key=f"{KEY}-stay").strip(),
    )


def _propose(file: Any, told: Told) -> None:
    """Store the proposal under its hash, and remember for which file it is."""
    try:
        with st.spinner("Looking at every column ..."):
            file.seek(0)
            content = study_text(propose_study(read_table(file).frame, file.name.split(".")[0], told)).encode("utf-8")
        path = keep_definition(content)
    except PhenoPolicyError as error:
        failed(error, "Proposing a study")
        return
    st.session_state[KEY] = (_digest(file), str(path))


def _digest(file: Any) -> str:
    return hashlib.sha256(file.getbuffer()).hexdigest()
