"""Figures of the lessons about outcomes carry the toys' own numbers."""

from __future__ import annotations

import numpy as np

from core.figures.learn_outcomes import concordance_figure, danger_figure, survival_figure


def trace(fig, name: str):
    return next(t for t in fig.data if t.name == name)


def test_survival_is_drawn_with_its_band_and_hazards_below() -> None:
    s, hazard = np.array([1.0, 0.8, 0.6]), np.array([np.nan, 0.2, 0.25])
    risk = np.array([10, 10, 8])
    fig = survival_figure(s, s - 0.1, s + 0.1, s - 0.05, s + 0.05, risk, hazard, hazard / 2)
    np.testing.assert_allclose(trace(fig, "Kaplan-Meier").y, [100, 80, 60])
    np.testing.assert_allclose(trace(fig, "truth").y, [95, 75, 55])
    np.testing.assert_allclose(trace(fig, "not seen to die").y, [105, 85, 65])
    np.testing.assert_allclose(fig.data[0].y, [110, 90, 70])
    np.testing.assert_allclose(fig.data[1].y, [90, 70, 50])
    np.testing.assert_allclose(trace(fig, "seen").y[1:], [20, 25])
    np.testing.assert_array_equal(trace(fig, "Kaplan-Meier").customdata, risk)


def test_danger_is_drawn_for_both_and_counts_by_label() -> None:
    fig = danger_figure(np.array([[0, 0.1], [0, 0.4]]), ("Clinicians", "Policy"), (("a", 3.0), ("b", 4.0), ("c", 9.0)))
    np.testing.assert_allclose(trace(fig, "Policy").y, [0, 40])
    assert [float(trace(fig, name).x[0]) for name in "abc"] == [3, 4, 9]


def test_concordance_says_nothing_where_there_is_nobody() -> None:
    share = np.array([[0.8, 0.9, 0.5], [0.6, np.nan, 0.4]])
    fig = concordance_figure(share, share / 10, share, np.array([[5, 3, 2], [4, 0, 4]]), ("all", "well", "sick"))
    mine = trace(fig, "treated otherwise")
    assert [text.strip() for text in mine.text] == ["60 %", "", "40 %"]
    np.testing.assert_allclose(trace(fig, "treated as the policy would").error_y.array, [8, 9, 5])
