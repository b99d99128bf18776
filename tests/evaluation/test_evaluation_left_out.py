"""How far columns move the odds of a dose: against models that are fitted without them, and where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.judging.left_out import odds_moved
from core.evaluation.judging.stacked import PropensitySettings, fit_propensities

SETTINGS = PropensitySettings(rounds=2)


def drawn(n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Columns: two that share half of their variance, one that says nothing; a dose in three bins by the first two."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=n)
    x = np.stack([shared + rng.normal(size=n), shared + rng.normal(size=n), rng.normal(size=n)], axis=1)
    logits = np.stack([np.zeros(n), 0.8 * x[:, 0] - 0.5 * x[:, 1] - 0.5, 0.3 * x[:, 0] - 1], axis=1)
    return x, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("n_actions", [2, 3])
def test_a_column_left_out_moves_the_odds_as_a_regression_without_it_does(n_actions: int) -> None:
    columns, actions = drawn()
    actions = np.minimum(actions, n_actions - 1)
    persons, index = np.arange(len(actions)), np.arange(len(actions))
    fitted = fit_propensities(columns, actions, persons, n_actions, SETTINGS)
    moved = odds_moved(fitted, columns, actions, [[0], [1], [2], [0, 1]])

    def log_odds(kept: list[int]) -> np.ndarray:
        model = fit_propensities(columns[:, kept], actions, persons, n_actions, SETTINGS)
        p = model.learners.probs(columns[:, kept])[0][index, actions]
        return np.log(p / (1 - p))

    whole = log_odds([0, 1, 2])
    for row, kept in zip(moved, ([1, 2], [0, 2], [0, 1], [2]), strict=True):
        again = np.exp(np.abs(whole - log_odds(kept)))
        assert (row >= 1).all()
        for level in (0.5, 0.95):
            assert np.quantile(row, level) == pytest.approx(np.quantile(again, level), rel=0.06)
    strong = np.quantile(moved, 0.95, axis=1)
    assert strong[2] < 1.15 < strong[1] < strong[0]


def test_nothing_moves_where_one_dose_was_given_or_a_dose_was_never_seen() -> None:
    columns, actions = drawn(200)
    persons = np.arange(200)
    alone = fit_propensities(columns, np.zeros(200, dtype=int), persons, 3, SETTINGS)
    assert (odds_moved(alone, columns, actions, [[0]]) == 1).all()
    fitted = fit_propensities(columns, np.minimum(actions, 1), persons, 3, SETTINGS)
    unseen = np.full(200, 2)
    unseen[:100] = 0
    moved = odds_moved(fitted, columns, unseen, [[0]])[0]
    assert (moved[100:] == 1).all()
    assert (moved[:100] > 1).all()
