"""What every lesson has: the patient who leads through all, text, equations, a question, the engine's source."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.learn.source import source_of
from pages.components.shell.session import write_url

MOST_A_ROW = 3  # sliders


def toy_of_a_lesson(draw: Callable[[], None]) -> Callable[[], None]:
    """Make a fragment of a toy, so that moving it draws no more than it, and the address says what moved."""

    @wraps(draw)
    def told() -> None:
        write_url()
        draw()

    return st.fragment(told)


def lesson(
    title: str,
    patient: str,
    text: str,
    equations: tuple[str, ...],
    question: str,
    answer: str,
    toy: Callable[[], None],
) -> None:
    """A lesson: its text and, beside it, its toy, so that sliders and picture stand high and are in sight together.

    patient: what the idea has to do with Ms. A, who is invented.
    """
    told, played = st.columns([2, 3], gap="medium")
    with told:
        st.header(title, anchor=False)
        st.markdown(f":material/person: {patient}")
        st.markdown(text)
        for equation in equations:  # one a line: a long one would be cut off
            st.latex(equation)
        st.markdown(f":material/help: **Ask first.** {question}")
        with st.expander("Answer", icon=":material/lightbulb:"):  # in the flow: it covers no slider
            st.markdown(answer)
    with played:
        toy()


def slots(n: int) -> list[DeltaGenerator]:
    """Places for n sliders, in rows that leave each of them room for its name."""
    a_row = n if n <= MOST_A_ROW else -(-n // 2)
    return [place for start in range(0, n, a_row) for place in st.columns(a_row)][:n]


def numbers_and_picture() -> tuple[DeltaGenerator, DeltaGenerator]:
    """A row for the numbers of a toy, under its sliders, and a place for its picture, under them: all are in sight."""
    return st.container(horizontal=True, wrap=False, gap="small", key="learn-numbers"), st.container()


def show_function(*functions: tuple[str, str]) -> None:
    """The engine's own source of these functions: path and name of each."""
    with st.expander("Show the function", icon=":material/code:"):
        st.caption("The engine's own source, as this app runs it.")
        for path, name in functions:
            st.markdown(f"`{path}`")
            st.code(source_of(path, name), language="python")
