"""The case that the clinician's door opens: one that shows a danger and a departure, and nothing of its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.case import FEWEST_BEFORE, telling_case
from core.icu.ask.hazards import rules_met
from core.icu.ask.options import refusal
from core.icu.view import RunView
from core.policies.hazards import default_rules
from core.policies.rules import HazardRule


@pytest.fixture
def run(tiny_run: Path) -> RunView:
    """A run whose advice gives the largest dose everywhere."""
    view = RunView(tiny_run)
    view.__dict__["advised_action"] = np.full(view.trajectories.actions.shape, 4)
    return view


def test_it_is_a_new_patient_in_danger_to_whom_the_advice_gives_what_was_not_given(run: RunView) -> None:
    found = telling_case(run, default_rules(run.study))
    assert found is not None
    patient, step = found
    assert run.split_name[patient] == "test"
    assert step >= FEWEST_BEFORE
    assert run.cohort.actions[run.cohort.rows(patient)][step] != 4
    assert refusal(run, patient, step) == ""
    always = telling_case(run, [HazardRule("Platelets", "<", 1e6)])
    assert always is not None
    assert rules_met(run, *always, [HazardRule("Platelets", "<", 1e6)])


def test_how_stays_end_has_no_say(run: RunView) -> None:
    before = telling_case(run, default_rules(run.study))
    run.cohort.outcomes[:] *= -1
    try:
        assert telling_case(run, default_rules(run.study)) == before
    finally:
        run.cohort.outcomes[:] *= -1


def test_there_is_none_where_the_advice_never_departs(run: RunView) -> None:
    run.__dict__["advised_action"] = np.full(run.trajectories.actions.shape, -1)
    assert telling_case(run, default_rules(run.study)) is None
