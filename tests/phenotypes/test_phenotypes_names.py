"""Names of phenotypes: the effect they rest on, their words, and what keeps them from K to K + 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.icu.ask.names import feature_words, phenotype_names, phenotypes_of
from core.icu.view import RunView
from core.phenotypes import effect_sizes
from core.phenotypes.names import FeatureWords, group_effects, name_phenotypes
from core.study import load_study

WORDS = [FeatureWords(f"low {name}", f"high {name}") for name in ("a", "b", "c")]


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_effects_by_sums_are_those_of_one_group_at_a_time(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k).repeat(2), rng.integers(0, k, 40)])
    values = rng.normal(1e4, 3.0, (len(labels), 4))
    values[:, 3] = 7.0  # does not vary
    found = group_effects(values, labels, k)
    for group in range(k):
        plain = effect_sizes(values, labels == group, list("abcd")).set_index("feature").loc[list("abcd"), "effect"]
        assert found[group] == pytest.approx(plain.to_numpy(), abs=1e-6)


def test_a_phenotype_is_called_by_its_strongest_features_that_are_not_alike() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    a = rng.normal(0, 1, 400) - 4.0 * labels
    values = np.stack([a, a + rng.normal(0, 0.1, 400), rng.normal(0, 1, 400) + 1.5 * labels], axis=1)
    assert name_phenotypes(values, WORDS, {2: labels})[2] in (
        ("high a, low c", "low a, high c"),
        ("high b, low c", "low b, high c"),
    )


def test_groups_that_differ_in_nothing_are_near_the_average() -> None:
    values = np.tile([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], (50, 1))
    assert name_phenotypes(values, WORDS, {2: np.repeat([0, 1], 50)})[2] == ("near the average", "near the average")


def test_a_name_is_kept_while_it_holds_and_found_anew_when_it_does_not() -> None:
    rng = np.random.default_rng(1)
    three = np.repeat([0, 1, 2], 200)
    values = np.array([[2.0, 1.5, 0.8], [-2.0, -1.5, 0.0], [2.0, 1.5, -0.8]])[three] + rng.normal(0, 0.5, (600, 3))
    two = (three == 1).astype(int)
    named = name_phenotypes(values, WORDS, {2: two, 3: three})
    assert named[2] == ("high a", "low a"), "b says the same as a, and c nothing"
    strongest = np.abs(group_effects(values, three, 3)[0]).argmax()
    assert strongest == 2, "c sets phenotype 0 apart most at K = 3"
    assert named[3] == ("high a", "low a", "low c, high a")
    swapped = name_phenotypes(values, WORDS, {2: two, 3: np.array([1, 0, 2])[three]})
    assert swapped[3][:2] == ("low a", "high c, high a")


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("Platelets", "low platelets", "high platelets"),
        ("PTT", "low PTT", "high PTT"),
        ("Gender", "less often female", "more often female"),
        ("Ventilation", "less ventilation", "more ventilation"),
        ("SpO2", "low SpO2", "high SpO2"),
    ],
)
def test_columns_read_as_a_clinician_says_them(name: str, low: str, high: str) -> None:
    assert feature_words(load_study().column(name)) == FeatureWords(low, high)


def test_a_run_names_its_phenotypes_with_their_patients_and_mortality(tiny_run) -> None:
    view = RunView(tiny_run)
    for k in view.k_values:
        names = phenotype_names(view, k)
        assert [name.number for name in names] == list(range(k))
        assert sum(name.n for name in names) == view.cohort.n_patients
        for name in names:
            own = view.labels(k) == name.number
            assert name.mortality == pytest.approx((view.cohort.outcomes[own] < 0).mean())
            assert name.text == f"Phenotype {name.number}: {name.words}"
    some = np.array([5, 0, 9])
    assert [text.partition(":")[0] for text in phenotypes_of(view, 3, some)] == [str(i) for i in view.labels(3)[some]]
    with pytest.raises(ValueError, match="K = 99 was not fitted; fitted are 2, 3, 4"):
        phenotype_names(view, 99)
