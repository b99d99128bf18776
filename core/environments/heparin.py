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
from core.cohort.simulate import mechanism
from core.cohort.simulate.clinicians import Clinicians
from core.cohort.simulate.constants import check_like, load_constants
from core.cohort.simulate.rollout import Moment, Rollout, draw, stepwise
from core.cohort.simulate.world import World
from core.rewards import step_rewards
from core.study import load_study

PURPOSE = "environment"
REFERENCE_PATIENTS, REFERENCE_SEED = 1000, 0  # of the cohort whose spans scale the reward's differences


class HeparinEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One simulated stay at a time, in a world.

    Observations (D,) float32 in physical units: the columns `observation_names` in `observation_units`, within the
    study's plausible bounds. Actions 0..A-1: the doses `action_names`.

    info after `reset` and each step: `hours` from onset (float), and the truth, which no policy may learn from:
    `phenotype` (its name), `clinicians` (A,) what the clinicians of this world would give with which probability, and
    `given`, the dose that they do give here: who plays `given` throughout plays the recorded stay. At the end also
    `survived`; `reset` also tells the number `stay`.

    `reset(seed=)` makes all later episodes reproducible; `reset(options={"stay": s})` plays stay s again.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, world: World | None = None, like: str = "mimic-iv", spans: np.ndarray | None = None) -> None:
        self.world, self.like, self.study = world or World(), check_like(like), load_study()
        self.spans = reference_spans(like) if spans is None else np.asarray(spans, dtype=np.float64)
        self.observation_names = self.study.names
        self.observation_units = tuple(column.unit for column in self.study.columns)
        self.action_names = tuple(self.study.actions.label(a) for a in range(self.study.n_actions))
        low, high = np.array([column.plausible for column in self.study.columns], dtype=np.float32).T
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.action_space = cast("gymnasium.Space[np.int64]", gymnasium.spaces.Discrete(self.study.n_actions))
        self._constants = load_constants(like, self.world.memory)
        self._clinicians = Clinicians(self._constants.action_intercepts, self.study, self.world)
        self._stays: Generator[Moment, np.ndarray, Rollout] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        stay = int((options or {}).get("stay", drawn))
        self._stays = stepwise(self._constants, self.study, 1, stay, f"{PURPOSE} {self.like}", world=self.world)
        moment = next(self._stays)
        self._state = moment.history.state[0].copy()
        return self._state, {"stay": stay, **self._told(moment)}

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self._stays is None:
            raise ConfigError("this episode is over, or has not begun; call reset() before step().")
        chosen = np.eye(self.study.n_actions)[[int(action)]]
        moment = self._stays.send(chosen)
        before, self._state = self._state, moment.history.state[0].copy()
        reward = float(step_rewards(before, self._state, self.study, self.spans))
        told = self._told(moment)
        if not moment.last[0]:
            return self._state, reward, False, False, told
        outcome = self._outcome(chosen)
        return self._state, reward + self.study.terminal_coeff * outcome, True, False, told | {"survived": outcome > 0}

    def _told(self, moment: Moment) -> dict[str, Any]:
        """What is known of a moment beside the state; see the class."""
        probs = self._clinicians(moment.history)
        return {
            "hours": float(self.study.hours(moment.place)[0]),
            "phenotype": mechanism.PHENOTYPES[moment.history.phenotype[0]],
            "clinicians": probs[0] / probs[0].sum(),  # the published shares that they are mixed with are rounded
            "given": int(draw(probs, moment.uniform)[0]),
        }

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
