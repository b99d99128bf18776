"""ICU-Sepsis brought in by its adapter; see `core.experiments.icu_sepsis` for its exact values.

Source: Choudhary et al. 2024, ICU-Sepsis: a benchmark MDP built from real medical data.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np

from core.base.errors import ConfigError
from core.environments.adapter import Adapter
from core.study import StudySpec, load_study

LIVING = 713  # states from here on are death and survival


class IcuSepsis(Adapter):
    """713 living states, seen as the means of their columns; 25 actions; the return is survival. `ConfigError` where
    package icu-sepsis is not installed."""

    @cached_property
    def study(self) -> StudySpec:
        return load_study("icu_sepsis")

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Centers (S, 47) and expert policy (S, A), as the environment holds them."""
        inner: Any = self.make().unwrapped
        return np.asarray(inner._state_cluster_centers), np.asarray(inner._expert_policy)

    def make(self) -> gymnasium.Env[Any, Any]:
        if find_spec("icu_sepsis") is None:
            raise ConfigError("package icu-sepsis is not installed: pip install 'phenopolicy[dev]'.")
        import_module("icu_sepsis")  # registers its environments
        return gymnasium.make("Sepsis/ICU-Sepsis-v1")

    def columns(self, observation: Any) -> np.ndarray | None:
        centers = self._arrays[0]
        return None if int(observation) >= LIVING else np.asarray(centers[int(observation)])

    def clinicians(self, observation: Any, state: np.ndarray) -> np.ndarray:
        return np.asarray(self._arrays[1][int(observation)])

    def outcome(self, reward: float, info: dict[str, Any]) -> float:
        return 1.0 if reward > 0 else -1.0
