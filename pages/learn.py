"""Learn: each idea on one screen, with a toy to move, its equation, and the function that the engine runs; and what
true values say about the settings."""

from __future__ import annotations

import streamlit as st

from pages.components.learn.choice import settings
from pages.components.learn.toys import attention, clusters, dueling, fusion, weights
from pages.components.shell.frame import go_to, page
from pages.components.shell.held import held

IDEAS = {
    "Attention": attention,
    "Phenotypes": clusters,
    "Dueling Q": dueling,
    "Fusion λ": fusion,
    "Importance weights": weights,
    "Settings": settings,
}


def main() -> None:
    """Draw the page."""
    page(
        "Learn",
        "Five ideas behind the app, each with a toy. Ask before you move a slider, then look. And what the evidence "
        "says about the settings.",
    )
    idea = st.segmented_control(
        "Idea",
        list(IDEAS),
        **held("learn-idea", IDEAS),
        required=True,
        label_visibility="collapsed",
    )
    IDEAS[idea or "Attention"]()
    go_to("pages/classroom.py", "Play a case with a class, or run a reader study", icon=":material/co_present:")


main()
