"""Encoder: set up and start a run, follow it, look into what the encoder learned, keep or load its weights."""

from __future__ import annotations

import streamlit as st

from pages.components.encoder import artifacts as encoder_artifacts
from pages.components.encoder import setup as encoder_setup
from pages.components.encoder import views as encoder_views
from pages.components.shell.frame import page, require_run
from pages.components.shell.held import held
from pages.components.study.desk import ICU_DESK
from pages.components.study.job import job_panel

VIEWS = ("Set up", "Training", "Reconstruction", "Attention", "Save and load")


def main() -> None:
    """Draw the page; only the chosen view is computed."""
    session = page(
        "Encoder",
        "The encoder turns a stay into one vector. Set up a run, watch it learn, and check what the vector kept.",
    )
    view = st.segmented_control(
        "View", VIEWS, required=True, **held("encoder-view", VIEWS), label_visibility="collapsed"
    )
    if session.job:
        job_panel(ICU_DESK, curves=view in ("Set up", "Training"))
    if view == "Set up":
        encoder_setup.draw()
    elif view == "Save and load":
        encoder_artifacts.draw()
    elif view == "Training":
        encoder_views.training(require_run())
    elif view == "Reconstruction":
        encoder_views.reconstruction(require_run())
    else:
        encoder_views.attention(require_run())


main()
