"""d3rlpy on a leaderboard: its agents beside ours, and its fitted Q evaluation beside ours. Needs package d3rlpy.

Same transitions, same batch and hidden layer, as many updates, rewards in the same unit; everything else is d3rlpy's
default. Its evaluation asks for the one best action of a next state, which of a policy with probabilities is drawn anew
in every update, so that it evaluates the policy itself and not its mode.
Source: Seno and Imai 2022, d3rlpy, JMLR 23(315).
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from core.agents.returns import return_scale, returns_to_go
from core.base.errors import ConfigError
from core.base.rng import derive_seed, stream
from core.bring.judgment import Bench
from core.cohort.simulate.named import Rule
from core.experiments.board_learned import BATCH, HIDDEN, School
from core.trajectories import Transitions, make_transitions

LIBRARY = "d3rlpy"
THEIRS = {"double-dqn": "DoubleDQNConfig", "cql": "DiscreteCQLConfig", "behavior-cloning": "DiscreteBCConfig"}
EVALUATION_LR, EVALUATION_TARGET = 1e-3, 50  # values must reach back over a stay: updates / 50 > its steps


def d3rlpy() -> Any:
    """The library, without its log; `ConfigError` where it is not installed."""
    if find_spec(LIBRARY) is None:
        raise ConfigError("package d3rlpy is not installed: pip install --no-deps -r requirements-bench.txt.")
    module, structlog = import_module(LIBRARY), import_module("structlog")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors alone
    return module


def their_names() -> list[str]:
    """What `their_policy` knows: "d3rlpy-cql" and so on."""
    return [f"{LIBRARY}-{name}" for name in THEIRS]


def their_policy(school: School, name: str) -> Rule:
    """What the agent of that name learns."""
    library, settings = d3rlpy(), THEIRS[name.removeprefix(f"{LIBRARY}-")]
    library.seed(derive_seed(school.seed, "leaderboard", settings) % 2**31)
    agent = getattr(library.algos, settings)(batch_size=BATCH, encoder_factory=_network(library)).create(device="cpu:0")
    _fit(library, agent, _dataset(library, school.transitions, school.scale, school.study.n_actions), school.updates)
    return school.rule(lambda states: np.asarray(agent.predict(states)))


def network_value(bench: Bench, rule: Rule, updates: int) -> float:
    """d3rlpy's discrete fitted Q evaluation on all stays of a bench, read as `forest_value` reads ours."""
    library, data, study = d3rlpy(), bench.trajectories, bench.cohort.study
    transitions, scaler = make_transitions(data), data.scaler
    assert scaler is not None, "a bench scales its states"

    def probs_of(states: np.ndarray) -> np.ndarray:
        return rule(pd.DataFrame(scaler.unscale(states), columns=list(study.names)))

    scale = return_scale(returns_to_go(transitions, bench.config.gamma))
    library.seed(derive_seed(bench.config.seed, "leaderboard", "fqe") % 2**31)
    config = library.ope.FQEConfig(
        batch_size=BATCH,
        encoder_factory=_network(library),
        gamma=bench.config.gamma,
        learning_rate=EVALUATION_LR,
        target_update_interval=EVALUATION_TARGET,
    )
    critic = library.ope.DiscreteFQE(algo=_Drawn(probs_of, bench.config.seed), config=config, device="cpu:0")
    _fit(library, critic, _dataset(library, transitions, scale, study.n_actions), updates)
    first, probs = data.states[:, 0], probs_of(data.states[:, 0])
    q = np.stack([critic.predict_value(first, np.full(len(first), a)) for a in range(study.n_actions)], axis=1)
    return float(scale * (probs * q).sum(axis=1).mean())


class _Drawn:
    """What `DiscreteFQE` asks of an algorithm: the action at next states; here one drawn from the policy."""

    def __init__(self, probs_of: Any, seed: int) -> None:
        self._probs_of, self._rng = probs_of, stream(seed, "leaderboard", "fqe actions")
        self.impl = self

    def predict_best_action(self, states: Any) -> Any:
        """(n,) actions of a torch tensor of scaled states (n, D)."""
        probs = self._probs_of(states.cpu().numpy())
        drawn = (self._rng.random(len(probs))[:, None] >= np.cumsum(probs, axis=1)).sum(axis=1)
        return import_module("torch").as_tensor(np.minimum(drawn, probs.shape[1] - 1))


def _dataset(library: Any, transitions: Transitions, scale: float, n_actions: int) -> Any:
    """Episodes of scaled states; rewards in units of `scale`."""
    t = replace(transitions, rewards=(transitions.rewards / scale).astype(np.float32))
    return library.dataset.MDPDataset(
        t.states,
        t.actions[:, None],
        t.rewards[:, None],
        t.terminals.astype(np.float32),
        action_space=library.constants.ActionSpace.DISCRETE,
        action_size=n_actions,
    )


def _network(library: Any) -> Any:
    return library.models.VectorEncoderFactory(hidden_units=[HIDDEN])


def _fit(library: Any, learner: Any, data: Any, updates: int) -> None:
    quiet = library.logging.NoopAdapterFactory()
    learner.fit(data, n_steps=updates, n_steps_per_epoch=updates, logger_adapter=quiet, show_progress=False)
