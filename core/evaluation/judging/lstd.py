"""Least-squares temporal differences for Q of a policy (LSTD-Q with traces), linear in phi(h, a).

    A w = c,  A = sum_t z_t (phi_t - gamma phi^pi_{t+1})' + Lambda,  c = sum_t z_t r_t
    z_t = phi_t + gamma trace min(1, rho_t) z_{t-1},  rho = pi/b of the action taken

phi^pi is the mean of phi under the policy, 0 after a stay's last step; Lambda is a ridge, heavier on the action part,
whose truth is near 0. Any z that is a function of the history up to a_t leaves the solution right where states tell
all. They do not: a charted row is a noisy view of the patient, and bootstrapping from one row to the next loses part of
every effect; traces let later rows speak for earlier actions, as long as those rows were reached as the policy would.
Policies share phi and the base's half of phi^pi; one more costs two products over the training steps and one solution.
A does not know the reward, so w, v and delta are linear in it: rewards (N, T, J) are J of them at once, with a last
axis J on all that depends on them, for the price of little more than one.
Source: Lagoudakis and Parr 2003 (LSTD-Q), Munos et al. 2016 (traces cut at ratio 1); ridge and features are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.features import FeatureMap, Situations
from core.evaluation.judging.histories import Histories


@dataclass(frozen=True)
class LstdSettings:
    """Ridge on the base's weights and on the action part's; trace in [0, 1]: 0 trusts the next row, 1 the return."""

    base_ridge: float = 10.0
    action_ridge: float = 30.0
    trace: float = 0.8

    def __post_init__(self) -> None:
        if min(self.base_ridge, self.action_ridge) < 0 or not 0 <= self.trace <= 1:
            raise ValueError("ridges must be at least 0 and trace in [0, 1]")


@dataclass(frozen=True, eq=False)
class LinearCritic:
    """Q(h, a) = phi(h, a)' w of one policy. weights (d,) or (d, J); matrix (d, d), A as above, summed over n stays."""

    weights: np.ndarray
    matrix: np.ndarray
    n: int


@dataclass(frozen=True, eq=False)
class _Layer:
    """Training stays that reach one time, the longest first. rows: their flat steps; phi (n, d) of the action taken;
    change: phi less the discounted base of the next step; rewards (n,) or (n, J); further: rows of those that go on."""

    rows: np.ndarray
    phi: np.ndarray
    change: np.ndarray
    rewards: np.ndarray
    further: np.ndarray


