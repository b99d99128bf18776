"""One pessimistic step away from the clinicians: leave them only where the records show a gain beyond its own error.

    Q = phi' w of the clinicians themselves,   advantage(h, d) = (phi(h, d) - phi(h, b))' w
    bound = advantage - kappa SE,   SE^2 = x' C x,   x = phi(h, d) - phi(h, b)
    C = A^-1 (sum_p g_p g_p') A^-T,   g_p = sum of z_t delta_t over the steps of person p

At each step the dose with the highest bound is taken if that is above 0 and clinicians give it with probability at
least b_min; else the policy defers to them. Phenotype weights among the modifiers make it one expert per phenotype,
fused by those weights. One step on the clinicians' own Q needs no importance weights and cannot compound its errors.
w and g_p are linear in the reward, so a step learned in J rewards at once is one in every weighed sum of them:

    w = sum_j f_j w_j,   C = sum_ij f_i f_j A^-1 (sum_p g_pi g_pj') A^-T
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings, one_hot
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import Lstd, LstdSettings, by_step, traced


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
        each = [self.advantages_by(x[None]) for x in _contrasts(self.features, histories, behavior)]  # one at a time
        return Advantages(*(np.concatenate(one, axis=1) for one in zip(*((a.value, a.se) for a in each), strict=True)))

    def advantages_by(self, contrast: np.ndarray) -> Advantages:
        """The same from x (A, m, E), see `contrasts`."""
        variance = ((contrast @ self.covariance) * contrast).sum(axis=-1)
        return Advantages((contrast @ self.weights).T, np.sqrt(np.maximum(variance, 0)).T)

    def taken(self, found: Advantages, behavior: np.ndarray) -> np.ndarray:
        """(m,) action with the highest bound, -1 where the policy defers. behavior (m, A)."""
        bound = np.where(behavior >= self.settings.b_min, found.value - self.settings.kappa * found.se, -np.inf)
        return np.where(bound.max(axis=1) > 0, bound.argmax(axis=1), -1)

    def policy(self, name: str, histories: Histories, behavior: np.ndarray) -> Deferring:
        """The step's policy at all evaluated steps. behavior (N, T, A), read there alone."""
        usual = histories.flat(behavior).astype(np.float64)
        taken = self.taken(self.advantages(histories, usual), usual)
        own = np.zeros((*histories.mask.shape, histories.n_actions))
        deferred = np.ones(histories.mask.shape)
        own[histories.mask] = one_hot(np.maximum(taken, 0), histories.n_actions)
        deferred[histories.mask] = taken < 0
        return Deferring(name, own, deferred)


@dataclass(frozen=True, eq=False)
class PessimisticTerms:
    """A step learned in J rewards. weights (E, J) of the action part; products (J, E, J, E), their covariances."""

    features: FeatureMap
    weights: np.ndarray
    products: np.ndarray
    settings: PessimismSettings

    def step(self, factors: np.ndarray) -> PessimisticStep:
        """The step in the reward sum_j factors_j r_j."""
        covariance = np.einsum("i,iajb,j->ab", factors, self.products, factors)
        return PessimisticStep(self.features, self.weights @ factors, covariance, self.settings)


def contrasts(features: FeatureMap, histories: Histories, behavior: np.ndarray) -> np.ndarray:
    """(A, m, E) x of every action at all steps. behavior (m, A) the clinicians' probabilities there."""
    return np.stack(list(_contrasts(features, histories, behavior)))


def _contrasts(features: FeatureMap, histories: Histories, behavior: np.ndarray) -> Iterator[np.ndarray]:
    """(m, E) of each action."""
    modifiers = features.modifiers(histories)
    usual = features.given(modifiers, behavior)
    for action in range(histories.n_actions):
        weights = one_hot(np.full(len(behavior), action), histories.n_actions)
        yield features.given(modifiers, weights) - usual


def pessimistic_step(
    histories: Histories,
    chosen: np.ndarray,
    features: FeatureSettings,
    lstd: LstdSettings | None = None,
    settings: PessimismSettings | None = None,
    chances: np.ndarray | None = None,
) -> PessimisticStep:
    """Fit the clinicians' own Q on the chosen stays, (N,) bool.

    Their next action is the recorded one, so no probabilities are needed; chances (N, T, A), where they are known,
    center actions, see `features`. `features.history` should be on: what was given before then enters as what it is, a
    mark of the patient.
    """
    one = replace(histories, rewards=histories.rewards[..., None])
    return pessimistic_terms(one, chosen, features, lstd, settings, chances).step(np.ones(1))


def pessimistic_terms(
    histories: Histories,
    chosen: np.ndarray,
    features: FeatureSettings,
    lstd: LstdSettings | None = None,
    settings: PessimismSettings | None = None,
    chances: np.ndarray | None = None,
) -> PessimisticTerms:
    """`pessimistic_step` in the rewards (N, T, J) of the histories."""
    scales = FeatureMap.fit(histories, chosen[histories.stay], features)
    critics = Lstd.prepare(histories, scales, chosen, lstd, None if chances is None else histories.flat(chances))
    expected = critics.expected(histories.taken())
    same = np.ones(len(expected))
    critic = critics.fit(expected, same)
    delta = critics.residual(critic, critics.v(critic, expected))
    error = by_step(chosen[histories.stay], traced(histories, delta, critics.decay(same)))
    width = critics.base_width
    influence = critics.phi @ np.linalg.inv(critic.matrix)[width:].T  # (m, E) of a unit error
    person, each = histories.person[histories.stay], np.arange(len(error))
    total = csr_array((np.ones(len(error)), (person, each)))  # (P, m), which sums over the steps of each person
    g = np.concatenate([total @ by_step(one, influence) for one in error.T], axis=1)  # (P, J E)
    shape = (error.shape[1], influence.shape[1])
    return PessimisticTerms(
        scales, critic.weights[width:], (g.T @ g).reshape(*shape, *shape), settings or PessimismSettings()
    )
