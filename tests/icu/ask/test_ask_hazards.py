"""Hazard rules: rates in closed form, intervals by person, and rules that a study cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.base.rng import stream
from core.icu.ask.hazards import (
    GIVEN,
    HazardRule,
    default_rules,
    hazard_patients,
    hazard_table,
    rules_met,
    violation_rates,
)
from core.icu.view import RunView
from core.policies import PolicyKey
from core.study import load_study


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def rates(hazard: dict[str, np.ndarray], applies: np.ndarray, persons: np.ndarray, n: int = 200):
    return violation_rates(hazard, applies, persons, n, stream(0, "test")).set_index("policy")


def test_rate_is_the_mass_on_hazardous_doses_where_the_rule_applies() -> None:
    applies = np.array([[True, True, False], [False, False, False], [True, False, False]])
    given = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    policy = np.array([[0.2, 0.4, 0.9], [0.9, 0.9, 0.9], [0.6, 0.9, 0.9]])
    table = rates({GIVEN: given, "fused": policy}, applies, np.arange(3))
    assert table.loc[GIVEN, "rate"] == pytest.approx(1 / 3)
    assert table.loc["fused", "rate"] == pytest.approx((0.2 + 0.4 + 0.6) / 3)
    assert table.loc["fused", "excess"] == pytest.approx(1.2 / 3 - 1 / 3)
    assert (table["steps"] == 3).all()
    assert (table["patients"] == 2).all()
    assert np.isnan(table["low"]).all(), "two persons are too few for an interval"


def test_equal_hazard_has_an_excess_of_zero_and_all_intervals_hold_the_rate() -> None:
    rng = np.random.default_rng(1)
    applies = rng.random((80, 6)) < 0.4
    given = (rng.random((80, 6)) < 0.3).astype(float)
    table = rates({GIVEN: given, "same": given, "none": np.zeros_like(given)}, applies, np.arange(80))
    assert table.loc["same", ["excess", "excess_low", "excess_high"]].eq(0).all()
    assert table.loc["none", ["rate", "low", "high"]].eq(0).all()
    assert ((table["low"] <= table["rate"]) & (table["rate"] <= table["high"])).all()


def test_stays_of_one_person_are_resampled_together() -> None:
    """Copies of a stay add no information: the interval by person stays as wide, the one by stay shrinks."""
    rng = np.random.default_rng(2)
    given = (rng.random((40, 1)) < 0.4).astype(float).repeat(9, axis=0)
    applies = np.ones_like(given, dtype=bool)
    by_person = rates({GIVEN: given}, applies, np.arange(40).repeat(9), 2000).loc[GIVEN]
    by_stay = rates({GIVEN: given}, applies, np.arange(360), 2000).loc[GIVEN]
    width = by_person["high"] - by_person["low"]
    assert width > 2.4 * (by_stay["high"] - by_stay["low"])
    p = given.mean()
    assert width == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 40), rel=0.15)


def test_a_rule_that_never_applies_has_no_rate() -> None:
    table = rates({GIVEN: np.ones((4, 2))}, np.zeros((4, 2), dtype=bool), np.arange(4))
    assert np.isnan(table.loc[GIVEN, "rate"])
    assert table.loc[GIVEN, "steps"] == 0


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


def test_default_rules_are_those_of_the_study() -> None:
    study = load_study()
    assert default_rules(study)[0].text(study) == "heparin while Platelets < 50"
    assert [(r.column, r.operator, r.threshold) for r in default_rules(study)][1] == ("PTT", ">", 100.0)
    fewer = tuple(c for c in study.columns if c.name != "PTT")
    assert len(default_rules(study.model_copy(update={"columns": fewer}))) == 1


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (HazardRule("Nothing", "<", 1.0), "no column"),
        (HazardRule("PTT", "=", 1.0), "not one of"),  # type: ignore[arg-type]
        (HazardRule("PTT", ">", float("nan")), "must be a number"),
        (HazardRule("PTT", ">", 1.0, 5), "bin 1 to 4"),
        (HazardRule("PTT", ">", 1.0, 0), "bin 1 to 4"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: HazardRule, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        rule.check(load_study())


def test_the_rules_met_at_a_step_are_those_of_its_recorded_values(view: RunView) -> None:
    patient, step, place = 1, 2, view.study.index("Platelets")
    value = float(view.cohort.states[view.cohort.starts[patient] + step, place])
    below, above = HazardRule("Platelets", "<", value + 1), HazardRule("Platelets", "<", value - 1, from_action=2)
    absent = HazardRule("Not a column", "<", value)
    found = rules_met(view, patient, step, [below, above, absent])
    assert [(met.rule, met.value) for met in found] == [(below, value)]
    imputed = view.cohort.imputed
    assert found[0].imputed == (imputed is not None and bool(imputed[view.cohort.starts[patient] + step, place]))
