"""A simulator from elsewhere: one adapter class says what it is, and it becomes cohorts and true values.

The simulator is any Gymnasium environment with a finite number of actions. An episode of L decisions becomes a stay of
L rows where the study's last row is a decision, and else of L + 1: the last one then holds the last observation, or
repeats the one before where that is no living state, and its action has no effect.

The reward is the environment's own, each step's as it came, where the study names a `reward_column`; else it follows
from the study's terms and outcome. The outcome is what the study says: survival, a number, or none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pandas as pd

from core.base.rng import derive_seed, stream
from core.cohort import Cohort, TrueValue, make_cohort
from core.study import StudySpec
from core.trajectories import fit_scaler, make_trajectories

Act = Callable[[Any, np.ndarray], np.ndarray]  # observation, physical state (D,) -> (A,) probabilities


class Adapter(ABC):
    """What the engine must know about a simulator."""

    @property
    @abstractmethod
    def study(self) -> StudySpec:
        """Columns, actions, rewards and horizon; longer episodes are drawn again."""

    @abstractmethod
    def make(self) -> gymnasium.Env[Any, Any]:
        """The environment."""

    @abstractmethod
    def columns(self, observation: Any) -> np.ndarray | None:
        """(D,) the study's columns in physical units; None where the observation is no living state."""

    @abstractmethod
    def clinicians(self, observation: Any, state: np.ndarray) -> np.ndarray:
        """(A,) probabilities of the recorded behavior."""

    def outcome(self, reward: float, info: dict[str, Any]) -> float:
        """The outcome, from the last step's reward and info: +1 survived, -1 died, or the study's number. Not asked
        where the study has none."""
        return 0.0


def collect(adapter: Adapter, n: int, seed: int, act: Act | None = None) -> Cohort:
    """n stays under a policy (None: the recorded behavior) as a checked cohort of the adapter's study."""
    env, rng = adapter.make(), stream(seed, "environment", "actions")
    episode, tables = derive_seed(seed, "environment") % 2**31, list[pd.DataFrame]()
    while len(tables) < n:
        rows = _episode(adapter, env, episode, rng, act or adapter.clinicians)
        episode += 1
        if rows is not None:
            tables.append(rows.assign(traj=len(tables)))
    env.close()
    return make_cohort(pd.concat(tables, ignore_index=True), adapter.study)


def mean_return(adapter: Adapter, act: Act | None, n: int, seed: int, gamma: float = 1.0) -> TrueValue:
    """Monte Carlo value of a policy in the simulator itself: mean discounted return and survival over n stays, survival
    NaN where the outcome does not tell it."""
    cohort = collect(adapter, n, seed, act)
    data = make_trajectories(cohort, fit_scaler(cohort))
    returns = data.rewards.astype(np.float64) @ gamma ** np.arange(data.rewards.shape[1])
    alive = np.full(n, np.nan) if data.survived is None else data.survived.astype(np.float64)
    errors = [float(x.std(ddof=1) / np.sqrt(n)) for x in (returns, alive)]
    return TrueValue(float(returns.mean()), errors[0], float(alive.mean()), errors[1], n)


def _episode(
    adapter: Adapter, env: gymnasium.Env[Any, Any], seed: int, rng: np.random.Generator, act: Act
) -> pd.DataFrame | None:
    """Rows step, <columns>, action, reward, outcome of one episode; None where it is longer than the horizon."""
    study = adapter.study
    observation, _ = env.reset(seed=seed)
    states, actions, rewards = [], [], []
    state = adapter.columns(observation)
    assert state is not None, "an episode must begin in a living state"
    while True:
        probs = act(observation, state)
        action = int(rng.choice(study.n_actions, p=probs / probs.sum()))
        states.append(state)
        actions.append(action)
        if len(states) + study.fewest_rows - 1 > study.horizon:  # the last state's row is to come, if it has one
            return None
        observation, reward, terminated, truncated, info = env.step(action)
        earned = float(reward)
        rewards.append(earned)
        after = adapter.columns(observation)
        if terminated or truncated:
            break
        assert after is not None, "a step that does not end the episode must lead to a living state"
        state = after
    if study.last_row == "state":
        states.append(state if after is None else after)
        actions.append(actions[-1])
        rewards.append(0.0)
    end = 0.0 if study.outcome == "none" else adapter.outcome(earned, info)
    return _rows(study, np.stack(states), actions, rewards, end)


def _rows(study: StudySpec, states: np.ndarray, actions: list[int], rewards: list[float], end: float) -> pd.DataFrame:
    """The table of one episode, with the columns that its study asks for."""
    table = pd.DataFrame(states, columns=list(study.names))
    table.insert(0, "step", np.arange(len(states)))
    table["action"] = actions
    if study.reward_column:
        table[study.reward_column] = rewards
    if study.outcome != "none":
        table["outcome"] = np.append(np.zeros(len(states) - 1), end)
    return table
