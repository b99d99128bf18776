"""A world that nobody here wrote: Gymnasium's frozen lake, with a reward for every step and no outcome."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from core.environments import Adapter
from core.study import StudySpec

STEPS, GOAL, HOLE, ICE = 12, 4.0, -2.0, -0.125  # most steps of an episode; what they earn
PLACE = {"unit": "1", "kind": "temporal", "plausible": [0, 3]}
LAKE = {
    "name": "lake",
    "title": "A frozen lake",
    "population": "Episodes of a game",
    "horizon": STEPS + 1,
    "step_hours": 1.0,
    "terminal_coeff": 0.0,
    "outcome": "none",
    "reward_column": "earned",
    "severity": "row",
    "highlights": ["row", "column"],
    "columns": [{"name": "row", **PLACE}, {"name": "column", **PLACE}],
    "actions": {"kind": "choice", "drug": "way", "names": ["left", "down", "right", "up"]},
}


class Lake(Adapter):
    """Four ways to go on ice that lets one slip; a study may ask for more of it than the reward."""

    def __init__(self, **changes: Any) -> None:
        self._study = StudySpec.build(LAKE | changes, "lake")

    @property
    def study(self) -> StudySpec:
        return self._study

    def make(self) -> gymnasium.Env[Any, Any]:
        return gymnasium.make("FrozenLake-v1", max_episode_steps=STEPS, reward_schedule=(GOAL, HOLE, ICE))

    def columns(self, observation: Any) -> np.ndarray | None:
        return np.array(divmod(int(observation), 4), dtype=np.float64)

    def clinicians(self, observation: Any, state: np.ndarray) -> np.ndarray:
        return np.array([0.2, 0.3, 0.3, 0.2])

    def outcome(self, reward: float, info: dict[str, Any]) -> float:
        return reward


def careful(observation: Any, state: np.ndarray) -> np.ndarray:
    """Mostly left in the first column, and down elsewhere."""
    return np.array([0.7, 0.1, 0.1, 0.1]) if state[1] == 0 else np.array([0.1, 0.7, 0.1, 0.1])


def exact_value(adapter: Lake, act: Any, gamma: float) -> float:
    """Discounted return of a policy by backward induction over the lake's own table of transitions."""
    made: Any = adapter.make().unwrapped
    value = np.zeros(16)
    for _ in range(STEPS):
        after = np.zeros(16)
        for state in range(16):
            place = np.array(divmod(state, 4))
            for action, share in enumerate(act(state, place)):
                for chance, led_to, reward, ends in made.P[state][action]:
                    after[state] += share * chance * (reward + gamma * (0.0 if ends else value[led_to]))
        value = after
    return float(value[0])
