"""Class: case conferences that several browsers play blind, and reader studies of the advice."""

from __future__ import annotations

import streamlit as st

from pages.components.classroom.entrance import CODE
from pages.components.classroom.reading import reading_view
from pages.components.classroom.room import conference_view
from pages.components.shell.frame import Subject, current_subject, page
from pages.components.shell.held import held
from pages.components.shell.session import get_session

VIEWS = {"Case conference": conference_view, "Reader study": reading_view}


def main() -> None:
    """Draw the page."""
    page(
        "Class",
        "Cases for people: play one blind with a class and see what every choice is worth, or measure what advice does "
        "to those who read it.",
        subject=_subject,
    )
    view = st.segmented_control(
        "View",
        list(VIEWS),
        **held("class-view", VIEWS),
        required=True,
        label_visibility="collapsed",
    )
    VIEWS[view or next(iter(VIEWS))]()


def _subject() -> Subject | None:
    """The run on show; none in a conference, whose members may have no right to more than its case."""
    return None if get_session().marks.get(CODE) else current_subject()


main()
