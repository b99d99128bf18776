"""What moves an option's value at a step of a stay: each column in turn replaced by what similar patients have.

    moved_j = A(s) - mean_i A(s with s_j := s_j of i),    A(s, a) = Q(s, a) - sum_b mu(b) Q(s, b)

A is the advantage of a dose over what clinicians give here, mu, their shares at the recorded state, which are held. The
patients i are those of the training states nearest to s in all columns but j, in the same hazards of these, so that a
value set in belongs to somebody who is else like this patient. Positive: what was recorded speaks for the dose. It is
what the model leans on, not what the dose would do; columns are moved one at a time, so that the parts do not add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.remembered import remembered_by
from core.cohort import History
from core.evaluation.similar import similar_but_for_one
from core.fusion import fuse, fusion_weights
from core.icu.ask.options import AGENTS, SPREADS
from core.icu.fit.simulated import SimulatedStays
from core.icu.fit.values import load_critic
from core.icu.view import RunView
from core.policies.hazards import hazards_by_column
from core.policies.key import PolicyKey
from core.study import StudySpec

MIDDLE = (0.1, 0.9)  # quantiles over similar patients between which the middle 80 % of the changes lie


@dataclass(frozen=True, eq=False)
class Moves:
    """Of D columns and A doses: moved, low and high (D, A), the mean change and its `MIDDLE` over those set in; NaN
    where nobody is similar."""

    moved: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Why:
    """What moves each dose's value at a step.

    advantage (A,) over what clinicians give here; state (D,) as recorded, similar (D,) mean of what is set in, both in
    the study's units; patients (D,) how many different ones; moves of every column and dose.
    """

    study: StudySpec
    advantage: np.ndarray
    state: np.ndarray
    similar: np.ndarray
    patients: np.ndarray
    moves: Moves

    def table(self, action: int) -> pd.DataFrame:
        """Columns by how far they move a dose's value, the farthest first: column, value, similar, patients, moved,
        low, high."""
        found = pd.DataFrame(
            {
                "column": self.study.names,
                "value": self.state,
                "similar": self.similar,
                "patients": self.patients,
                "moved": self.moves.moved[:, action],
                "low": self.moves.low[:, action],
                "high": self.moves.high[:, action],
            }
        )
        return found.sort_values("moved", key=np.abs, ascending=False, kind="stable", ignore_index=True)


@remembered_by(4)
def why(view: RunView, patient: int, step: int, key: PolicyKey, by: str = AGENTS) -> Why:
    """What moves the value of every dose at a step, from the stay so far alone.

    by: the estimate that ranks doses, one of `SPREADS`; the fused agents' is read along the way of a what-if, encoder,
    weights and agents. A static column is replaced at all steps so far, any other at this one. `ConfigError` for
    another estimate, and where agents exclude a dose so that it has no value.
    """
    if by not in SPREADS:
        raise ConfigError(f"doses are ranked by {' or by '.join(SPREADS)}, not by {by}.")
    start, train = view.cohort.starts[patient], view.training_states
    state = view.cohort.states[start + step].astype(np.float64)
    bank = view.cohort.states[view.cohort.starts[train[:, 0]] + train[:, 1]].astype(np.float64)
    hazards = [hazards_by_column(view.study, some) for some in (bank, state)]
    rows = similar_but_for_one(bank, hazards[0], view.persons[train[:, 0]], state, hazards[1], view.persons[patient])
    others = np.where(rows >= 0, np.take_along_axis(bank, np.maximum(rows, 0).T, axis=0).T, np.nan)  # (D, k)
    value = _agents(view, patient, step, key) if by == AGENTS else _critic(view)
    usual = view.behavior[patient, step].astype(np.float64)

    def advantage(states: np.ndarray) -> np.ndarray:
        q = value(states).astype(np.float64)
        return np.asarray(q - (q @ usual)[:, None])

    here = advantage(state[None])[0]
    if not np.isfinite(here).all():
        raise ConfigError("the agents exclude a dose here, which then has no value that could move; rank by FQI.")
    whose = [len(np.unique(train[row[row >= 0], 0])) for row in rows]
    n = (rows >= 0).sum(axis=1)
    mean = np.where(n, np.nansum(others, axis=1) / np.maximum(n, 1), np.nan)
    return Why(view.study, here, state, mean, np.array(whose), moves(advantage, state, others))


def moves(value: Callable[[np.ndarray], np.ndarray], state: np.ndarray, others: np.ndarray) -> Moves:
    """How far each column's own value moves what a function says of a state, against those of others.

    value: states (n, D) -> (n, A); state (D,); others (D, k) values to set into each column, NaN for none. Of a linear
    function w it is w_j (s_j - mean of the others in column j), exactly.
    """
    column, draw = np.nonzero(np.isfinite(others))
    changed = np.repeat(state[None], len(column), axis=0)
    changed[np.arange(len(column)), column] = others[column, draw]
    told = value(np.concatenate([state[None], changed]))
    change = np.full((*others.shape, told.shape[1]), np.nan)
    change[column, draw] = told[0] - told[1:]
    found = np.full((3, len(state), told.shape[1]), np.nan)
    some = np.isfinite(others).any(axis=1)
    found[0, some] = np.nanmean(change[some], axis=1)
    found[1:, some] = np.nanquantile(change[some], MIDDLE, axis=1)
    return Moves(*found)


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
