"""Counts of a registry against a small one written by hand: every patient is somewhere at every stage, once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.registry import RegistryCohort, load_registry_spec, make_registry, simulate_registry
from core.registry.cohort.describe import (
    combination_table,
    decision_table,
    feature_counts,
    highest_return,
    histogram,
    patient_course,
    patient_given,
    patient_table,
    reward_tolerance,
    state_table,
)

# Day: (alive, acute, chronic, relapse) by patient. One is treated for both, one dies, one relapses, one skips a visit
# and is lost later.
COURSES = {
    "both": {0: (1, 0, 0, 0), 100: (1, 1, 0, 0), 180: (1, 1, 1, 0), 365: (1, 0, 1, 0), 730: (1, 0, 0, 0),
             1460: (1, 0, 0, 0)},
    "dies": {0: (1, 0, 0, 0), 100: (0, 0, 0, 0)},
    "relapses": {0: (1, 0, 0, 0), 100: (1, 0, 0, 1)},
    "skips": {0: (1, 0, 0, 0), 180: (1, 0, 0, 0)},
}  # fmt: skip


@pytest.fixture(scope="module")
def small() -> RegistryCohort:
    spec = load_registry_spec()
    rows = []
    for i, (patient, course) in enumerate(COURSES.items()):
        for day, indicators in course.items():
            row = dict.fromkeys(spec.drug_columns, 0) | {"patient": patient, "stage": day, "age": 10.0 * (i + 1)}
            row |= {f.name: f.categories[0] for f in spec.features if f.kind == "category"}
            row |= dict(zip(spec.indicator_names, indicators, strict=True))
            if day == 0:
                row |= {"conditioning:busulfan": 1, "conditioning:cyclophosphamide": 1, "prophylaxis:tacrolimus": 1}
            if indicators[1]:
                row["acute:systemic corticosteroids"] = 1
            rows.append(row)
    return make_registry(pd.DataFrame(rows)[list(spec.columns)])


def test_every_patient_is_somewhere_at_every_stage(small: RegistryCohort) -> None:
    table = state_table(small).pivot(index="day", columns="state", values="patients")
    assert (table.sum(axis=1) == 4).all()
    assert table.loc[100].to_dict() == {
        "absent": 1, "acute_gvhd": 1, "chronic_gvhd": 0, "dead": 1, "lost": 0, "relapse": 1, "well": 0
    }  # fmt: skip
    assert table.loc[365, ["chronic_gvhd", "dead", "relapse", "lost"]].tolist() == [1, 1, 1, 1]
    assert table.loc[1460, ["well", "lost"]].tolist() == [1, 1]


def test_simulated_registries_add_up_too() -> None:
    cohort, _ = simulate_registry(200, seed=4)
    assert (state_table(cohort).groupby("stage")["patients"].sum() == 200).all()
    uses = combination_table(cohort).groupby("decision")["uses"].sum()
    asked = decision_table(cohort).groupby("decision")["patients"].sum()
    assert uses.to_dict() == asked.to_dict()
    edges, counts = histogram(cohort, "age", 5)
    assert counts.sum() == 200
    assert np.allclose(np.diff(edges), 5)


def test_decisions_are_posed_to_those_alive_without_relapse(small: RegistryCohort) -> None:
    table = decision_table(small).set_index(["decision", "day"])
    assert table.loc[("acute", 100), ["patients", "treated", "combinations"]].tolist() == [1, 1, 1]
    assert table.loc[("acute", 180), ["patients", "treated", "combinations"]].tolist() == [2, 1, 2]
    assert table.loc[("conditioning", 0), "combinations"] == 1


def test_a_patient_in_words_and_numbers(small: RegistryCohort) -> None:
    table = patient_table(small).set_index("patient")
    assert table["outcome"].to_dict() == {"both": "well", "dies": "dead", "relapses": "relapse", "skips": "lost"}
    # 0.8 with acute, 0.7 with chronic (also with both), 0.7, 1, 1
    assert table.loc["both", "reward"] == pytest.approx(0.8 + 0.7 + 0.7 + 1 + 1)
    assert table.loc["both", ["acute_gvhd", "chronic_gvhd"]].all()
    assert not table.loc["skips", "acute_gvhd"]
    both = int(np.flatnonzero(small.patients == "both")[0])
    course, given = patient_course(small, both), patient_given(small, both)
    assert course["state"].tolist() == ["well", "acute_gvhd", "chronic_gvhd", "chronic_gvhd", "well", "well"]
    assert np.isnan(course["reward"][0])
    assert course["reward"][1:3].tolist() == [0.8, 0.7]
    words = given.set_index(["decision", "day"])["combination"]
    assert words[("conditioning", 0)] == "busulfan + cyclophosphamide"
    assert words[("acute", 100)] == "systemic corticosteroids"
    assert words[("chronic", 100)] == "no drug"
    dies = int(np.flatnonzero(small.patients == "dies")[0])
    assert set(patient_given(small, dies)["day"]) == {0}, "nothing is decided after a death"


def test_categories_keep_their_order_and_missing_ones_come_last(small: RegistryCohort) -> None:
    spec = load_registry_spec()
    counts = feature_counts(small, "hla_match")
    assert counts["category"].tolist() == list(spec.feature("hla_match").categories)
    assert counts["patients"].tolist() == [4, 0, 0]


def test_rewards_bound_what_can_be_earned() -> None:
    spec = load_registry_spec()
    assert reward_tolerance(spec) == pytest.approx(0.05)  # half of 0.8 - 0.7
    assert highest_return(spec, "acute", 2) == 1
    assert highest_return(spec, "chronic", 1) == pytest.approx(1 + 0.99 + 0.99**2 + 0.99**3)
