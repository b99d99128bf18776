"""Splits are by patient, stratified, complete, never empty, and repeatable."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.base.errors import CohortError, ConfigError
from core.cohort import Cohort, make_cohort, simulate_cohort, split_cohort
from core.cohort.split import apportion, persons
from core.study import StudySpec


def stays(study: StudySpec, outcomes: list[int]) -> Cohort:
    """A cohort of two-step stays with these outcomes (only what a split looks at)."""
    n = len(outcomes)
    frame = pd.DataFrame({"step": [0, 1] * n, "outcome": np.array([[0, o] for o in outcomes], dtype=int).ravel()})
    return Cohort(frame, study)


@settings(max_examples=80)
@given(outcomes=st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=80), seed=st.integers(0, 5))
def test_parts_are_disjoint_complete_and_stratified(outcomes: list[int], seed: int, study: StudySpec) -> None:
    cohort = stays(study, outcomes)
    split = split_cohort(cohort, seed)
    parts = (split.train, split.valid, split.test)
    assert all(len(part) and part.dtype == np.int64 for part in parts)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(outcomes)))
    rate = np.mean(cohort.outcomes < 0)
    for part in parts:
        assert abs((cohort.outcomes[part] < 0).sum() - rate * len(part)) < 1 + 1e-6
        assert (np.diff(part) > 0).all()
    assert (split.names(len(outcomes))[split.valid] == "valid").all()


def test_sizes_of_the_published_cohort(study: StudySpec) -> None:
    split = split_cohort(stays(study, [-1] * 3667 + [1] * 9688))
    assert (len(split.train), len(split.valid), len(split.test)) == (9349, 2003, 2003)


def test_same_seed_same_split_other_seed_other_split(study: StudySpec) -> None:
    cohort = stays(study, [-1, 1, 1, 1] * 10)
    first, same, other = (split_cohort(cohort, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, same.test)
    assert first.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("n", [3, 4, 5, 12, 17])
@pytest.mark.parametrize("outcome", [1, -1])
def test_tiny_cohorts_of_one_outcome(study: StudySpec, n: int, outcome: int) -> None:
    split = split_cohort(stays(study, [outcome] * n))
    assert min(len(split.train), len(split.valid), len(split.test)) >= 1
    assert len(split.train) >= len(split.test)


def test_other_fractions(study: StudySpec) -> None:
    split = split_cohort(stays(study, [1, -1] * 50), fractions=(0.5, 0.25, 0.25))
    assert (len(split.train), len(split.valid), len(split.test)) == (50, 25, 25)
    for fractions in ((0.5, 0.5), (0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (np.nan, 0.5, 0.5)):
        with pytest.raises(ConfigError, match="three positive numbers that sum to 1"):
            split_cohort(stays(study, [1] * 9), fractions=fractions)


def test_two_patients_cannot_be_split(study: StudySpec) -> None:
    with pytest.raises(CohortError, match="2 patients cannot be split"):
        split_cohort(stays(study, [1, -1]))


@given(shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=6), total=st.integers(0, 1000))
def test_apportion_sums_and_stays_within_one(shares: list[float], total: int) -> None:
    sizes = apportion(np.array(shares), total)
    assert sizes.sum() == total
    assert (np.abs(sizes - np.array(shares) / sum(shares) * total) < 1 + 1e-6).all()


@settings(max_examples=40)
@given(owners=st.lists(st.integers(0, 12), min_size=30, max_size=60), seed=st.integers(0, 3))
def test_stays_of_one_person_fall_into_one_part(owners: list[int], seed: int, study: StudySpec) -> None:
    assume(len(set(owners) - {12}) + owners.count(12) >= 3)
    outcomes = [1 if i % 3 else -1 for i in range(len(owners))]
    people = np.repeat(np.where(np.array(owners) == 12, np.nan, owners), 2)  # 12: the person is not known
    cohort = dataclasses.replace(stays(study, outcomes), extra=pd.DataFrame({"subject": people}))
    split = split_cohort(cohort, seed)
    parts = (split.train, split.valid, split.test)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(owners)))
    known = [{owners[i] for i in part if owners[i] != 12} for part in parts]
    assert sum(map(len, known)) == len(set.union(*known))


def test_cohorts_that_are_split_otherwise_have_other_hashes(table: pd.DataFrame, study: StudySpec) -> None:
    def named(*keys: object) -> str:
        subject = table["traj"].map(dict(zip((1, 2, 3, 10), keys, strict=True)))
        return make_cohort(table.assign(subject=subject), study).data_hash

    plain = make_cohort(table, study).data_hash
    assert named(5, 6, 7, 8) == plain  # a name for everyone changes no split
    assert named(5, 6, 5, 8) != plain
    assert named(5, 6, 7, 5) not in (plain, named(5, 6, 5, 8))
    assert named("anna", "bert", "anna", "") == named(5, 6, 5, 8)  # the same persons under other names


def test_persons_may_be_named_in_words() -> None:
    cohort, _ = simulate_cohort(n_patients=12)
    frame = cohort.frame.assign(subject=[("anna", "bert", "")[int(traj) % 3] for traj in cohort.frame["traj"]])
    numbers = persons(make_cohort(frame))
    assert len(set(numbers[0::3])) == len(set(numbers[1::3])) == 1
    assert len(set(numbers)) == 2 + 4  # a stay without a name is its own person
