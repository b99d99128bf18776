"""Fusion weights: closed forms, limits, and properties over any finite input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.base.errors import ConfigError
from core.fusion import fuse, fusion_weights, relative_lambda, single_expert

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DISTANCES = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=FINITE | st.floats(0, 100)
)
LAMBDAS = st.one_of(st.just(0.0), st.just(math.inf), st.floats(0, 1e308), st.floats(0, 50))


def test_two_phenotypes_closed_form():
    weights = fusion_weights(np.array([1.0, 1.0 + math.log(3) / 15]), 15)
    np.testing.assert_allclose(weights, [0.75, 0.25], rtol=1e-12)


@settings(max_examples=200)
@given(DISTANCES, LAMBDAS)
def test_rows_are_probabilities_for_any_finite_input(distances, lambda_):
    weights = fusion_weights(distances, lambda_)
    assert weights.shape == distances.shape
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)


@settings(max_examples=100)
@given(hnp.arrays(np.float64, (4, 5), elements=st.floats(0, 50)), st.floats(0, 30), st.floats(-20, 20))
def test_nearer_never_weighs_less_and_a_common_shift_changes_nothing(distances, lambda_, shift):
    weights = fusion_weights(distances, lambda_)
    order = np.argsort(distances, axis=-1)
    assert (np.diff(np.take_along_axis(weights, order, axis=-1), axis=-1) <= 0).all()
    np.testing.assert_allclose(fusion_weights(distances + shift, lambda_), weights, atol=1e-9)


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (3, 6), elements=st.floats(0, 50)), st.permutations(range(6)), st.floats(0, 30))
def test_relabelling_the_phenotypes_relabels_the_weights(distances, order, lambda_):
    np.testing.assert_allclose(
        fusion_weights(distances[:, order], lambda_), fusion_weights(distances, lambda_)[:, order], rtol=1e-12
    )


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (5, 4), elements=st.floats(0, 50)), st.floats(0, 20), st.floats(0, 20))
def test_a_larger_lambda_never_lowers_the_nearest_weight(distances, first, second):
    low, high = sorted((first, second))
    nearest = distances.argmin(axis=-1)[:, None]
    before = np.take_along_axis(fusion_weights(distances, low), nearest, axis=-1)
    after = np.take_along_axis(fusion_weights(distances, high), nearest, axis=-1)
    assert (after >= before - 1e-12).all()


def test_lambda_zero_is_the_plain_average_and_infinity_the_single_expert():
    rng = np.random.default_rng(0)
    distances, values = rng.random((7, 3, 4)), rng.random((7, 3, 4, 5))
    np.testing.assert_allclose(fuse(fusion_weights(distances, 0), values), values.mean(axis=-2))
    expected = np.take_along_axis(values, distances.argmin(axis=-1)[..., None, None], axis=-2)[..., 0, :]
    np.testing.assert_array_equal(fuse(fusion_weights(distances, math.inf), values), expected)
    np.testing.assert_array_equal(single_expert(fusion_weights(distances, 15)), fusion_weights(distances, math.inf))


def test_ties_share_at_infinity_and_go_to_the_first_as_single_expert():
    tied = np.array([2.0, 1.0, 1.0])
    np.testing.assert_array_equal(fusion_weights(tied, math.inf), [0, 0.5, 0.5])
    np.testing.assert_allclose(fusion_weights(tied, 1e6), [0, 0.5, 0.5])
    np.testing.assert_array_equal(single_expert(fusion_weights(tied, 3.0)), [0, 1, 0])


def test_fused_probabilities_stay_probabilities_between_the_agents():
    rng = np.random.default_rng(1)
    probs = rng.dirichlet(np.ones(5), size=(20, 3))
    fused = fuse(fusion_weights(rng.random((20, 3)), 4.0), probs)
    np.testing.assert_allclose(fused.sum(axis=-1), 1)
    assert (fused <= probs.max(axis=1) + 1e-12).all()
    assert (fused >= probs.min(axis=1) - 1e-12).all()


def test_fuse_matches_a_loop():
    rng = np.random.default_rng(2)
    weights, values = rng.random((4, 2, 3)), rng.random((4, 2, 3, 6))
    slow = np.zeros((4, 2, 6))
    for i in range(4):
        for t in range(2):
            for k in range(3):
                slow[i, t] += weights[i, t, k] * values[i, t, k]
    np.testing.assert_allclose(fuse(weights, values), slow)


def test_relative_lambda_does_not_depend_on_the_unit_of_distance():
    distances = np.random.default_rng(3).random((50, 3)) + 0.1
    one = fusion_weights(distances, relative_lambda(5.0, distances))
    scaled = fusion_weights(distances * 40, relative_lambda(5.0, distances * 40))
    np.testing.assert_allclose(one, scaled)
    assert relative_lambda(5.0, np.full((2, 2), 2.0)) == 2.5
    assert math.isinf(relative_lambda(math.inf, distances))
    assert relative_lambda(5.0, np.zeros(3)) == 5.0


@pytest.mark.parametrize("lambda_", [-1e-9, -3.0, math.nan])
def test_negative_or_missing_lambda_is_refused_in_words(lambda_):
    with pytest.raises(ConfigError, match=r"lambda = .* is not usable: give 0"):
        fusion_weights(np.ones(3), lambda_)


@pytest.mark.parametrize("bad", [np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.empty((2, 0)), np.array(1.0)])
def test_broken_distances_are_refused(bad):
    with pytest.raises(ValueError, match="distances"):
        fusion_weights(bad, 1.0)


def test_fuse_refuses_mismatched_shapes():
    with pytest.raises(ValueError, match=r"weights \(\.\.\., K\)"):
        fuse(np.ones(3), np.ones((4, 5)))
