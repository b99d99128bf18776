"""Policies that a leaderboard's worlds teach: this project's learning rules on a cohort that the board never judges on.

Each is the greedy dose of its agent with the share `SPREAD` laid over all doses, as the fixed rules are, so that some
recorded stay follows it. One agent learns from all stays, without phenotypes: what is compared is the learning rule.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.agents import AgentConfig, train_agents
from core.agents.returns import return_scale, returns_to_go
from core.agents.stack import AgentStack
from core.base.rng import derive_seed
from core.base.types import Progress
from core.bring.judgment import Bench, on_grid
from core.bring.policy import BroughtPolicy
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.named import Rule, mostly
from core.cohort.simulate.truth import GAMMA
from core.cohort.simulate.world import World
from core.study import StudySpec
from core.trajectories import Scaler, Transitions, fit_scaler, make_trajectories, make_transitions

OURS = ("double_dqn", "cql", "behavior_cloning")
BATCH, HIDDEN = 256, 128


@dataclass(frozen=True, eq=False)
class School:
    """What a policy is learned from. transitions: in scaled states and the study's rewards; updates: of each agent;
    scale: root mean square of the recorded returns, in which all learners count rewards."""

    study: StudySpec
    scaler: Scaler
    transitions: Transitions
    updates: int
    seed: int

    @property
    def scale(self) -> float:
        return return_scale(returns_to_go(self.transitions, GAMMA))

    def rule(self, doses: Callable[[np.ndarray], np.ndarray]) -> Rule:
        """A rule on physical states from one that gives doses (n,) for scaled states (n, D)."""

        def rule(states: pd.DataFrame) -> np.ndarray:
            scaled = self.scaler.scale(states.loc[:, list(self.study.names)].to_numpy())
            return mostly(doses(scaled), self.study.n_actions)

        return rule


def make_school(world: World, n_patients: int, seed: int, updates: int) -> School:
    """A cohort of the world of its own: no stay of it is judged."""
    cohort, _ = simulate_world("mimic-iv", n_patients, derive_seed(seed, "leaderboard", "school") % 2**31, world)
    scaler = fit_scaler(cohort)
    return School(cohort.study, scaler, make_transitions(make_trajectories(cohort, scaler)), updates, seed)


def our_names() -> list[str]:
    """What `our_policy` knows, called as the rules of `OURS` are."""
    return [name.replace("_", "-") for name in OURS]


def our_policy(school: School, name: str) -> Rule:
    """What the learning rule of that name learns."""
    algorithm, n = name.replace("-", "_"), len(school.transitions)
    config = AgentConfig(
        algorithm=algorithm,
        epochs=max(1, round(school.updates * BATCH / n)),
        hidden_size=HIDDEN,
        batch_size=min(BATCH, n),
        normalize_rewards=True,
        seed=school.seed,
    )
    training = train_agents(config, school.transitions, [np.arange(n)], n_actions=school.study.n_actions)
    agents = _finished(training)
    return school.rule(lambda states: agents.q_values(states)[0].argmax(axis=-1))


def _finished(training: Generator[Progress, None, AgentStack]) -> AgentStack:
    while True:
        try:
            next(training)
        except StopIteration as end:
            return cast(AgentStack, end.value)


def forest_value(bench: Bench, policy: BroughtPolicy) -> float:
    """Fitted Q evaluation on all stays of a bench: the mean over stays of sum_a pi(a|s_0) Q(s_0, a)."""
    data, probs = bench.trajectories, on_grid(bench.cohort, policy.probs)[bench.rows]
    return float(bench.whole_critic.fitted(probs).v(data.states[:, 0], probs[:, 0]).mean())
