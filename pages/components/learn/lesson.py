"""What every lesson has: the patient who leads through all, text, equations, a question, the engine's source."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.learn.source import source_of
from pages.components.shell.session import write_url


def toy_of_a_lesson(draw: Callable[[], None]) -> Callable[[], None]:
    """Make a fragment of a lesson, so that moving its toy draws no more than it, and the address says what moved."""

    @wraps(draw)
    def told() -> None:
        write_url()
        draw()

    return st.fragment(told)


def lesson(title: str, patient: str, text: str, equations: tuple[str, ...], question: str, answer: str) -> None:
    """The head of a lesson. patient: what the idea has to do with Ms. A, who is invented."""
    st.header(title, anchor=False)
    st.markdown(f":material/person: {patient}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(text)
    with right:
        for equation in equations:  # one a line: a long one would be cut off
            st.latex(equation)
    st.markdown(f":material/help: **Ask first.** {question}")
    with st.expander("Answer", icon=":material/lightbulb:"):  # in the flow: it covers no slider
        st.markdown(answer)


def beside() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where a picture goes and, beside it, its numbers: a slider moves both, and both are in sight."""
    picture, numbers = st.columns([3, 1])
    return picture, numbers


def show_function(*functions: tuple[str, str]) -> None:
    """The engine's own source of these functions: path and name of each."""
    with st.expander("Show the function", icon=":material/code:"):
        st.caption("The engine's own source, as this app runs it.")
        for path, name in functions:
            st.markdown(f"`{path}`")
            st.code(source_of(path, name), language="python")
