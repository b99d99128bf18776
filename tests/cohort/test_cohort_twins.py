"""Stays that stand twice, persons that change within a stay, stays that two cohorts share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.cohort import Cohort, load_cohort, make_cohort, save_cohort, simulate_cohort, split_cohort
from core.cohort.overlap import overlap
from core.cohort.twins import merged


@pytest.fixture(scope="module")
def base() -> pd.DataFrame:
    return simulate_cohort(n_patients=40, seed=0)[0].frame


def twice(base: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([base, base.assign(traj="copy of " + base["traj"])], ignore_index=True)


def rules(cohort: Cohort) -> dict[str, str]:
    return {problem.rule: problem.message for problem in cohort.report.warnings}


def test_a_copy_counts_as_one_person_on_one_side(base: pd.DataFrame, tmp_path) -> None:
    cohort = make_cohort(twice(base))
    assert "stays that stand again under another key: 40 of 80" in rules(cohort)["same-stay"]
    assert cohort.n_patients == 80
    person = dict(zip(cohort.patients, cohort.persons, strict=True))
    assert all(person[f"copy of {key}"] == person[key] for key in base["traj"].unique())
    assert len(set(cohort.persons)) == 40
    side = dict(zip(cohort.patients, split_cohort(cohort, seed=3).names(80), strict=True))
    assert all(side[f"copy of {key}"] == side[key] for key in base["traj"].unique())
    again = load_cohort(save_cohort(cohort, tmp_path / "c.parquet"))
    assert again.data_hash == cohort.data_hash
    np.testing.assert_array_equal(again.persons, cohort.persons)


def test_a_copy_is_known_with_values_missing_and_persons_named(base: pd.DataFrame, tmp_path) -> None:
    rng = np.random.default_rng(0)
    holes = base.copy()
    for name in ("Lactate", "PTT", "Glucose", "Age"):
        holes[name] = holes[name].mask(rng.random(len(base)) < 0.5)
    frame = twice(holes)
    frame["subject"] = ["a" if key in ("0", "copy of 1") else key for key in frame["traj"]]
    cohort = make_cohort(frame)
    person = dict(zip(cohort.patients, cohort.persons, strict=True))
    assert person["0"] == person["copy of 0"] == person["1"] == person["copy of 1"]
    assert len(set(cohort.persons)) == 39
    again = load_cohort(save_cohort(cohort, tmp_path / "c.parquet"))
    np.testing.assert_array_equal(again.persons, cohort.persons)


def test_one_other_value_makes_two_persons(base: pd.DataFrame) -> None:
    frame = twice(base)
    row = int(np.flatnonzero(frame["traj"] == "copy of 5")[2])
    for change in ({"Sodium": 151.0}, {"action": (frame["action"][row] + 1) % 5}):
        other = frame.copy()
        for name, value in change.items():
            other.loc[row, name] = value
        assert len(set(make_cohort(other).persons)) == 41
    died = frame.copy()
    last = np.flatnonzero(frame["traj"] == "copy of 5")[-1]
    died.loc[last, "outcome"] *= -1
    assert len(set(make_cohort(died).persons)) == 41


def test_stays_with_hardly_a_measurement_are_not_called_the_same(base: pd.DataFrame) -> None:
    two = base[base["step"] < 2].copy()
    temporal = list(base.columns[6:-2])
    two[temporal] = np.where(two[["traj"]].isin(["0", "1"]), np.nan, two[temporal])
    two["Age"], two["Gender"], two["Weight"], two["Height"], two["action"] = 60.0, 0.0, 80.0, 175.0, 0
    two["outcome"] = np.where(two["step"] == 1, 1, 0)
    assert len(set(make_cohort(two).persons)) == 40


def test_states_of_a_discrete_model_tell_nothing(base: pd.DataFrame) -> None:
    """200 stays over 6 states: equal stays come about by chance."""
    rng = np.random.default_rng(1)
    states = base.iloc[:6][list(base.columns[2:-2])].reset_index(drop=True)
    visited = rng.integers(0, 6, 400)
    frame = states.iloc[visited].reset_index(drop=True)
    frame.insert(0, "traj", np.repeat(np.arange(200), 2))
    frame.insert(1, "step", np.tile([0, 1], 200))
    frame["action"], frame["outcome"] = 0, np.tile([0, 1], 200)
    for name in ("Age", "Gender", "Weight", "Height"):
        frame[name] = 60.0 if name != "Height" else 170.0
    frame["Gender"] = 0.0
    cohort = make_cohort(frame)
    assert len(set(cohort.persons)) == 200
    assert "same-stay" not in rules(cohort)


def test_a_person_that_changes_within_a_stay_is_named(base: pd.DataFrame) -> None:
    subject = base["traj"].mask((base["traj"] == "3") & (base["step"] > 5), "4")
    cohort = make_cohort(base.assign(subject=subject))
    assert rules(cohort)["person-changes"] == (
        "the person changes within stays: 1 (first: patient 3); the first one named is used."
    )
    assert cohort.subjects[3] == "3"
    late = base["traj"].mask(base["step"] < 2, "")
    named_late = make_cohort(base.assign(subject=late))
    assert "person-changes" not in rules(named_late)
    assert named_late.subjects.tolist() == named_late.patients.tolist()


def test_persons_above_two_to_the_53_stay_apart(base: pd.DataFrame, tmp_path) -> None:
    subject = (2**53 + base["traj"].astype(int) // 2).astype("int64")
    base.assign(subject=subject).to_parquet(tmp_path / "c.parquet", index=False)
    cohort = load_cohort(tmp_path / "c.parquet")
    assert len(set(cohort.persons)) == 20
    assert cohort.persons.tolist() == [i // 2 for i in range(40)]


def test_stays_shared_with_another_cohort_are_found(base: pd.DataFrame) -> None:
    ours = make_cohort(base)
    other = simulate_cohort(n_patients=30, seed=9)[0].frame
    cut = base[base["traj"].isin(["4", "7"]) & (base["step"] >= 3)].copy()  # the same stays from another hour on
    cut["step"] -= 3
    cut = cut[cut.groupby("traj")["step"].transform("size") > 1]
    named = {key: f"x{key}" for key in cut["traj"].unique()}
    theirs = make_cohort(pd.concat([other, cut.assign(traj=cut["traj"].map(named))]))
    found = overlap(ours, theirs)
    assert set(theirs.patients[found.stays]) == set(named.values())
    assert str(found).startswith(f"{len(named)} of {30 + len(named)} stays are of patients whom the run already knows")
    assert not overlap(ours, make_cohort(other)).any.any()
    assert str(overlap(ours, make_cohort(other))) == ""
    assert overlap(ours, ours).stays.all()


def test_persons_that_both_cohorts_name_are_shared(base: pd.DataFrame) -> None:
    other = simulate_cohort(n_patients=30, seed=9)[0].frame
    ours = make_cohort(base.assign(subject="p" + base["traj"]))
    theirs = make_cohort(other.assign(subject=np.where(other["traj"] == "2", "p39", "q" + other["traj"])))
    assert overlap(ours, theirs).named.tolist() == [key == "2" for key in theirs.patients]


def test_merged_joins_both_kinds_of_ties() -> None:
    named, same = np.array([5, 6, 7, 5, 9]), np.array([0, 1, 1, 3, 4])
    assert merged(named, same).tolist() == [0, 1, 1, 0, 2]
