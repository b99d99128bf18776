"""What moves the value of a dose at a step of a stay, against what similar patients have.

    A(s, a) = Q(s, a) - sum_b mu(b) Q(s, b)

mu: what clinicians give at the recorded state. The states set in are those of the training states nearest to s in all
columns but one, in the same hazards of these (`core.evaluation.moved`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.base.errors import ConfigError
from core.base.remembered import remembered_by
from core.cohort import History
from core.evaluation.moved import Why, explain, over_usual
from core.evaluation.similar import similar_but_for_one
from core.fusion import fuse, fusion_weights
from core.icu.ask.options import AGENTS, SPREADS
from core.icu.fit.simulated import SimulatedStays
from core.icu.fit.values import load_critic
from core.icu.view import RunView
from core.policies.hazards import hazards_by_column
from core.policies.key import PolicyKey


@remembered_by(4)
def why(view: RunView, patient: int, step: int, key: PolicyKey, by: str = AGENTS) -> Why:
    """What moves the value of every dose at a step, from the stay so far alone.

    by: the estimate that ranks doses, one of `SPREADS`; the fused agents' is read along the way of a what-if, encoder,
    weights and agents. A static column is replaced at all steps so far, any other at this one. `ConfigError` for
    another estimate, and where agents exclude a dose so that it has no value.
    """
    if by not in SPREADS:
        raise ConfigError(f"{view.study.actions.words} are ranked by {' or by '.join(SPREADS)}, not by {by}.")
    start, train = view.cohort.starts[patient], view.training_states
    state = view.cohort.states[start + step].astype(np.float64)
    bank = view.cohort.states[view.cohort.starts[train[:, 0]] + train[:, 1]].astype(np.float64)
    hazards = [hazards_by_column(view.study, some) for some in (bank, state)]
    rows = similar_but_for_one(bank, hazards[0], view.persons[train[:, 0]], state, hazards[1], view.persons[patient])
    value = _agents(view, patient, step, key) if by == AGENTS else _critic(view)
    advantage = over_usual(value, view.behavior[patient, step].astype(np.float64))
    if not np.isfinite(advantage(state[None])).all():
        raise ConfigError(
            f"the agents exclude a {view.study.actions.word} here, which then has no value that could move; rank by "
            "FQI."
        )
    return explain(view.study.names, advantage, state, bank, rows, train[:, 0])


def _agents(view: RunView, patient: int, step: int, key: PolicyKey) -> Callable[[np.ndarray], np.ndarray]:
    """Q of the fused agents, with the stay as it was up to the step and a given state there, (n, D) -> (n, A)."""
    rows = view.cohort.rows(patient)
    course = view.cohort.states[rows][: step + 1].astype(np.float64)
    given, static = view.trajectories.actions[patient, :step], view.study.n_static

    def value(states: np.ndarray) -> np.ndarray:
        n = len(states)
        stays = np.repeat(course[None], n, axis=0)
        stays[:, -1] = states
        stays[:, :, :static] = states[:, None, :static]
        actions = np.repeat(given[None], n, axis=0)
        now = SimulatedStays(view).now(History(stays, actions, np.ones(n, dtype=bool), np.zeros(n, dtype=np.int64)))
        weights = fusion_weights(now.distances(key.n_clusters, key.mode), key.lambda_)
        return fuse(weights, now.expert_q(key.n_clusters))

    return value


def _critic(view: RunView) -> Callable[[np.ndarray], np.ndarray]:
    """Q* by the run's forest, which looks at the state alone."""
    forest = load_critic(view.path / "fqi.npz")
    return lambda states: forest.q_values(view.scaler.scale(states))
