"""Toys about outcomes, against closed forms and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.learn.outcomes import (
    BASE,
    DAYS,
    POLICIES,
    concordance_toy,
    danger_toy,
    in_danger,
    kaplan_meier,
    survival_toy,
)

NOBODY = POLICIES["nobody"]


def test_kaplan_meier_by_hand() -> None:
    """Five patients: deaths on days 1 and 3, one leaves on day 2, one on day 3, one is seen to the end."""
    found = kaplan_meier(np.array([1, 2, 3, 3, 4]), np.array([True, False, True, False, False]), 4)
    np.testing.assert_array_equal(found.at_risk, [5, 5, 4, 3, 1])
    np.testing.assert_allclose(found.survival, [1, 4 / 5, 4 / 5, 4 / 5 * 2 / 3, 4 / 5 * 2 / 3])
    np.testing.assert_allclose(found.hazard[1:], [1 / 5, 0, 1 / 3, 0])
    assert found.error[3] == pytest.approx(8 / 15 * np.sqrt(1 / (5 * 4) + 1 / (3 * 2)))


def test_without_anyone_leaving_the_curve_is_the_share_alive_and_greenwood_is_binomial() -> None:
    toy = survival_toy(0.04, 0.01, 0.0, 500)
    np.testing.assert_allclose(toy.estimate.survival, toy.unseen)
    p = toy.estimate.survival
    np.testing.assert_allclose(toy.estimate.error, np.sqrt(p * (1 - p) / 500))
    np.testing.assert_allclose(toy.truth, toy.expected)
    assert toy.truth[-1] == pytest.approx(0.96**7 * 0.99 ** (DAYS - 7))


def test_who_leaves_makes_the_unseen_share_too_high_but_not_the_curve() -> None:
    toy = survival_toy(0.04, 0.04, 0.1, 100_000)
    np.testing.assert_allclose(toy.unseen, toy.expected, atol=0.006)
    stay = 0.9 * 0.96  # of those at risk, who is at risk on the next day
    assert toy.expected[-1] == pytest.approx(1 - 0.04 * (1 - stay**DAYS) / (1 - stay))
    assert toy.expected[-1] - toy.truth[-1] > 0.4
    low, high = toy.band
    assert low[14] < toy.truth[14] < high[14]
    assert high[14] - low[14] < 0.02
    np.testing.assert_allclose(toy.estimate.hazard[1:6], 0.04, atol=0.005)


def test_nobody_at_risk_has_no_hazard() -> None:
    found = kaplan_meier(np.array([1, 2]), np.array([False, True]), 4)
    assert np.isnan(found.hazard[[0, 3, 4]]).all()
    assert (found.survival[2:] == 0).all()


def test_danger_follows_its_recursion_and_settles_where_it_must() -> None:
    share, entry = [0.0], BASE + 0.3 * 0.4
    for _ in range(15):
        share.append(share[-1] * (1 - 0.2) + (1 - share[-1]) * entry)
    np.testing.assert_allclose(in_danger(0.4, 0.3, 0.2), share)
    assert in_danger(0.4, 0.3, 0.2, 400)[-1] == pytest.approx(entry / (entry + 0.2))


def test_the_same_rate_in_danger_hides_more_danger() -> None:
    toy = danger_toy((0.2, 0.1), (0.8, 0.1), 0.2, 0.2)
    assert toy.rate[0] == toy.rate[1]
    assert toy.recorded == pytest.approx(toy.true[0]), "on recorded steps it is no worse than the clinicians"
    assert toy.true[1] > 2 * toy.true[0]
    assert (toy.danger[1, 1:] > toy.danger[0, 1:]).all()
    calm = danger_toy((0.2, 0.1), (0.8, 0.1), 0.0, 0.2)
    np.testing.assert_allclose(calm.true, calm.recorded)  # without harm the record tells the truth


def test_concordance_predicts_survival_although_the_drug_does_nothing() -> None:
    """Half are sick; clinicians give the drug to 20 % of the well and 80 % of the sick; 90 % and 50 % survive."""
    toy = concordance_toy(NOBODY, (0.2, 0.8), (0.9, 0.5), 0.0, 0.5, 200_000)
    np.testing.assert_allclose(toy.exact, [[0.82, 0.9, 0.5], [0.58, 0.9, 0.5]])
    np.testing.assert_allclose(toy.share, toy.exact, atol=0.01)
    assert toy.true_gain == 0
    assert abs(toy.crude - 0.24) < 0.01
    assert abs(toy.within) < toy.within_half + 0.002
    assert toy.n[:, 0].sum() == 200_000
    np.testing.assert_array_equal(toy.n[:, 1:].sum(axis=1), toy.n[:, 0])


def test_an_effect_is_found_within_the_kinds_and_in_truth() -> None:
    toy = concordance_toy(POLICIES["everybody"], (0.2, 0.8), (0.6, 0.4), 0.1, 0.3, 200_000)
    np.testing.assert_allclose(toy.exact[:, 1:], [[0.7, 0.5], [0.6, 0.4]])
    assert toy.within == pytest.approx(0.1, abs=0.01)
    assert toy.true_gain == pytest.approx(0.1 * (0.7 * 0.8 + 0.3 * 0.2))
    assert toy.crude < toy.within, "who got the drug was sicker"


def test_without_confounding_concordance_tells_the_effect() -> None:
    toy = concordance_toy(NOBODY, (0.4, 0.4), (0.9, 0.5), -0.1, 0.5, 1000)
    assert toy.exact[0, 0] - toy.exact[1, 0] == pytest.approx(0.1)


def test_where_nobody_is_treated_otherwise_nothing_is_said() -> None:
    toy = concordance_toy(NOBODY, (0.0, 0.0), (0.9, 0.5), 0.0, 0.5, 100)
    assert np.isnan(toy.share[1]).all()
    assert np.isnan(toy.exact[1]).all()
    assert np.isnan([toy.crude, toy.within]).all()
