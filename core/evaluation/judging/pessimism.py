"""One pessimistic step away from the clinicians: leave them only where the records show a gain beyond its own error.

    Q = phi' w of the clinicians themselves,   advantage(h, d) = (phi(h, d) - phi(h, b))' w
    bound = advantage - kappa SE,   SE^2 = x' C x,   x = phi(h, d) - phi(h, b)
    C = A^-1 (sum_p g_p g_p') A^-T,   g_p = sum of z_t delta_t over the steps of person p

At each step the dose with the highest bound is taken if that is above 0 and clinicians give it with probability at
least b_min; else the policy defers to them. Phenotype weights among the modifiers make it one expert per phenotype,
fused by those weights. One step on the clinicians' own Q needs no importance weights and cannot compound its errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings, one_hot
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import Lstd, LstdSettings, traced


@dataclass(frozen=True)
class PessimismSettings:
    """kappa: standard errors that an advantage must exceed; b_min: probability below which a dose is never advised."""

    kappa: float = 1.0
    b_min: float = 0.01

    def __post_init__(self) -> None:
        if self.kappa < 0 or not 0 <= self.b_min < 1:
            raise ValueError(f"kappa must be at least 0 and b_min in [0, 1), got {self.kappa} and {self.b_min}")


@dataclass(frozen=True, eq=False)
class Advantages:
    """Of every action at m steps against what clinicians do there: value, standard error se, both (m, A)."""

    value: np.ndarray
    se: np.ndarray


@dataclass(frozen=True, eq=False)
class PessimisticStep:
    """Fitted step. weights (E,) of the action part and their covariance (E, E), clustered by person."""

    features: FeatureMap
    weights: np.ndarray
    covariance: np.ndarray
    settings: PessimismSettings

    def advantages(self, histories: Histories, behavior: np.ndarray) -> Advantages:
        """Of every action at all steps; behavior (m, A) the clinicians' probabilities there."""
        situations = self.features.situations(histories)
        usual = self.features.action_part(situations, behavior)
        value, se = np.empty_like(behavior), np.empty_like(behavior)
        for action in range(histories.n_actions):
            weights = one_hot(np.full(len(behavior), action), histories.n_actions)
            x = self.features.action_part(situations, weights) - usual
            value[:, action] = x @ self.weights
            se[:, action] = np.sqrt(np.maximum(((x @ self.covariance) * x).sum(axis=1), 0))
        return Advantages(value, se)

    def policy(self, name: str, histories: Histories, behavior: np.ndarray) -> Deferring:
        """The step's policy at all evaluated steps. behavior (N, T, A), read there alone."""
        usual = histories.flat(behavior).astype(np.float64)
        found = self.advantages(histories, usual)
        bound = np.where(usual >= self.settings.b_min, found.value - self.settings.kappa * found.se, -np.inf)
        own = np.zeros((*histories.mask.shape, histories.n_actions))
        deferred = np.ones(histories.mask.shape)
        own[histories.mask] = one_hot(bound.argmax(axis=1), histories.n_actions)
        deferred[histories.mask] = bound.max(axis=1) <= 0
        return Deferring(name, own, deferred)


def pessimistic_step(
    histories: Histories,
    chosen: np.ndarray,
    features: FeatureSettings,
    lstd: LstdSettings | None = None,
    settings: PessimismSettings | None = None,
) -> PessimisticStep:
    """Fit the clinicians' own Q on the chosen stays, (N,) bool.

    Their next action is the recorded one, so no probabilities are needed. `features.history` should be on: what was
    given before then enters as what it is, a mark of the patient.
    """
    scales = FeatureMap.fit(histories, chosen[histories.stay], features)
    critics = Lstd.prepare(histories, scales, chosen, lstd)
    expected = critics.expected(histories.taken())
    same = np.ones(len(expected))
    critic = critics.fit(expected, same)
    delta = critics.residual(critic, critics.v(critic, expected))
    error = traced(histories, delta, critics.decay(same)) * chosen[histories.stay]
    gradient = np.zeros((histories.person.max() + 1, critics.phi.shape[1]))
    np.add.at(gradient, histories.person[histories.stay], critics.phi * error[:, None])
    sandwich = np.linalg.solve(critic.matrix, np.linalg.solve(critic.matrix, gradient.T @ gradient).T)
    width = critics.base_width
    settings = settings or PessimismSettings()
    return PessimisticStep(scales, critic.weights[width:], sandwich[width:, width:], settings)
