"""The clinicians' probabilities from two learners stacked: a penalized regression and boosted trees.

    p(a|h) = (1 - e) [w LR(a|h) + (1 - w) HGB(a|h)] + e marginal(a)

LR is multinomial logistic regression on normal scores, HGB histogram gradient boosting; w minimizes the log loss on a
quarter of the training persons, whom neither learner saw, and both are fitted again on all. The marginal's share e
keeps every ratio finite. On simulated cohorts the log ratio's error a step is half of that of nearest neighbors, which
compounds over a stay's steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.base.rng import derive_seed, stream
from core.evaluation.judging.scores import NormalScores

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

WEIGHTS = np.linspace(0, 1, 21)  # shares of the regression that are tried
FEWEST_HELD_OUT = 20  # steps below which a quarter of the persons cannot weigh two learners


@dataclass(frozen=True)
class PropensitySettings:
    """Of the stack; the defaults were chosen on simulated design cohorts."""

    penalty_c: float = 0.02  # inverse strength of the regression's penalty
    rounds: int = 30
    leaves: int = 6
    fewest_in_leaf: int = 200
    learning_rate: float = 0.05
    marginal_share: float = 0.02
    held_out: float = 0.25  # share of the training persons that weighs the learners
    most_weighing: int = 4_000  # persons that the weight is found on at most: one number needs no more
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.marginal_share < 1 and 0 < self.held_out < 1):
            raise ValueError("marginal_share and held_out must lie strictly between 0 and 1")
        if self.penalty_c <= 0 or self.rounds < 1 or self.leaves < 2 or self.fewest_in_leaf < 1:
            raise ValueError("penalty_c must be positive, rounds and fewest_in_leaf at least 1, leaves at least 2")


@dataclass(frozen=True, eq=False)
class _Learners:
    """LR and HGB fitted on the same steps, None where only one action was given; they know `classes` alone."""

    scores: NormalScores
    regression: LogisticRegression | None
    trees: HistGradientBoostingClassifier | None
    classes: np.ndarray
    n_actions: int

    def probs(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, A) of each; an action that was never given has 0."""
        found = []
        for learner, inputs in ((self.regression, self.scores(columns)), (self.trees, columns)):
            grid = np.zeros((len(columns), self.n_actions))
            grid[:, self.classes] = 1.0 if learner is None else learner.predict_proba(inputs)
            found.append(grid)
        return found[0], found[1]


@dataclass(frozen=True, eq=False)
class Propensities:
    """Fitted stack. weight: share w of the regression; marginal (A,) smoothed shares of the actions given."""

    weight: float
    marginal: np.ndarray
    settings: PropensitySettings
    learners: _Learners

    def probs(self, columns: np.ndarray) -> np.ndarray:
        """(m, A) probabilities at columns (m, F) as it was fitted on; rows sum to 1, none is 0."""
        regression, trees = self.learners.probs(np.asarray(columns, dtype=np.float64))
        e = self.settings.marginal_share
        return (1 - e) * (self.weight * regression + (1 - self.weight) * trees) + e * self.marginal


def fit_propensities(
    columns: np.ndarray,
    actions: np.ndarray,
    persons: np.ndarray,
    n_actions: int,
    settings: PropensitySettings | None = None,
) -> Propensities:
    """Fit the stack on m steps that have a reward.

    columns (m, F) finite, see `Histories.propensity_columns`; actions (m,) int below n_actions; persons (m,) key of
    each step's person. ValueError where shapes disagree or there is no step.
    """
    settings = settings or PropensitySettings()
    inputs, given, owner = np.asarray(columns, dtype=np.float64), np.asarray(actions), np.asarray(persons)
    if inputs.ndim != 2 or len(inputs) == 0 or given.shape != (len(inputs),) or owner.shape != given.shape:
        raise ValueError(f"need columns (m, F), actions (m,), persons (m,), m > 0; got {inputs.shape}, {given.shape}")
    if given.min() < 0 or given.max() >= n_actions or not np.isfinite(inputs).all():
        raise ValueError(f"actions must lie in 0..{n_actions - 1} and columns be finite")
    marginal = (np.bincount(given, minlength=n_actions) + 1.0) / (len(given) + n_actions)
    weight = _weight(inputs, given, owner, n_actions, settings)
    return Propensities(weight, marginal, settings, _fit(inputs, given, n_actions, settings))


def _weight(
    columns: np.ndarray, actions: np.ndarray, owner: np.ndarray, n_actions: int, settings: PropensitySettings
) -> float:
    """The regression's share that gives steps of held-out persons the smallest log loss; a half where they are few."""
    persons, code = np.unique(owner, return_inverse=True)
    rank = stream(settings.seed, "propensities", "held out").permutation(len(persons))[code]
    asked = min(len(persons), settings.most_weighing)
    held = rank < round(settings.held_out * asked)
    rest = ~held & (rank < asked)
    if held.sum() < FEWEST_HELD_OUT or not rest.any():
        return 0.5
    learners = _fit(columns[rest], actions[rest], n_actions, settings)
    index = np.arange(int(held.sum())), actions[held]
    regression, trees = (probs[index] for probs in learners.probs(columns[held]))
    mixed = WEIGHTS[:, None] * regression + (1 - WEIGHTS[:, None]) * trees
    return float(WEIGHTS[np.log(mixed + 1e-6).mean(axis=1).argmax()])


def _fit(columns: np.ndarray, actions: np.ndarray, n_actions: int, settings: PropensitySettings) -> _Learners:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    classes, scores = np.unique(actions), NormalScores.fit(columns)
    if len(classes) < 2:
        return _Learners(scores, None, None, classes, n_actions)
    regression = LogisticRegression(C=settings.penalty_c, max_iter=300, tol=1e-4)
    trees = HistGradientBoostingClassifier(
        max_iter=settings.rounds,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.fewest_in_leaf,
        learning_rate=settings.learning_rate,
        early_stopping=False,
        random_state=derive_seed(settings.seed, "propensities", "trees"),
    )
    return _Learners(scores, regression.fit(scores(columns), actions), trees.fit(columns, actions), classes, n_actions)
