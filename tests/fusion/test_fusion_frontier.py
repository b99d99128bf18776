"""The dials between the clinicians' policy and a learned one: closed forms, ends, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.base.errors import ConfigError
from core.fusion import between, within_support

POSITIVE = hnp.arrays(np.float64, (4, 3), elements=st.floats(1e-3, 1.0))


def normalized(array: np.ndarray) -> np.ndarray:
    return array / array.sum(axis=-1, keepdims=True)


def test_half_way_is_the_normalized_geometric_mean() -> None:
    behavior, policy = np.array([0.9, 0.1]), np.array([0.1, 0.9])
    np.testing.assert_allclose(between(behavior, policy, 0.5), [0.5, 0.5])
    quarter = 0.9**0.75 * 0.1**0.25
    rest = 0.1**0.75 * 0.9**0.25
    np.testing.assert_allclose(between(behavior, policy, 0.25), [quarter / (quarter + rest), rest / (quarter + rest)])


def test_an_action_that_either_excludes_stays_excluded_in_between() -> None:
    behavior, policy = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    np.testing.assert_allclose(between(behavior, policy, 0.3), [0, 1, 0])
    np.testing.assert_allclose(between(behavior, policy, 0.0), behavior)
    np.testing.assert_allclose(between(behavior, policy, 1.0), policy)


def test_policies_without_a_common_action_leave_the_clinicians() -> None:
    np.testing.assert_allclose(between(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.7), [1, 0])


@settings(max_examples=100)
@given(POSITIVE, POSITIVE, st.floats(0, 1), st.floats(0, 1))
def test_deviation_scales_every_log_ratio(b: np.ndarray, p: np.ndarray, first: float, second: float) -> None:
    """The log ratio of two actions moves on a straight line from the clinicians' to the policy's."""
    behavior, policy = normalized(b), normalized(p)
    for a in (first, second):
        mixed = between(behavior, policy, a)
        np.testing.assert_allclose(mixed.sum(axis=-1), 1)
        found = np.log(mixed[:, 1:] / mixed[:, :1])
        line = (1 - a) * np.log(behavior[:, 1:] / behavior[:, :1]) + a * np.log(policy[:, 1:] / policy[:, :1])
        np.testing.assert_allclose(found, line, atol=1e-9)


@settings(max_examples=100)
@given(POSITIVE, POSITIVE, st.floats(0.01, 0.99))
def test_the_mixture_minimizes_the_weighted_divergences(b: np.ndarray, p: np.ndarray, a: float) -> None:
    behavior, policy = normalized(b), normalized(p)

    def cost(x: np.ndarray) -> np.ndarray:
        return (x * (np.log(x) - (1 - a) * np.log(behavior) - a * np.log(policy))).sum(axis=-1)

    best = cost(between(behavior, policy, a))
    for other in (behavior, policy, normalized(behavior + policy), np.full_like(behavior, 1 / 3)):
        assert (best <= cost(other) + 1e-12).all()


def test_the_floor_keeps_supported_actions_and_their_ranking() -> None:
    behavior, policy = np.array([0.90, 0.06, 0.04]), np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(within_support(behavior, policy, 0.05), [0.4, 0.6, 0])
    np.testing.assert_allclose(within_support(behavior, policy, 0.0), policy)
    np.testing.assert_allclose(within_support(behavior, policy, 0.95), behavior)
    np.testing.assert_allclose(within_support(behavior, np.array([0.0, 0.0, 1.0]), 0.5), behavior)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_settings_outside_the_dial_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="not usable"):
        between(np.array([1.0]), np.array([1.0]), value)
    with pytest.raises(ConfigError, match="not usable"):
        within_support(np.array([1.0]), np.array([1.0]), value)
