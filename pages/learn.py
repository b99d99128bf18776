"""Learn: each idea on one screen, with a toy to move, its equation, and the function that the engine runs; and what
true values say about the settings."""

from __future__ import annotations

import streamlit as st

from pages.components.learn.outcomes import concordance, danger, survival
from pages.components.learn.toys import attention, clusters, dueling, fusion, weights
from pages.components.shell.frame import go_to, page
from pages.components.shell.held import held
from pages.components.shell.session import get_session


def settings() -> None:
    """What is known about the settings; its experiment's code is read by those alone who ask."""
    from pages.components.learn import choice

    choice.settings()


IDEAS = {
    "Attention": attention,
    "Phenotypes": clusters,
    "Dueling Q": dueling,
    "Fusion λ": fusion,
    "Importance weights": weights,
    "Concordance": concordance,
    "Survival": survival,
    "Hazards": danger,
    "Settings": settings,
}


def main() -> None:
    """Draw the page."""
    page(
        "Learn",
        "Eight ideas behind the app, each with a toy, led through by one patient. Ask before you move a slider, then "
        "look. And what the evidence says about the settings.",
    )
    idea = st.segmented_control(
        "Idea",
        list(IDEAS),
        **held("learn-idea", IDEAS),
        required=True,
        label_visibility="collapsed",
    )
    IDEAS[idea or "Attention"]()
    _onward(idea or "Attention")
    go_to("pages/classroom.py", "Play a case with a class, or run a reader study", icon=":material/co_present:")


def _onward(idea: str) -> None:
    """On to the next idea; none after the last."""
    names = list(IDEAS)
    place = names.index(idea) + 1
    if place < len(names):
        st.button(
            f"Next: {names[place]}",
            key="learn-next",
            icon=":material/arrow_forward:",
            on_click=get_session().mark,
            args=("learn-idea", names[place]),
        )


main()
