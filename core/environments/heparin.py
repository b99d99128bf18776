"""The heparin simulator as a Gymnasium environment: an episode is a stay, a step is four hours, an action is a dose.

The same loop as every cohort and true value (`core.cohort.simulate.rollout`): an episode's discounted return is that of
the stay in a roll-out with its seed. The reward of a step is the study's; the outcome is earned with the step into the
record's last row.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from typing import Any, cast

import gymnasium
import numpy as np

from core.base.errors import ConfigError
from core.cohort import simulate_cohort
from core.cohort.simulate.constants import check_like, load_constants
from core.cohort.simulate.rollout import Moment, Rollout, stepwise
from core.cohort.simulate.world import World
from core.rewards import step_rewards
from core.study import load_study

PURPOSE = "environment"
REFERENCE_PATIENTS, REFERENCE_SEED = 1000, 0  # of the cohort whose spans scale the reward's differences
WORLDS: dict[str, World] = {
    "Heparin": World(),
    "HeparinWeak": World(effect="weak"),
    "HeparinHarm": World(effect="no-benefit"),
    "HeparinNull": World(effect="none"),
    "HeparinConfounded": World(confounding=1.0),
    "HeparinIrregular": World(irregular=True),
    "HeparinMemory": World(memory=True),
}


class HeparinEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One simulated stay at a time, in a world.

    Observations (D,) float32 in physical units, in the order of the study's columns; actions 0..A-1, the study's doses.
    info: hours since onset of the window; at the end `survived`. `reset(seed=)` makes all later episodes reproducible;
    `reset(options={"stay": s})` plays the stay of that number again.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, world: World | None = None, like: str = "mimic-iv", spans: np.ndarray | None = None) -> None:
        self.world, self.like, self.study = world or World(), check_like(like), load_study()
        self.spans = reference_spans(like) if spans is None else np.asarray(spans, dtype=np.float64)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self.study.n_columns,), np.float32)
        self.action_space = cast("gymnasium.Space[np.int64]", gymnasium.spaces.Discrete(self.study.n_actions))
        self._stays: Generator[Moment, np.ndarray, Rollout] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        stay = int((options or {}).get("stay", drawn))
        constants = load_constants(self.like, self.world.memory)
        self._stays = stepwise(constants, self.study, 1, stay, f"{PURPOSE} {self.like}", world=self.world)
        self._state = next(self._stays).history.state[0].copy()
        return self._state, {"stay": stay}

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self._stays is None:
            raise ConfigError("this episode is over, or has not begun; call reset() before step().")
        chosen = np.eye(self.study.n_actions)[[int(action)]]
        moment = self._stays.send(chosen)
        before, self._state = self._state, moment.history.state[0].copy()
        reward = float(step_rewards(before, self._state, self.study, self.spans))
        if not moment.last[0]:
            return self._state, reward, False, False, {}
        outcome = self._outcome(chosen)
        ended = {"survived": outcome > 0}
        return self._state, reward + self.study.terminal_coeff * outcome, True, False, ended

    def _outcome(self, chosen: np.ndarray) -> float:
        """+1 survived, -1 died; the simulator's window is played to its end, which changes nothing any more."""
        assert self._stays is not None
        try:
            while True:
                self._stays.send(chosen)
        except StopIteration as ended:
            self._stays = None
            return float(ended.value.outcomes[0])


@lru_cache(maxsize=2)
def reference_spans(like: str) -> np.ndarray:
    """(D,) max - min of each column in a reference cohort."""
    states = simulate_cohort(like, REFERENCE_PATIENTS, REFERENCE_SEED)[0].states
    return np.asarray(states.max(axis=0) - states.min(axis=0), dtype=np.float64)


def make_heparin(name: str = "Heparin", **settings: Any) -> HeparinEnv:
    """An environment by the name of its world, as in `WORLDS`; `ConfigError` for another name."""
    if name not in WORLDS:
        raise ConfigError(f"world '{name}' is not known; choose one of {', '.join(WORLDS)}.")
    return HeparinEnv(WORLDS[name], **settings)


def register_worlds() -> list[str]:
    """Let `gymnasium.make("phenopolicy/Heparin-v0")` and the other worlds be found; returns their names."""
    names = [f"phenopolicy/{name}-v0" for name in WORLDS]
    for name, world in zip(names, WORLDS, strict=True):
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=make_heparin, kwargs={"name": world})
    return names
