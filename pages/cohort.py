"""Cohort: simulate, upload or extract stays, check them, see what they hold."""

from __future__ import annotations

import streamlit as st

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from pages.components.cohort import sources as cohort_sources
from pages.components.cohort import upload as cohort_upload
from pages.components.cohort import views as cohort_views
from pages.components.shell.frame import empty, failed, go_to, page
from pages.components.shell.held import held
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me
from pages.components.study.cohorts import StoredCohort, choose, chosen, open_stored, stored
from pages.components.study.desk import ICU_DESK
from pages.components.study.sources import just_accepted

LOOK = "Look at a cohort"
SOURCES = {"Simulate": cohort_sources.simulate, "Upload": cohort_upload.draw, "Extract": cohort_sources.extract}
NEEDS = {"Simulate": Role.RESEARCHER, "Upload": Role.RESEARCHER, "Extract": Role.ADMIN}
SHOW = "cohort-source"


def main() -> None:
    """Draw the page; only the chosen part is computed."""
    if just_accepted(ICU_DESK):
        get_session().mark(SHOW)  # what was accepted is looked at
    page(
        "Cohort",
        "The stays that everything is learned from: their source, who was left out, what was measured.",
    )
    cohorts = stored(ICU_DESK)
    options = [name for name in (LOOK, *SOURCES) if (me().person.may(NEEDS[name]) if name in NEEDS else cohorts)]
    if not options:
        empty("No cohort is shared with you", "A researcher can share a run; its cohort is then shown here.")
        return
    part = st.segmented_control("Part", options, required=True, **held(SHOW, options), label_visibility="collapsed")
    if part == LOOK:
        _look(cohorts)
    else:
        SOURCES[str(part)]()


def _look(cohorts: list[StoredCohort]) -> None:
    current = chosen(ICU_DESK) or cohorts[0]
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        choose(ICU_DESK, "cohort-chosen", "Cohort", cohorts, current)
    with right:
        go_to("pages/encoder.py", "Train on this cohort", icon=":material/model_training:")
    try:
        cohort = open_stored(ICU_DESK, current)
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Opening this cohort")
        return
    cohort_views.draw(cohort)


main()
