"""The body over time: hidden factors, heparin's effect, and the latent signals that measurements read."""

from __future__ import annotations

import numpy as np

from core.cohort.simulate import mechanism
from core.cohort.simulate.patients import Patients
from core.cohort.simulate.world import World


class Body:
    """Hidden state of n patients, advanced one step at a time, all patients at once.

    entry: (n,) step of the window at which each of them begins; the paths stay at their end beyond the window.
    """

    def __init__(
        self, patients: Patients, entry: np.ndarray, horizon: int, rng: np.random.Generator, world: World
    ) -> None:
        k = patients.phenotype
        self._rng = rng
        self._phenotype = k
        self._levels = patients.levels
        self._paths = mechanism.paths(horizon, world.straight)
        self._dynamics = mechanism.dynamics(world.alike)
        self._effects = world.full_effects
        memory, own_memory = mechanism.memories(world.alike)
        self._noise = mechanism.FLUCTUATION_SD * np.sqrt(1 - memory**2)
        self._loadings = mechanism.loadings()
        self._own_sd = np.sqrt(np.maximum(1 - (self._loadings**2).sum(axis=1), 0.02))
        share = np.array([signal.level for signal in mechanism.SIGNALS.values()])
        self._own_level = patients.own_levels * np.sqrt(share)
        self._own_share = np.sqrt(1 - share)
        self._own_memory = own_memory[k][:, None]
        self._last = horizon - 1
        self.step = entry
        self._fluctuation = mechanism.FLUCTUATION_SD * rng.standard_normal(patients.levels.shape)
        self._own = rng.standard_normal(patients.own_levels.shape)
        self._exposure = np.zeros((len(k), len(mechanism.CHANNELS)))

    @property
    def factors(self) -> np.ndarray:
        """(n, F) hidden factors now."""
        return np.asarray(
            self._levels
            + self._paths[self._phenotype, np.minimum(self.step, self._last)]
            + self._fluctuation
            + self.heparin_effect
        )

    @property
    def heparin_effect(self) -> np.ndarray:
        """(n, F) what the heparin given so far does to the factors now."""
        share = self._exposure / (mechanism.HALF_EXPOSURE + self._exposure)
        return self._by_phenotype(share, self._effects)

    @property
    def signals(self) -> np.ndarray:
        """(n, J) latent signals now."""
        own = self._own_level + self._own_share * self._own
        return np.asarray(self.factors @ self._loadings.T + self._own_sd * own)

    def advance(self, actions: np.ndarray) -> None:
        """One step of 4 hours under the given actions (n,)."""
        k = self._phenotype
        noise = self._rng.standard_normal(self._fluctuation.shape) * self._noise[k][:, None]
        self._fluctuation = self._by_phenotype(self._fluctuation, self._dynamics.transpose(0, 2, 1)) + noise
        self._exposure = mechanism.CHANNEL_MEMORY * self._exposure + mechanism.DOSE_INTENSITY[:, actions].T
        shock = self._rng.standard_normal(self._own.shape)
        self._own = self._own_memory * self._own + np.sqrt(1 - self._own_memory**2) * shock
        self.step = self.step + 1

    def _by_phenotype(self, rows: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        """rows (n, X) times the matrix (X, F) of each patient's phenotype: (n, F)."""
        out = np.empty((len(rows), matrices.shape[2]))
        for k, matrix in enumerate(matrices):
            chosen = self._phenotype == k
            out[chosen] = rows[chosen] @ matrix
        return out
