"""Set up a run of the ICU study: the cohort, then what every study asks for."""

from __future__ import annotations

from pages.components.shell.frame import empty
from pages.components.study.cohorts import choose, chosen, stored
from pages.components.study.desk import ICU_DESK
from pages.components.study.train import draw as draw_training


def draw() -> None:
    """The whole set-up, top to bottom: cohort, preset, parameters, run."""
    cohorts = stored(ICU_DESK)
    if not cohorts:
        empty(
            "No cohort to train on yet",
            "Simulate one in one click, upload your own, or extract one from MIMIC-IV.",
            icon=":material/groups:",
            page="pages/cohort.py",
            action="Choose a cohort",
        )
        return
    current = chosen(ICU_DESK) or cohorts[0]
    choose(ICU_DESK, "encoder-cohort", "Cohort", cohorts, current)
    draw_training(ICU_DESK, current)
