"""Paired tests and Holm's correction against closed forms and slow twins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.experiments.testing import holm, paired_test, sign_flip, smallest_sign_flip


def test_the_t_test_of_known_differences() -> None:
    """d = 1, 2, 3: t = 2 / (1 / sqrt 3) = sqrt 12 on 2 degrees, whose two-sided p is 1 - sqrt(t^2 / (t^2 + 2))."""
    test = paired_test([1.0, 2.0, 3.0])
    assert (test.difference, test.sd, test.n) == (2.0, 1.0, 3)
    assert test.p_t == pytest.approx(1 - math.sqrt(12 / 14))
    assert math.isnan(test.p_corrected)


def test_the_corrected_t_widens_the_variance() -> None:
    """With n_test / n_train = 1 - 1/3 the variance of the mean is sd^2, so t = 2."""
    test = paired_test([1.0, 2.0, 3.0], test_to_train=1 - 1 / 3)
    assert test.p_corrected == pytest.approx(1 - math.sqrt(4 / 6))
    assert test.p_corrected > test.p_t


def test_differences_that_cannot_be_tested_say_so() -> None:
    one = paired_test([3.0, math.nan])
    assert (one.difference, one.n) == (3.0, 1)
    assert math.isnan(one.p_t)
    same = paired_test([0.5, 0.5, 0.5])
    assert math.isnan(same.p_t)
    assert same.p_flip == pytest.approx(2 / 8)


def test_five_repeats_of_one_sign_reach_the_smallest_p_and_no_less() -> None:
    assert sign_flip(np.array([0.1, 5.0, 2.0, 0.3, 1.0])) == smallest_sign_flip(5) == 2 / 32
    assert sign_flip(np.zeros(5)) == 1.0
    assert math.isnan(sign_flip(np.array([])))


@settings(max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=7))
def test_sign_flip_equals_counting_patterns_one_by_one(values: list[float]) -> None:
    observed, reached = abs(sum(values)), 0
    for pattern in itertools.product((1, -1), repeat=len(values)):
        reached += abs(sum(s * v for s, v in zip(pattern, values, strict=True))) >= observed - 1e-9 * max(1, observed)
    got = sign_flip(np.array(values)) * 2 ** len(values)
    near = sum(
        abs(abs(sum(s * v for s, v in zip(pattern, values, strict=True))) - observed) <= 1e-8 * max(1, observed)
        for pattern in itertools.product((1, -1), repeat=len(values))
    )
    assert reached - near <= got <= reached  # ties within rounding may fall on either side
    assert got >= 1  # the pattern of what was observed


def test_holm_of_a_known_family() -> None:
    """0.01 x 4, 0.02 x 3, then never below the one before; NaN is no comparison."""
    adjusted = holm([0.04, 0.01, math.nan, 0.03, 0.02])
    assert adjusted[[1, 4, 3, 0]] == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert math.isnan(adjusted[2])


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_exactly_what_the_step_down_rejects(p_values: list[float], level: float) -> None:
    adjusted, rejected = holm(p_values), set()
    for step, i in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[i] * (len(p_values) - step) > level:
            break
        rejected.add(int(i))
    assert {i for i in range(len(p_values)) if adjusted[i] <= level} == rejected
    assert (adjusted >= np.array(p_values) - 1e-12).all()
