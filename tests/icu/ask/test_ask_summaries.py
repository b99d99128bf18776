"""Sums between the stored results and the figures, against slow twins and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.base.rng import stream
from core.icu.ask.doses import (
    dose_map,
    equal_options,
    expert_disagreement,
    total_variation,
    unsupported_shares,
)
from core.icu.ask.groups import (
    band_shares,
    histogram_shares,
    mean_courses,
    outcome_table,
    stratified_sample,
)
from core.icu.ask.returns import mean_interval, quantiles, spread_over_actions, tie_share

RNG = stream(0, "tests", "summaries")


def test_courses_are_means_over_the_patients_still_there() -> None:
    values, labels = RNG.normal(size=(30, 4)), np.arange(30) % 2
    mask = np.arange(4) < RNG.integers(1, 5, 30)[:, None]
    course = mean_courses(values, mask, labels, 2, minimum=3)
    for group in range(2):
        for step in range(4):
            x = values[(labels == group) & mask[:, step], step]
            assert course.n[group, step] == len(x)
            if len(x) < 3:
                assert np.isnan(course.mean[group, step])
                continue
            half = 1.959964 * x.std(ddof=1) / np.sqrt(len(x))
            np.testing.assert_allclose(course.mean[group, step], x.mean())
            np.testing.assert_allclose(course.high[group, step] - course.mean[group, step], half, rtol=1e-6)


def test_outcomes_of_an_empty_group_are_unknown_not_zero() -> None:
    table = outcome_table(np.array([0, 0, 2]), np.array([1, -1, 1]), 3)
    assert table["n"].tolist() == [2, 0, 1]
    assert table["mortality"].tolist()[0] == 0.5
    assert np.isnan(table["survival"][1])
    np.testing.assert_allclose(table["survival_low"] + table["mortality_high"], 1)


@given(arrays(float, st.integers(1, 40), elements=st.floats(-50, 50)))
def test_histogram_shares_sum_to_one_also_outside_of_the_edges(values: np.ndarray) -> None:
    shares, counts = histogram_shares(values, np.zeros(len(values), dtype=int), 2, np.array([-1.0, 0.0, 1.0]))
    assert counts[0].sum() == len(values)
    np.testing.assert_allclose(shares[0].sum(), 1)
    assert shares[1].sum() == 0


def test_bands_include_both_bounds_in_the_middle() -> None:
    values = np.array([4.9, 5.0, 15.0, 15.1])
    np.testing.assert_allclose(band_shares(values, np.zeros(4, dtype=int), 1), [[0.25, 0.5, 0.25]])


def test_a_sample_keeps_every_group_and_stays_within_its_limit() -> None:
    labels = np.array([0] * 980 + [1] * 20)
    chosen = stratified_sample(labels, 100, stream(1))
    assert len(chosen) <= 100
    assert set(labels[chosen]) == {0, 1}
    assert (np.diff(chosen) > 0).all()
    assert stratified_sample(labels, 5000, stream(1)).tolist() == list(range(1000))


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


def test_intervals_are_unknown_under_the_minimum() -> None:
    table = mean_interval(np.array([1.0, 3.0, 8.0]), np.array([0, 0, 1]), 2)
    assert table["mean"][0] == 2.0
    assert table["high"][0] == pytest.approx(2 + 1.959964 * np.sqrt(2) / np.sqrt(2), rel=1e-6)
    assert np.isnan(table["mean"][1])


def test_spread_ties_and_quantiles() -> None:
    q = np.array([[1.0, 1.0], [1.0, 2.0]])
    assert spread_over_actions(q).tolist() == [0.0, 1.0]
    assert tie_share(q) == 0.5
    assert np.isnan(tie_share(np.empty((0, 2))))
    assert quantiles(np.arange(101.0)).tolist() == [5, 25, 50, 75, 95]
    assert np.isnan(quantiles(np.empty(0))).all()
