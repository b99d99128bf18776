"""A catalog of drug combinations is a bijection between sets and actions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.base.errors import ArtifactError
from core.registry import NO_DRUG, Combinations, prescription
from core.registry.cohort.drugs import distinct_rows

NAMES = ("tacrolimus", "MMF", "ATG", "MTX")
GIVEN = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]])
MATRICES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 30), st.just(4)), elements=st.integers(0, 1))


def test_most_frequent_first_and_read_like_a_prescription() -> None:
    catalog = Combinations.fit(GIVEN, NAMES)
    assert catalog.names == (NO_DRUG, "tacrolimus + MMF + ATG", "tacrolimus + MTX")
    assert catalog.counts.tolist() == [3, 2, 1]
    assert catalog.drugs_of(1) == {"tacrolimus", "MMF", "ATG"}
    assert catalog.drugs_of(0) == frozenset()
    assert catalog.action(["ATG", "MMF", "tacrolimus"]) == 1
    assert catalog.action(["ATG"]) == -1
    with pytest.raises(KeyError, match="aspirin"):
        catalog.action(["aspirin"])


def test_unseen_combinations_are_minus_one() -> None:
    catalog = Combinations.fit(GIVEN, NAMES)
    assert catalog.encode(np.array([[0, 0, 0, 1], [1, 0, 0, 1]])).tolist() == [-1, 2]
    assert catalog.encode(np.zeros((0, 4))).shape == (0,)


@settings(max_examples=60)
@given(MATRICES)
def test_sets_and_actions_are_one_to_one(given_drugs: np.ndarray) -> None:
    catalog = Combinations.fit(given_drugs, NAMES)
    actions = catalog.encode(given_drugs)
    assert (catalog.decode(actions) == given_drugs).all()
    assert catalog.counts.sum() == len(given_drugs)
    assert (np.bincount(actions, minlength=len(catalog)) == catalog.counts).all()
    assert len(set(catalog.names)) == len(catalog)
    assert all(catalog.action(catalog.drugs_of(action)) == action for action in range(len(catalog)))


@settings(max_examples=30)
@given(MATRICES)
def test_the_order_of_patients_does_not_matter(given_drugs: np.ndarray) -> None:
    one, other = Combinations.fit(given_drugs, NAMES), Combinations.fit(given_drugs[::-1], NAMES)
    assert (one.matrix == other.matrix).all()
    assert (one.counts == other.counts).all()


@settings(max_examples=30)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(0, 30), st.integers(1, 19)), elements=st.integers(0, 1)))
def test_distinct_rows_are_those_of_numpy(given_drugs: np.ndarray) -> None:
    first, which, counts = distinct_rows(given_drugs)
    rows, inverse, times = np.unique(given_drugs, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(given_drugs[first], rows)
    np.testing.assert_array_equal(which, inverse.reshape(-1))
    np.testing.assert_array_equal(counts, times)


@settings(max_examples=30)
@given(MATRICES)
def test_json_round_trip(given_drugs: np.ndarray) -> None:
    catalog = Combinations.fit(given_drugs, NAMES)
    again = Combinations.from_json(json.loads(json.dumps(catalog.to_json())))
    assert again.drugs == catalog.drugs
    assert (again.matrix == catalog.matrix).all()
    assert (again.counts == catalog.counts).all()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"drugs": ["a"], "actions": [[3]], "counts": [1]},
        {"drugs": ["a"], "actions": [[0], [0]], "counts": [1, 1]},
        {"drugs": ["a"], "actions": [[0]], "counts": [1, 2]},
        {"drugs": ["a"], "actions": [["x"]], "counts": [1]},
    ],
)
def test_broken_json_is_an_artifact_error(values: dict[str, object]) -> None:
    with pytest.raises(ArtifactError):
        Combinations.from_json(values)


def test_only_zeros_and_ones_are_drugs() -> None:
    with pytest.raises(ValueError, match="given"):
        Combinations.fit(np.full((2, 4), 2), NAMES)
    with pytest.raises(ValueError, match="4 columns"):
        Combinations.fit(np.zeros((2, 3)), NAMES)
    with pytest.raises(ValueError, match="between 0 and"):
        Combinations.fit(GIVEN, NAMES).decode(np.array([3]))
    assert prescription(np.zeros(4), NAMES) == NO_DRUG
