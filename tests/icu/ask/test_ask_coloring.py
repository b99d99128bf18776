"""What the map can be colored by, held against plain counting on one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.coloring import (
    by_column,
    by_disagreement,
    by_hours,
    by_length,
    by_outcome,
    by_phenotype,
)
from core.icu.ask.hover import hover_texts
from core.icu.ask.names import phenotype_texts
from core.icu.ask.options import refusal
from core.icu.view import RunView
from core.policies.hazards import default_rules
from core.policies.rules import HazardRule


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_groups_are_phenotypes_and_outcomes_by_name(view: RunView) -> None:
    phenotypes = by_phenotype(view, 3)
    assert phenotypes.names == phenotype_texts(view, 3)
    assert np.array_equal(phenotypes.values, view.labels(3))
    outcome = by_outcome(view)
    assert outcome.names == ("survived within 90 days", "died within 90 days")
    assert np.array_equal(outcome.values == 1, view.cohort.outcomes < 0)


@pytest.mark.parametrize("what", ["first", "last", "change"])
def test_any_column_is_told_in_its_unit(view: RunView, what: str) -> None:
    coloring = by_column(view, "Platelets", what)
    column, j = coloring.values, view.study.index("Platelets")
    for patient in (0, 7, 41):
        course = view.cohort.states[view.cohort.rows(patient), j]
        expected = {"first": course[0], "last": course[-1], "change": course[-1] - course[0]}[what]
        assert column[patient] == pytest.approx(float(expected), rel=1e-6, abs=1e-5)
    assert coloring.unit == "×10⁹/L"
    assert coloring.kind == ("change" if what == "change" else "amount")


def test_a_yes_or_no_column_is_two_groups_and_a_fixed_one_has_no_course(view: RunView) -> None:
    assert by_column(view, "Gender", "first").names == ("male", "female")
    assert by_column(view, "Ventilation", "last").names == ("no", "yes")
    assert by_column(view, "Ventilation", "change").kind == "change"
    assert by_column(view, "Age", "first").title == "Age"


def test_length_and_hours(view: RunView) -> None:
    assert np.array_equal(by_length(view).values, view.cohort.lengths)
    hours = view.cohort.hours[view.cohort.rows(5)]
    assert by_hours(view).values[5] == hours[-1] - hours[0] + view.study.step_hours


@pytest.mark.parametrize("against", ["given", "clinicians"])
def test_disagreement_is_the_share_of_steps_with_another_dose(view: RunView, against: str) -> None:
    rule = HazardRule("Platelets", "<", 150.0)
    found = by_disagreement(view, view.own_policy, against, [rule], "Fused")
    probs, floor = view.probs(view.own_policy), view.config.evaluation.probability_floor
    for patient in range(0, 160, 13):
        steps = range(int(view.cohort.lengths[patient]))
        dose = probs[patient].argmax(axis=-1)
        other = view.trajectories.actions[patient] if against == "given" else view.behavior[patient].argmax(axis=-1)
        departs = [t for t in steps if dose[t] != other[t]]
        assert found.values[patient] == pytest.approx(100 * len(departs) / len(steps))
        doubtful = [t for t in departs if refusal(view, patient, t) or view.behavior[patient, t, dose[t]] < floor]
        assert found.hollow[patient] == (2 * len(doubtful) > len(departs))
        platelets = view.cohort.states[view.cohort.rows(patient), view.study.index("Platelets")]
        assert found.ring[patient] == any(platelets[t] < 150 and dose[t] >= 1 for t in steps)


def test_the_advice_departs_only_where_it_has_a_dose_of_its_own(view: RunView) -> None:
    found = by_disagreement(view, None, "given", default_rules(view.study), "advice")
    own, given = view.advised_action, view.trajectories.actions
    for patient in range(0, 160, 7):
        steps = range(int(view.cohort.lengths[patient]))
        departs = sum(own[patient, t] >= 0 and own[patient, t] != given[patient, t] for t in steps)
        assert found.values[patient] == pytest.approx(100 * departs / len(steps))


def test_the_pointer_tells_a_patient_in_clinical_words(view: RunView) -> None:
    patient = int(np.flatnonzero(view.cohort.outcomes < 0)[0])
    (text,) = hover_texts(view, np.array([patient]))
    rows = view.cohort.states[view.cohort.rows(patient)]
    platelets, age = rows[:, view.study.index("Platelets")], rows[0, view.study.index("Age")]
    assert text.startswith(f"Age {age:,.0f} years · died within 90 days<br>SOFA")
    assert f"Platelets {platelets[0]:,.0f} → {platelets[-1]:,.0f} ×10⁹/L" in text
