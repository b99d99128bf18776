"""The worlds that boards, environments and data sets are about, and plain rules that anybody can write down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.cohort.simulate.history import History, Policy
from core.cohort.simulate.world import World
from core.study import StudySpec

WORLDS: dict[str, World] = {
    "heparin": World(),
    "weak": World(effect="weak"),
    "harm": World(effect="no-benefit"),
    "null": World(effect="none"),
    "confounded": World(confounding=1.0),
    "irregular": World(irregular=True),
    "memory": World(memory=True),
    "equally-restless": World(phenotypes="equally-restless"),
    "slow-drift": World(phenotypes="slow-drift"),
}
SPREAD = 0.2
Rule = Callable[[pd.DataFrame], np.ndarray]  # physical states, a table with the study's columns -> (n, A)


def named_world(name: str) -> World:
    """The world of that name; `ConfigError` where there is none."""
    if name not in WORLDS:
        raise ConfigError(f"world '{name}' is not known; choose among {', '.join(WORLDS)}.")
    return WORLDS[name]


def mostly(dose: np.ndarray, n_actions: int = 5, spread: float = SPREAD) -> np.ndarray:
    """(n, A): the dose, with the share `spread` laid evenly over all doses, so that some recorded stay follows it."""
    return np.asarray(np.eye(n_actions)[dose] * (1 - spread) + spread / n_actions)


RULES: dict[str, Rule] = {
    "never": lambda s: mostly(np.zeros(len(s), dtype=np.int64)),
    "low": lambda s: mostly(np.ones(len(s), dtype=np.int64)),
    "high": lambda s: mostly(np.full(len(s), 4)),
    "careful": lambda s: mostly(np.where((s["Platelets"] < 50) | (s["PTT"] > 100), 0, 1)),
    "at-risk": lambda s: mostly(np.where((s["Platelets"] < 100) & (s["PTT"] <= 60), 3, 0)),
    "even": lambda s: np.full((len(s), 5), 0.2),
}


def acting(rule: Rule, study: StudySpec) -> Policy:
    """A rule as the simulator calls it."""

    def policy(history: History) -> np.ndarray:
        return rule(pd.DataFrame(history.state, columns=list(study.names)))

    return policy
