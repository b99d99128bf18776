"""Concordance, survival, entropy, shares, doses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.statistics import eta_squared, wilson
from core.evaluation import (
    action_shares,
    concordance_rate,
    dose_excess,
    epsilon_soft,
    expected_survival,
    given_shares,
    mortality_by_excess,
    policy_entropy,
    random_policy,
    state_values,
    step_excess,
    survival_curve,
    unsupported_share,
    zero_drug_policy,
)

PROBS = np.array([[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]])
ACTIONS = np.array([[0, 2], [2, 0]])
MASK = np.array([[True, True], [True, False]])


def test_concordance_is_at_the_action_given() -> None:
    assert concordance_rate(PROBS, ACTIONS, MASK) == pytest.approx(2 / 3)
    assert concordance_rate(PROBS, ACTIONS) == pytest.approx(3 / 4)
    assert np.isnan(concordance_rate(PROBS, ACTIONS, np.zeros_like(MASK)))


def test_a_uniform_policy_is_concordant_by_chance_not_wherever_no_drug_was_given() -> None:
    actions = np.zeros((10, 4), dtype=int)
    assert concordance_rate(random_policy((10, 4), 5), actions) == pytest.approx(0.2)
    assert concordance_rate(zero_drug_policy((10, 4), 5), actions) == 1


def test_entropy_of_known_policies() -> None:
    assert policy_entropy(random_policy((3,), 4)) == pytest.approx(1)
    assert policy_entropy(zero_drug_policy((3,), 4)) == 0
    half = np.array([[0.5, 0.5, 0, 0]])
    assert policy_entropy(half) == pytest.approx(0.5)
    assert policy_entropy(np.ones((3, 1))) == 0


def test_epsilon_soft_keeps_the_top_action() -> None:
    soft = epsilon_soft(PROBS, 0.3)
    assert soft.sum(axis=-1) == pytest.approx(1)
    assert soft[0, 0] == pytest.approx([0.8, 0.1, 0.1])
    assert (epsilon_soft(PROBS, 0).max(axis=-1) == 1).all()
    with pytest.raises(ValueError, match="epsilon"):
        epsilon_soft(PROBS, 1.5)


def test_shares_and_support() -> None:
    assert action_shares(PROBS, MASK) == pytest.approx([1 / 3] * 3)
    assert action_shares(PROBS, MASK, top=False) == pytest.approx([1 / 3, 1.3 / 3, 0.7 / 3])
    assert given_shares(ACTIONS, 3, MASK) == pytest.approx([1 / 3, 0, 2 / 3])
    behavior = np.array([[[0.9, 0.1, 0], [0.9, 0.1, 0]], [[0.9, 0.1, 0], [0, 0, 1]]])
    assert unsupported_share(PROBS, behavior, MASK, floor=0.05) == pytest.approx(1 / 3)
    assert state_values([0.25, 0.75], [4, 8]) == pytest.approx(7)


def test_dose_excess_is_the_mean_over_a_patients_steps() -> None:
    dose = np.array([0.0, 10, 40])
    assert dose_excess(PROBS, ACTIONS, MASK, dose) == pytest.approx([(0 + (10 - 40)) / 2, 0])
    assert dose_excess(PROBS, ACTIONS, MASK, dose, expected=True)[1] == pytest.approx(0.3 * 10 + 0.5 * 40 - 40)
    assert np.isnan(dose_excess(PROBS, ACTIONS, np.zeros_like(MASK), dose)).all()


def test_dose_excess_is_known_at_each_step_and_nowhere_on_padding() -> None:
    dose = np.array([0.0, 10, 40])
    found = step_excess(PROBS, ACTIONS, MASK, dose)
    top = PROBS.argmax(axis=-1)
    for i, t in np.ndindex(MASK.shape):
        if MASK[i, t]:
            assert found[i, t] == dose[top[i, t]] - dose[ACTIONS[i, t]]
        else:
            assert np.isnan(found[i, t])
    assert np.nanmean(found, axis=1) == pytest.approx(dose_excess(PROBS, ACTIONS, MASK, dose))


def test_mortality_by_excess_keeps_zero_apart_and_every_patient() -> None:
    rng = np.random.default_rng(0)
    excess = np.concatenate([np.zeros(50), rng.normal(size=400), [np.nan]])
    died = rng.random(451) < 0.3
    table = mortality_by_excess(excess, died, n_bins=8)
    assert table["n"].sum() == 450
    assert table.loc[table["excess"] == 0, "n"].tolist() == [50]
    assert (np.diff(table["excess"]) > 0).all()
    assert (table["n"] * table["mortality"]).sum() == pytest.approx(died[:450].sum())


def test_few_patients_share_a_bin_of_dose_excess() -> None:
    excess = np.concatenate([-np.arange(1.0, 6.0), np.arange(1.0, 36.0)])
    table = mortality_by_excess(excess, np.arange(40) % 3 == 0)
    assert table["n"].tolist()[0] == 5  # all below 0 together, not one by one
    assert table["n"].sum() == 40
    assert len(table) == 4
    assert (table["n"].iloc[1:] >= 10).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), scale=st.sampled_from([1e-3, 1.0, 8.0, 1e4]))
def test_survival_is_monotone_in_value_and_a_share(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values, survived = rng.normal(size=80) * scale, rng.random(80) < 0.6
    at = np.linspace(values.min() - scale, values.max() + scale, 50)
    fitted = expected_survival(values, survived, at)
    assert (np.diff(fitted) >= -1e-12).all()
    assert fitted.min() >= 0
    assert fitted.max() <= 1
    curve = survival_curve(values, survived, n_bootstrap=50)
    assert (np.diff(curve.low) >= -1e-12).all()
    assert (curve.low <= curve.high).all()
    assert (curve.n * curve.observed).sum() == pytest.approx(survived.sum())


def test_survival_reads_known_bins() -> None:
    values = np.repeat([-4.5, -2.5, 0.5, 2.5], 10)
    survived = np.repeat([0.2, 0.4, 0.6, 0.8], 10) > np.tile(np.arange(10) / 10 + 0.05, 4)
    assert expected_survival(values, survived, -4.5) == pytest.approx(0.2)
    assert expected_survival(values, survived, 1.5) == pytest.approx(0.7)
    assert expected_survival(values, survived, 99.0) == pytest.approx(0.8)
    assert expected_survival(values, np.where(survived, 1, -1), 1.5) == pytest.approx(0.7)  # outcomes as +1 and -1
    assert isinstance(expected_survival(values, survived, 0.0), float)


def test_the_band_resamples_patients_not_steps() -> None:
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 20)
    survived = (rng.random(40) < 0.5)[patient]
    values = rng.normal(size=800) * 2
    by_patient = survival_curve(values, survived, patient, n_bootstrap=200)
    by_step = survival_curve(values, survived, n_bootstrap=200)
    width = [np.mean(curve.high - curve.low) for curve in (by_patient, by_step)]
    assert width[0] > 1.5 * width[1]
    low, high = by_patient.band(0.0)
    assert low <= by_patient.at(0.0) <= high


def test_equal_values_and_bad_ones() -> None:
    assert expected_survival(np.zeros(4), np.array([1, 1, 0, 1]), 0.0) == 0.75
    with pytest.raises(ValueError, match="finite"):
        expected_survival(np.array([np.nan]), np.array([1]), 0.0)


def test_wilson_against_published_values() -> None:
    low, high = wilson(np.array([0, 81, 10]), np.array([10, 263, 10]))  # 81 of 263: Newcombe 1998
    assert (low[1], high[1]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (low[0], high[2]) == pytest.approx((0, 1), abs=1e-12)
    assert high[0] == pytest.approx(1 - low[2])
    assert [float(x) for x in wilson(0, 0)] == [0, 1]


def test_eta_squared_by_hand() -> None:
    assert eta_squared([1, 1, 3, 3], [0, 0, 1, 1]) == 1
    assert eta_squared([1, 3, 1, 3], [0, 0, 1, 1]) == 0
    assert eta_squared([0, 2, 2, 4], [0, 0, 1, 1]) == pytest.approx(4 / 8)
    assert eta_squared([5, 5], [0, 1]) == 0
    with pytest.raises(ValueError, match="labels"):
        eta_squared([1, 2], [0])
