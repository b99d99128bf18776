"""Hazard rules on a run, against plain loops over its records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.hazard import Operator
from core.icu.ask.against import advice_hazards
from core.icu.ask.hazards import Met, fallen_steps, hazard_patients, hazard_table, hit_at, rules_met
from core.icu.view import RunView
from core.policies import PolicyKey
from core.policies.hazards import ADVICE, GIVEN, default_rules, default_warnings
from core.policies.rules import FallRule, HazardRule, HitRule, Limit


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


def slow_falls(view: RunView, patient: int, percent: float, hours: float) -> list[int]:
    """Steps of a stay at which platelets fell so far under the drug, from the table of the cohort."""
    rows = view.cohort.rows(patient)
    counts = view.cohort.frame["Platelets"].to_numpy(np.float64)[rows]
    doses, at = view.cohort.actions[rows], view.cohort.hours[rows]
    return [
        t
        for t in range(len(counts))
        if any(
            at[t] - at[s] <= hours and doses[s:t].any() and 100 * (counts[s] - counts[t]) / counts[s] >= percent
            for s in range(t)
        )
    ]


def test_a_rule_over_time_counts_the_falls_of_the_records(view: RunView) -> None:
    rule, patients = FallRule("Platelets", 30.0, 24.0, 2), view.split.test
    table = hazard_table(view, patients, [rule], [PolicyKey("random")]).set_index("policy")
    steps = [(p, t) for p in patients for t in slow_falls(view, p, 30.0, 24.0)]
    assert steps, "the cohort has such steps"
    given = [view.cohort.actions[view.cohort.starts[p] + t] >= 2 for p, t in steps]
    assert table.loc[GIVEN, "steps"] == len(steps)
    assert table.loc[GIVEN, "rate"] == pytest.approx(np.mean(given))
    assert table.loc["random", "rate"] == pytest.approx(3 / 5)
    behind = hazard_patients(view, patients, rule, None)
    assert behind["steps"].sum() == sum(given)


def test_falls_are_marked_at_the_steps_of_the_mildest_warning(view: RunView) -> None:
    marked = 0
    for patient in range(20):
        found = fallen_steps(view, patient)
        assert list(found) == ["Platelets"]
        assert np.flatnonzero(found["Platelets"]).tolist() == slow_falls(view, patient, 30.0, 48.0)
        marked += int(found["Platelets"].sum())
    assert marked


def test_what_is_met_names_the_limit_that_holds_and_the_fall(view: RunView) -> None:
    patient = next(p for p in range(view.cohort.n_patients) if slow_falls(view, p, 30.0, 48.0))
    step = slow_falls(view, patient, 30.0, 48.0)[0]
    row = view.cohort.starts[patient] + step
    lactate = float(view.cohort.states[row, view.study.index("Lactate")])
    either = HazardRule("Platelets", "<", -1.0, others=(Limit("Lactate", "<", lactate + 1),))
    found = rules_met(view, patient, step, [FallRule("Platelets", 30.0, 48.0), either])
    assert [(met.column, met.value) for met in found][1] == ("Lactate", lactate)
    assert found[0].fall >= 30
    assert np.isnan(found[1].fall)


@pytest.mark.parametrize(
    ("value", "operator", "threshold", "said"),
    [
        (1.52, ">", 1.5, "1.52"),  # 1.5, with its column's one decimal, would not be above 1.5
        (1.61, ">", 1.5, "1.6"),
        (1.5, ">=", 1.5, "1.5"),
        (1.4996, "<", 1.5, "1.4996"),
    ],
)
def test_a_value_is_read_on_its_side_of_the_threshold(
    view: RunView, value: float, operator: Operator, threshold: float, said: str
) -> None:
    met = Met(HazardRule("INR", operator, threshold), "INR", value, imputed=False)
    assert met.read(view.study) == said


def test_a_fall_is_implied_by_a_deeper_one_in_no_more_time() -> None:
    fell, halved = (Met(FallRule("Platelets", share, 48.0), "Platelets", 90.0, False, 55.0) for share in (30.0, 50.0))
    slower = Met(FallRule("Platelets", 50.0, 72.0), "Platelets", 90.0, False, 55.0)
    assert fell.implied_by(halved)
    assert not halved.implied_by(fell)
    assert not fell.implied_by(slower)
    assert not fell.implied_by(fell)


def test_hit_is_said_with_what_is_not_on_record(view: RunView) -> None:
    """Of every stay that has no drug before its second step, and of one that falls under it."""
    first = hit_at(view, 0, 0)
    assert first is not None
    assert first.word == "unlikely"
    assert "no heparin is on record before this step" in first.why
    rule = next(w for w in default_warnings(view.study) if isinstance(w, HitRule))
    patient = next(p for p in range(view.cohort.n_patients) if slow_falls(view, p, 30.0, np.inf))
    step = slow_falls(view, patient, 30.0, np.inf)[0]
    found = hit_at(view, patient, step)
    assert found is not None
    assert found.word == "unknown"
    assert found.unrecorded == ("timing", "thrombosis")
    assert (found.high - found.low, found.low >= 1) == (4, True)
    assert "sepsis is a definite other cause (0 of 2); not on record: timing, thrombosis" in found.why
    assert rules_met(view, patient, step, [rule])
    assert not rules_met(view, patient, 0, [rule])


def test_the_advice_stands_among_the_policies_and_agrees_with_its_card(view: RunView) -> None:
    rule = default_rules(view.study)[0]
    everyone = np.arange(view.cohort.n_patients)
    table = hazard_table(view, everyone, [rule], [], 0.5).set_index("policy")
    card = advice_hazards(view, [rule], 0.5).set_index("policy")
    assert table.index.tolist() == [GIVEN, ADVICE]
    assert table["rate"].tolist() == pytest.approx(card["rate"].tolist())
    asleep = hazard_table(view, everyone, [rule], [], 0.0).set_index("policy")["rate"]
    assert asleep[ADVICE] == asleep[GIVEN]