@dataclass(frozen=True, eq=False)
class Lstd:
    """What all policies share: situations and phi (m, d) of the actions taken at all steps, and the training layers."""

    histories: Histories
    features: FeatureMap
    situations: Situations
    phi: np.ndarray
    chosen: np.ndarray
    layers: tuple[_Layer, ...]
    settings: LstdSettings

    @classmethod
    def prepare(
        cls,
        histories: Histories,
        features: FeatureMap,
        chosen: np.ndarray,
        settings: LstdSettings | None = None,
        chances: np.ndarray | None = None,
    ) -> Lstd:
        """chosen: (N,) stays to fit on, bool; the critic can then be asked about all. chances: as in `situations`."""
        situations = features.situations(histories, chances)
        taken = features.action_part(situations, histories.taken())
        phi, width = np.concatenate([situations.base, taken], axis=1), situations.base.shape[1]
        rows = _by_time(histories, np.asarray(chosen, dtype=bool))
        rewards, layers = histories.flat(histories.rewards).astype(np.float64), []
        for here, further in zip(rows, [*rows[1:], np.empty(0, dtype=np.int64)], strict=True):
            given, known = phi[here], histories.known[here]
            change = given.copy()
            change[: len(further), :width] -= histories.gamma * situations.base[further]
            change[~known] = 0  # a step after which a stay was lost says nothing
            layers.append(_Layer(here, given, change, by_step(known, rewards[here]), further))
        return cls(histories, features, situations, phi, chosen, tuple(layers), settings or LstdSettings())

    @property
    def base_width(self) -> int:
        return int(self.situations.base.shape[1])

    def expected(self, weights: np.ndarray) -> np.ndarray:
        """(m, E) action part of all steps under a policy's action weights (m, A)."""
        return self.features.action_part(self.situations, weights)

    def fit(self, expected: np.ndarray, ratios: np.ndarray) -> LinearCritic:
        """Q of the policy whose mean action part is `expected` (m, E); ratios (m,) its pi/b of the actions taken."""
        size, width = self.phi.shape[1], self.base_width
        matrix, response = np.zeros((size, size)), np.zeros((size, *self.layers[0].rewards.shape[1:]))
        decay = self.decay(ratios)
        phis, decays = [one.phi for one in self.layers], [decay[one.rows] for one in self.layers]
        for layer, z in zip(self.layers, _traces(phis, decays), strict=True):
            matrix += z.T @ layer.change
            after = expected[layer.further]
            matrix[:, width:] -= self.histories.gamma * (z[: len(after)].T @ after)
            response += z.T @ layer.rewards
        matrix[np.diag_indices(width)] += self.settings.base_ridge
        action = np.arange(width, size)
        matrix[action, action] += self.settings.action_ridge
        return LinearCritic(np.linalg.solve(matrix, response), matrix, len(self.layers[0].rows))

    def decay(self, ratios: np.ndarray) -> np.ndarray:
        """(m,) what is left of z_{t-1} in z_t."""
        return np.asarray(self.histories.gamma * self.settings.trace * np.minimum(ratios, 1))

    def q_taken(self, critic: LinearCritic) -> np.ndarray:
        """(m,) or (m, J) Q of the actions taken."""
        return np.asarray(self.phi @ critic.weights)

    def v(self, critic: LinearCritic, expected: np.ndarray) -> np.ndarray:
        """(m,) or (m, J) mean of Q under the policy."""
        width = self.base_width
        return np.asarray(self.situations.base @ critic.weights[:width] + expected @ critic.weights[width:])

    def residual(self, critic: LinearCritic, v: np.ndarray) -> np.ndarray:
        """(m,) or (m, J) delta = r + gamma v(s') - q of the actions taken; 0 after which a stay was lost."""
        told = self.histories.flat(self.histories.rewards) + self.histories.gamma * self.histories.after(v)
        return by_step(self.histories.known, told - self.q_taken(critic))


def traced(histories: Histories, delta: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """(m,) or (m, J) e_t = delta_t + decay_{t+1} e_{t+1}, so that sum_t z_t delta_t = sum_t phi_t e_t in every stay."""
    e, weight = np.zeros((*histories.mask.shape, *delta.shape[1:])), np.zeros(histories.mask.shape)
    e[histories.stay, histories.time], weight[histories.stay, histories.time] = delta, decay
    for t in range(int(histories.time.max()) - 1, -1, -1):
        e[:, t] += by_step(weight[:, t + 1], e[:, t + 1])
    return np.asarray(e[histories.stay, histories.time])


def by_step(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Each step's values times its weight. weights (m,), values (m, ...)."""
    return np.asarray((weights * values.T).T)


def _by_time(histories: Histories, chosen: np.ndarray) -> list[np.ndarray]:
    """Flat steps of the chosen stays at times 0, 1, ..; the longest stays first, so that a layer's successors are those
    of its first rows. ValueError where no chosen stay has a step."""
    first = np.flatnonzero((histories.time == 0) & chosen[histories.stay])
    if len(first) == 0:
        raise ValueError("no chosen stay has a step with a reward: there is nothing to fit a critic on")
    lengths = histories.mask.sum(axis=1)[histories.stay[first]]
    order = np.argsort(-lengths, kind="stable")
    first, lengths = first[order], lengths[order]
    return [first[lengths > t] + t for t in range(int(lengths[0]))]


def _traces(phis: list[np.ndarray], decays: list[np.ndarray]) -> Iterator[np.ndarray]:
    """z of each layer in turn."""
    z = phis[0]
    for t, (phi, decay) in enumerate(zip(phis, decays, strict=True)):
        z = phi if t == 0 else phi + decay[:, None] * z[: len(phi)]
        yield z
