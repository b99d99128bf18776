"""Simulated stays at the step at which a run's policies decide: the `Situation` of a roll-out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.agents.config import AgentConfig
from core.agents.keys import agent_key
from core.base.errors import RunError
from core.base.remembered import remembered
from core.cohort import History
from core.evaluation import NeighborPolicy
from core.icu.fit.baselines import baseline_values
from core.icu.fit.clinicians import estimated_clinicians
from core.icu.stays import unknown_there
from core.icu.view import RunView
from core.policies import Policy
from core.policies.key import PROSPECTIVE

if TYPE_CHECKING:
    from core.agents import AgentStack
    from core.encoder import Encoder
    from core.trajectories import Scaler


class RunPolicy:
    """A policy on a run's terms, as the simulator calls it: history so far -> action probabilities (n, A).

    clinicians: the run's estimate of the clinicians' policy, to be shared by many policies; made where one asks for it.
    """

    def __init__(self, view: RunView, policy: Policy, clinicians: NeighborPolicy | None = None) -> None:
        self.policy, self.stays = policy, SimulatedStays(view, clinicians)

    def __call__(self, history: History) -> np.ndarray:
        return self.policy.probs(self.stays.now(history))


class SimulatedStays:
    """n simulated stays at their current step, under a run's encoder, phenotypes and agents (see `Situation`).

    `now` moves on to the next step; stays that go on are not read again from their start.
    """

    def __init__(self, view: RunView, clinicians: NeighborPolicy | None = None) -> None:
        self.view, self._clinicians = view, clinicians
        self.history: History | None = None

    def now(self, history: History) -> SimulatedStays:
        """The situation at the current step of these stays."""
        self.history = history
        return self

    @property
    def agent_settings(self) -> AgentConfig:
        return self.view.config.agents

    @property
    def baselines(self) -> tuple[str, ...]:
        return self.view.baselines

    @property
    def added(self) -> tuple[str, ...]:
        return self.view.added

    def added_probs(self, name: str) -> np.ndarray:
        raise unknown_there(name)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._history),)

    @property
    def n_actions(self) -> int:
        return self.view.study.n_actions

    @property
    def behavior(self) -> np.ndarray:
        """(n, A) the run's estimate at the simulated state, as it would be for new patients; uniform for stays that
        have ended, of which whatever is said is ignored, since neighbors cost."""
        active = self._history.active
        probs = np.full((len(active), self.n_actions), 1 / self.n_actions)
        probs[active] = self._estimate(self._state[active])
        return probs

    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        """(n, K) distances at the current step, exactly as the recorded stays are seen prospectively."""
        _forward(mode)
        z = self._reader.z(self._history)
        if z is None:
            return np.zeros((len(self._history), n_clusters))
        return self.view.phenotypes.distances(z, n_clusters)

    def experts(self, n_clusters: int, temperature: float) -> np.ndarray:
        unit = temperature * self.view.expert_spreads(n_clusters)[:, None]  # (K, 1, 1)
        return np.moveaxis(self._agents(n_clusters).probs(self._state, unit), 0, -2)

    def expert_q(self, n_clusters: int) -> np.ndarray:
        """Q of each phenotype's agent, (n, K, A), as `Stays.agent_q` of recorded stays."""
        return np.moveaxis(self._agents(n_clusters).q_values(self._state), 0, -2)

    def baseline_q(self, name: str) -> np.ndarray:
        return self._baseline(name)(self._state)

    def baseline_spread(self, name: str) -> float | np.ndarray:
        return self.view.baseline_spread(name)

    def mean_distances(self, mode: str) -> np.ndarray:
        _forward(mode)
        states = self.view.scaler.scale(self._history.states)
        mask = np.ones(states.shape[:2], dtype=bool)
        return self.view.mean_phenotypes.distances(states, mask, mode)[:, -1]

    @property
    def _history(self) -> History:
        if self.history is None:
            raise RunError("these simulated stays have no step yet; give them a history first.")
        return self.history

    @property
    def _state(self) -> np.ndarray:
        return self.view.scaler.scale(self._history.state)

    @cached_property
    def _estimate(self) -> NeighborPolicy:
        return self._clinicians or estimated_clinicians(self.view)

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader(self.view.encoder(), self.view.scaler)

    @remembered(1)
    def _agents(self, n_clusters: int) -> AgentStack:
        return self.view.agents.select([agent_key(n_clusters, index) for index in range(n_clusters)])

    @remembered(1)
    def _baseline(self, name: str) -> Callable[[np.ndarray], np.ndarray]:
        return baseline_values(self.view, name)


def _forward(mode: str) -> None:
    if mode != PROSPECTIVE:
        raise RunError(
            f"only {PROSPECTIVE} policies can act in the simulator: mode '{mode}' weighs phenotypes by the whole stay, "
            "which nobody has while treating."
        )


class _Reader:
    """z of simulated stays at the time of a decision; stays that go on are not read again from their start."""

    def __init__(self, encoder: Encoder, scaler: Scaler) -> None:
        self.encoder, self.scaler = encoder, scaler
        self._read: History | None = None

    def z(self, history: History) -> np.ndarray | None:
        """(n, H) representation of the steps that may decide at the current one; None where there is no such step.

        As `decision_distances`: an encoder that reads the action given at a step decides by the steps before it.
        """
        from core.encoder import StepwiseReader

        if self._read is None or not _continues(self._read, history):
            self._stepwise, self._z = StepwiseReader(self.encoder), None
        known = history.step + (not self.encoder.sees_current_action)
        lag = 0 if self.encoder.sees_current_action else 1
        for step in range(self._stepwise.steps, known):
            actions = history.actions[:, step - lag] if step >= lag else None
            self._z = self._stepwise.read(self.scaler.scale(history.states[:, step]), actions)
        self._read = history
        return self._z


def _continues(before: History, now: History) -> bool:
    """True where `now` holds the same stays as `before`, further on."""
    steps = before.step
    same = len(before) == len(now) and steps < now.step and np.array_equal(before.states, now.states[:, : steps + 1])
    return same and np.array_equal(before.actions, now.actions[:, :steps])
