"""What policies recommend beside what was given, against slow twins and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.base.rng import stream
from core.policies.doses import dose_map, equal_options, expert_disagreement, total_variation, unsupported_shares

RNG = stream(0, "tests", "doses")


def test_dose_map_against_a_loop() -> None:
    probs = RNG.dirichlet(np.ones(3), size=50)
    actions, cells = RNG.integers(0, 3, 50), RNG.integers(0, 2, 50)
    result = dose_map(probs, actions, cells, 3)
    for cell in range(2):
        here = cells == cell
        given = np.array([(actions[here] == a).mean() for a in range(3)])
        np.testing.assert_allclose(result.difference[cell], probs[here].mean(axis=0) - given)
        assert result.count[cell].sum() == here.sum()
    assert np.isnan(result.difference[2]).all()


def test_experts_do_not_disagree_where_one_decides_alone() -> None:
    probs = RNG.dirichlet(np.ones(4), size=(6, 3))
    alone = np.tile([1.0, 0.0, 0.0], (6, 1))
    np.testing.assert_allclose(expert_disagreement(alone, probs, probs[:, 0]), 0, atol=1e-12)
    even = np.full((6, 3), 1 / 3)
    assert (expert_disagreement(even, probs, probs.mean(axis=1)) > 0).all()


def test_total_variation_runs_from_equal_to_opposite() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert total_variation(p, p) == 0
    assert total_variation(p, q) == 1


def test_unsupported_shares_rise_with_the_floor() -> None:
    probs, behavior = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.99, 0.01], [0.6, 0.4]])
    top, mass = unsupported_shares(probs, behavior, np.array([0.0, 0.05, 0.5, 1.1]))
    np.testing.assert_allclose(top, [0, 0, 0.5, 1])
    np.testing.assert_allclose(mass, [0, 0.05, 0.45, 1])


@given(arrays(float, st.integers(1, 6), elements=st.floats(-10, 10)), st.floats(0, 3))
def test_options_are_all_ranked_once_and_groups_hold_near_equals(values: np.ndarray, tolerance: float) -> None:
    groups = equal_options(values, tolerance)
    assert sorted(a for group in groups for a in group) == list(range(len(values)))
    for group in groups:
        assert values[group[0]] - values[group].min() <= tolerance
    best = [values[group[0]] for group in groups]
    assert best == sorted(best, reverse=True)


def test_options_farther_apart_than_the_tolerance_are_not_equal() -> None:
    assert equal_options(np.array([1.0, 3.0, 2.9]), 0.2) == [[1, 2], [0]]


@pytest.mark.parametrize(("values", "tolerance"), [([1.0, np.nan], 0.2), ([1.0, 2.0], [0.1, np.nan])])
def test_options_of_unknown_value_are_refused(values: list[float], tolerance: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        equal_options(np.array(values), np.array(tolerance))
