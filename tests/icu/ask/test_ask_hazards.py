"""Hazard rules on a run, against plain loops over its records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.hazards import hazard_patients, hazard_table, rules_met
from core.icu.view import RunView
from core.policies import PolicyKey
from core.policies.hazards import GIVEN
from core.policies.rules import HazardRule


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_a_run_counts_the_steps_of_its_records(view: RunView) -> None:
    """Against plain loops over the table of the cohort."""
    rule = HazardRule("Platelets", "<", 60.0, 2)
    patients = view.split.test
    table = hazard_table(view, patients, [rule], [PolicyKey("random"), PolicyKey("zero-drug")])
    frame = view.cohort.frame[view.cohort.frame["traj"].isin(view.cohort.patients[patients])]
    hit = frame[frame["Platelets"] < 60.0]
    found = table.set_index("policy")
    assert len(hit), "the cohort has such steps"
    assert found.loc[GIVEN, "steps"] == len(hit)
    assert found.loc[GIVEN, "rate"] == pytest.approx((hit["action"] >= 2).mean())
    assert found.loc["random", "rate"] == pytest.approx(3 / 5)
    assert found.loc["zero-drug", "rate"] == 0
    assert found.loc[GIVEN, "text"] == "heparin above 3,600 units per 4 h while Platelets < 60"


@pytest.mark.parametrize("policy", [GIVEN, "fused"])
def test_the_patients_behind_a_rate_are_those_of_a_plain_loop(view: RunView, policy: str) -> None:
    rule, patients = HazardRule("Platelets", "<", 120.0, 1), np.arange(view.cohort.n_patients)[::-1]
    fused = PolicyKey("fused", view.n_clusters, 15.0, "prospective")
    found = hazard_patients(view, patients, rule, None if policy == GIVEN else fused)
    probs = view.probs(fused)
    wanted = {}
    for patient in patients:
        rows = view.cohort.rows(patient)
        low = view.cohort.states[rows, view.study.index("Platelets")] < 120
        dose = view.cohort.actions[rows] if policy == GIVEN else probs[patient, : len(low)].argmax(axis=-1)
        steps = np.flatnonzero(low & (dose >= 1))
        if len(steps):
            wanted[int(patient)] = (len(steps), int(steps[0]))
    assert {row.patient: (row.steps, row.first) for row in found.itertuples()} == wanted
    assert wanted
    assert (np.diff(found["steps"]) <= 0).all(), "most steps first"


def test_the_rules_met_at_a_step_are_those_of_its_recorded_values(view: RunView) -> None:
    patient, step, place = 1, 2, view.study.index("Platelets")
    value = float(view.cohort.states[view.cohort.starts[patient] + step, place])
    below, above = HazardRule("Platelets", "<", value + 1), HazardRule("Platelets", "<", value - 1, from_action=2)
    absent = HazardRule("Not a column", "<", value)
    found = rules_met(view, patient, step, [below, above, absent])
    assert [(met.rule, met.value) for met in found] == [(below, value)]
    imputed = view.cohort.imputed
    assert found[0].imputed == (imputed is not None and bool(imputed[view.cohort.starts[patient] + step, place]))
