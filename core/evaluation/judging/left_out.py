"""How far each recorded column moves the odds of the dose given, beyond what the others tell of it.

A yardstick for Gamma: a hidden cause is a column that was left out, so columns that were not are left out in turn. From
the stack's regression (`core.evaluation.judging.stacked`), on normal scores x with coefficients B,

    log odds lose B_aj (x_j - x_j given the others),    x_j - x_j given the others = sum_k x_k P_kj / P_jj

P: inverse covariance of the scores, so that what the others tell of a column stays (of several columns together the
same with blocks of P). This is the regression without the column but for its penalty and curvature: no model is fitted
anew. After Cinelli and Hazlett 2020, who set hidden causes beside recorded ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from core.evaluation.judging.stacked import Propensities

RIDGE = 1e-3  # of the covariance: columns that others determine add nothing
STRONG = 0.95  # quantile over steps that stands for a column's strength


def odds_moved(
    fitted: Propensities, columns: np.ndarray, actions: np.ndarray, groups: Sequence[Sequence[int]]
) -> np.ndarray:
    """(G, m) factor, at least 1, by which leaving out each group of columns moves the odds of the action taken.

    columns (m, F) as the stack was fitted on; actions (m,). Where all that was fitted on got one action, or an action
    was never seen, nothing moves: 1.
    """
    regression, classes = fitted.learners.regression, fitted.learners.classes
    moved = np.ones((len(groups), len(actions)))
    known = np.isin(actions, classes)
    if regression is None or not known.any():
        return moved
    scores, rows = fitted.learners.scores(columns), np.flatnonzero(known)
    taken = np.searchsorted(classes, actions[rows])
    slopes, offset = np.asarray(regression.coef_), np.asarray(regression.intercept_)
    if len(classes) == 2:  # one row, the second class's against the first
        slopes, offset = np.concatenate([0 * slopes, slopes]), np.concatenate([0 * offset, offset])
    logits = scores @ slopes.T + offset
    centered = scores - scores.mean(axis=0)
    precision = np.linalg.inv(np.cov(centered, rowvar=False).reshape(len(slopes.T), -1) + RIDGE * np.eye(len(slopes.T)))
    whole = _log_odds(logits[rows], taken)
    for place, group in enumerate(groups):
        own = list(group)
        unique = np.linalg.solve(precision[np.ix_(own, own)], precision[own] @ centered[rows].T).T
        moved[place, rows] = np.exp(np.abs(whole - _log_odds(logits[rows] - unique @ slopes[:, own].T, taken)))
    return moved


def _log_odds(logits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(m,) log odds of the class taken, logits (m, A)."""
    p = np.take_along_axis(softmax(logits, axis=1), taken[:, None], axis=1)[:, 0]
    return np.asarray(np.log(p) - np.log1p(-np.minimum(p, 1 - 1e-12)))
