"""How far each recorded column moves the odds of the dose given, beyond what the others tell of it.

A yardstick for Gamma: a hidden cause is a column that was left out, so columns that were not are left out in turn. From
the stack's regression (`core.evaluation.judging.stacked`), on normal scores x with coefficients B,

    log odds lose B_aj (x_j - x_j given the others),    x_j - x_j given the others = sum_k x_k P_kj / P_jj

P: inverse covariance of the scores, so that what the others tell of a column stays (of several columns together the
same with blocks of P). This is the regression without the column but for its penalty and curvature: no model is fitted
anew. After Cinelli and Hazlett 2020, who set hidden causes beside recorded ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import softmax

from core.base.config import Config
from core.evaluation.judging.stacked import Propensities

RIDGE = 1e-3  # of the covariance: columns that others determine add nothing
STRONG = 0.95  # quantile over steps that stands for a column's strength


class ColumnOdds(Config):
    """gamma: factor by which leaving this column out moves the odds of what was given, the 95 % quantile over steps."""

    column: str
    gamma: float


def beside_a_claim(columns: Sequence[ColumnOdds], lasting: float, passing: float) -> str:
    """The strongest recorded column beside the Gamma of causes that kill a claim, if they last or pass; "" for none."""
    top = max(columns, key=lambda one: one.gamma, default=None)
    if top is None:
        return ""
    if top.gamma < lasting:
        would = "a hidden cause as strong would not kill it"
    elif top.gamma < passing:
        would = "a hidden cause as strong could kill it if it lasts"
    else:
        would = "a hidden cause as strong could kill it"
    return (
        f"Leaving out {top.column}, the strongest recorded column, multiplies them by up to {top.gamma:.2f}: {would}."
    )


def strongest_first(names: Sequence[str], moved: np.ndarray) -> tuple[ColumnOdds, ...]:
    """The `STRONG` quantile over steps, moved (G, m), of each named group; none of them where there is no step."""
    if not moved.shape[1]:
        return ()
    strong = np.quantile(moved, STRONG, axis=1)
    found = sorted(zip(names, strong, strict=True), key=lambda pair: -pair[1])
    return tuple(ColumnOdds(column=name, gamma=float(one)) for name, one in found)


def unique_parts(scores: np.ndarray, groups: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
    """(m, g) of each group of columns, scores (m, F): what the other columns do not tell of it, linearly."""
    centered = scores - scores.mean(axis=0)
    covariance = np.cov(centered, rowvar=False).reshape(scores.shape[1], -1)
    precision = np.linalg.inv(covariance + RIDGE * np.eye(len(covariance)))
    for group in groups:
        own = list(group)
        yield np.linalg.solve(precision[np.ix_(own, own)], precision[own] @ centered.T).T


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
    whole = log_odds(logits[rows], taken)
    for place, (group, unique) in enumerate(zip(groups, unique_parts(scores, groups), strict=True)):
        without = logits[rows] - unique[rows] @ slopes[:, list(group)].T
        moved[place, rows] = np.exp(np.abs(whole - log_odds(without, taken)))
    return moved


def log_odds(logits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(m,) log odds of the class taken, logits (m, A)."""
    p = np.take_along_axis(softmax(logits, axis=1), taken[:, None], axis=1)[:, 0]
    return np.asarray(np.log(p) - np.log1p(-np.minimum(p, 1 - 1e-12)))
