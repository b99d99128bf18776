"""Sums between the stored results and the figures, against slow twins and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.base.rng import stream
from core.icu.ask.groups import (
    band_shares,
    histogram_shares,
    mean_courses,
    outcome_table,
    stratified_sample,
)
from core.icu.ask.returns import mean_interval, quantiles, spread_over_actions, tie_share

RNG = stream(0, "tests", "summaries")


def test_courses_are_means_over_the_patients_who_are_there_in_a_slot() -> None:
    values, labels = RNG.normal(size=(30, 4)), np.arange(30) % 2
    lengths, entry = RNG.integers(1, 5, 30), RNG.integers(0, 3, 30)
    slots = np.where(np.arange(4) < lengths[:, None], entry[:, None] + np.arange(4), -1)
    course = mean_courses(values, slots, labels, 8, 2, minimum=3)
    assert course.n.sum() == lengths.sum()
    for group in range(2):
        for slot in range(8):
            there = [(i, slot - entry[i]) for i in range(30) if labels[i] == group and slot in slots[i]]
            x = np.array([values[i, step] for i, step in there])
            assert course.n[group, slot] == len(x)
            if len(x) < 3:
                assert np.isnan(course.mean[group, slot])
                continue
            half = 1.959964 * x.std(ddof=1) / np.sqrt(len(x))
            np.testing.assert_allclose(course.mean[group, slot], x.mean())
            np.testing.assert_allclose(course.high[group, slot] - course.mean[group, slot], half, rtol=1e-6)


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
