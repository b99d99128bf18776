"""Transforms: closed forms, monotone, and fitted to given moments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.rng import stream
from core.cohort.simulate.fitting import fit, fit_spiked, guess
from core.cohort.simulate.transforms import Transform

X = np.linspace(-6, 6, 201)


@given(
    st.sampled_from(["linear", "exp", "deficit", "zero_exp", "binary"]),
    st.floats(-3, 3),
    st.floats(0.05, 3),
    st.floats(-2, 2),
)
def test_transforms_are_monotone_and_stay_within_limits(kind, a, b, threshold):
    y = Transform(kind=kind, low=0, high=50, a=a, b=b, threshold=threshold)(X)
    steps = np.diff(y)
    assert (steps <= 1e-12).all() if kind == "deficit" else (steps >= -1e-12).all()
    assert y.min() >= 0
    assert y.max() <= 50


def test_closed_forms():
    x = np.array([-1.0, 0.5, 2.0])
    assert np.allclose(Transform(kind="linear", low=-9, high=9, a=1, b=2)(x), [-1, 2, 5])
    assert np.allclose(Transform(kind="exp", low=0, high=99, floor=3, a=0.1, b=0.5)(x), 3 + np.exp(0.1 + 0.5 * x))
    assert np.allclose(Transform(kind="deficit", low=0, high=100, a=0, b=1)(x), 100 - np.exp(x))
    zero = Transform(kind="zero_exp", low=0, high=20, a=0.2, b=1, threshold=0)
    assert np.allclose(zero(x), [0, np.exp(0.7), np.exp(2.2)])
    assert zero.model_copy(update={"spike": 1.0})(x)[2] == 20
    assert Transform(kind="binary", low=0, high=1, threshold=0.5)(x).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("transform", "mean", "sd"),
    [
        (Transform(kind="linear", low=18, high=100), 65.2, 16.0),
        (Transform(kind="exp", low=0.3, high=28, floor=0.3), 2.27, 1.87),
        (Transform(kind="deficit", low=50, high=100), 96.9, 2.93),
        (Transform(kind="zero_exp", low=0, high=6000, threshold=0.67), 43.2, 223.5),
    ],
)
def test_fitting_meets_the_moments(transform, mean, sd):
    x = stream(0, "test").standard_normal(20_000) * 1.3 + 0.4
    y = fit(guess(transform, x, mean, sd), x, mean, sd)(x)
    assert y.mean() == pytest.approx(mean, abs=0.01 * sd)
    assert y.std() == pytest.approx(sd, rel=0.01)


def test_spikes_carry_an_extreme_spread():
    x = stream(0, "test").standard_normal(100_000)
    fitted = fit_spiked(Transform(kind="zero_exp", low=0, high=30, threshold=1.2), x, 0.06, 1.2)
    y = fitted(x)
    assert y.mean() == pytest.approx(0.06, rel=0.02)
    assert y.std() == pytest.approx(1.2, rel=0.03)
    assert np.median(y[y > 0]) < 0.3
