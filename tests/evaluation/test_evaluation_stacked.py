"""The stacked propensities: probabilities, what they may not see, calibration on persons held out, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.calibration import reliability
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.scores import NormalScores
from core.evaluation.judging.stacked import PropensitySettings, fit_propensities


def logistic(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of very different units and tails, actions of a known multinomial logit of them, true probabilities."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    logits = np.stack([np.zeros(n), x[:, 0] - 1, 0.8 * x[:, 1] - 2], axis=1)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    actions = (rng.random(n)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
    return np.stack([np.exp(2 * x[:, 0]), 1000 * x[:, 1], x[:, 2], x[:, 3]], axis=1), actions, probs


def test_the_true_probabilities_are_found_whatever_the_units() -> None:
    columns, actions, probs = logistic(8_000, seed=0)
    fitted = fit_propensities(columns[:6_000], actions[:6_000], np.arange(6_000) // 10, 3)
    found = fitted.probs(columns[6_000:])
    index = np.arange(2_000), actions[6_000:]
    assert found.sum(axis=1) == pytest.approx(np.ones(2_000))
    assert np.sqrt((np.log(found[index] / probs[6_000:][index]) ** 2).mean()) < 0.12
    quality = reliability(found, actions[6_000:])
    assert quality.error < 0.02
    assert quality.log_loss < -np.log(probs[6_000:][index]).mean() + 0.01


def test_the_regression_weighs_more_where_it_is_right_and_the_trees_where_it_cannot_be() -> None:
    columns, actions, _ = logistic(4_000, seed=1)
    smooth = fit_propensities(columns, actions, np.arange(4_000) // 10, 3)
    rng = np.random.default_rng(2)
    parity = (columns[:, 2] > 0) ^ (columns[:, 3] > 0)
    flipped = np.where(rng.random(4_000) < 0.1, ~parity, parity).astype(int)
    jagged = fit_propensities(columns, flipped, np.arange(4_000) // 10, 2)
    assert smooth.weight > 0.4 > 0.1 > jagged.weight


def test_no_action_is_impossible_even_one_never_given() -> None:
    columns, actions, _ = logistic(500, seed=3)
    fitted = fit_propensities(columns, np.minimum(actions, 1), np.arange(500), 3)
    found = fitted.probs(columns)
    assert fitted.marginal[2] == 1 / 503
    assert found[:, 2] == pytest.approx(np.full(500, 0.02 / 503))
    only = fit_propensities(columns, np.zeros(500, dtype=int), np.arange(500), 3).probs(columns)
    assert only[:, 0] == pytest.approx(0.98 + 0.02 * 501 / 503)


def test_a_few_steps_are_enough() -> None:
    columns, actions, _ = logistic(30, seed=4)
    fitted = fit_propensities(columns, actions, np.arange(30), 3)
    assert fitted.weight == 0.5
    assert (fitted.probs(columns) > 0).all()


def test_earlier_doses_show_nothing_of_the_step_itself() -> None:
    rng = np.random.default_rng(5)
    doses = np.array([0.0, 1800.0, 4501.08, 25054.755])
    actions = rng.integers(0, 4, (200, 16))
    shape = actions.shape
    other = actions.copy()
    other[:, 7] = (other[:, 7] + 1) % 4
    found = []
    for given in (actions, other):
        histories = Histories(np.zeros((*shape, 1)), given, np.zeros(shape), np.ones(shape, dtype=bool), doses)
        found.append(histories.propensity_columns().reshape(*shape, 3))
    assert np.array_equal(found[0][:, :8], found[1][:, :8]), "not even in the last digit: trees would find it"
    assert (found[0][:, 8, 1] != found[1][:, 8, 1]).all()
    assert found[0][0, 5, 1:] == pytest.approx([doses[actions[0, 4]], doses[actions[0, :5]].sum()])


def test_scores_are_those_of_ranks_and_ties_share_theirs() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=4_000)
    columns = np.stack([np.exp(3 * x), np.where(x < 0, 0, x)], axis=1)
    scores = NormalScores.fit(columns)(columns)
    assert np.abs(scores[:, 0] - x)[np.abs(x) < 2].max() < 0.1
    tied = scores[x < 0, 1]
    assert tied == pytest.approx(np.full(len(tied), -0.674), abs=0.05)  # the middle of the lower half
    assert np.abs(scores).max() < 3


def test_what_cannot_be_fitted_is_refused() -> None:
    columns, actions, _ = logistic(20, seed=7)
    with pytest.raises(ValueError, match=r"need columns \(m, F\), actions \(m,\), persons \(m,\)"):
        fit_propensities(columns, actions[:5], np.arange(20), 3)
    with pytest.raises(ValueError, match=r"actions must lie in 0\.\.1"):
        fit_propensities(columns, np.full(20, 2), np.arange(20), 2)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        PropensitySettings(marginal_share=0.0)
