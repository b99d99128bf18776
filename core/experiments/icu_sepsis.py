"""ICU-Sepsis: a Markov decision process estimated from MIMIC-III, where every policy's value is known exactly.

713 living states, 25 actions, absorbing death and survival; the return is survival itself (reward 1, gamma = 1). It
enters the engine as any cohort does, through the study `icu_sepsis`, whose state columns are the cluster centers.

A stay of L decisions becomes L + 1 rows, since the engine earns the outcome on a transition between rows: the last row
repeats the last living state with one more action of the expert's, which has no effect. Stays longer than the study's
horizon are drawn again (0.02 % of the expert's).
Source: Choudhary et al. 2024, ICU-Sepsis: a benchmark MDP built from real medical data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.rng import stream
from core.cohort import Cohort, make_cohort
from core.study import StudySpec, load_study

STUDY = "icu_sepsis"
LIVING, DEATH, SURVIVAL = 713, 713, 714  # states below LIVING are alive


@dataclass(frozen=True, eq=False)
class Process:
    """transition (S, A, S), start (S,), expert (S, A), centers (S, 47) of all S = 716 states."""

    transition: np.ndarray
    start: np.ndarray
    expert: np.ndarray
    centers: np.ndarray

    @property
    def admissible(self) -> np.ndarray:
        """(S, A) actions that experts took often enough to be known; any other acts as a random admissible one."""
        return self.expert > 0

    @property
    def uniform(self) -> np.ndarray:
        """(S, A) all admissible actions alike; in value the same as all 25 alike."""
        allowed = self.admissible
        return np.asarray(allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1))


@lru_cache(maxsize=1)
def load_process() -> Process:
    """The process from the installed package, read as arrays; `ConfigError` where it is not installed."""
    spec = find_spec("icu_sepsis")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("package icu-sepsis is not installed; run `pip install -r requirements-dev.txt`.")
    path = Path(next(iter(spec.submodule_search_locations))) / "envs" / "assets" / "dynamics.npz"
    with np.load(path, allow_pickle=False) as stored:
        return Process(stored["tx_mat"], stored["d_0"], stored["expert_policy"], stored["state_cluster_centers"])


def survival(process: Process, policy: np.ndarray) -> np.ndarray:
    """Probability of survival from each living state (713,), by solving V = P_pi V + P_pi(survival). policy (S, A)."""
    moves = np.einsum("sa,sat->st", policy[:LIVING], process.transition[:LIVING])
    return np.linalg.solve(np.eye(LIVING) - moves[:, :LIVING], moves[:, SURVIVAL])


def policy_value(process: Process, policy: np.ndarray) -> float:
    """Exact value of a policy (S, A): its survival from the starting states."""
    return float(process.start[:LIVING] @ survival(process, policy))


def optimal_policy(process: Process, sign: int = 1) -> np.ndarray:
    """(S, A) best admissible action of each state, by policy iteration from the expert; sign = -1: the worst."""
    policy, allowed = process.expert, process.admissible[:LIVING]
    while True:
        values = np.zeros(len(process.start))
        values[:LIVING], values[SURVIVAL] = survival(process, policy), 1.0
        action_values = np.where(allowed, sign * (process.transition[:LIVING] @ values), -np.inf)
        kept = sign * values[:LIVING]
        better = action_values.max(axis=1) > kept + 1e-12
        if not better.any():
            return policy
        changed = policy.copy()
        changed[:LIVING][better] = np.eye(policy.shape[1])[action_values.argmax(axis=1)[better]]
        policy = changed


@dataclass(frozen=True, eq=False)
class Sampled:
    """Stays of the expert as a cohort, and the state behind each of its rows (rows,)."""

    cohort: Cohort
    states: np.ndarray


def sample_stays(process: Process, n: int, seed: int, study: StudySpec | None = None) -> Sampled:
    """n stays of the expert as a checked cohort; stays beyond the study's horizon are drawn again."""
    study = load_study(STUDY) if study is None else study
    rng = stream(seed, "icu-sepsis")
    tables: list[pd.DataFrame] = []
    found = 0
    while found < n:
        table = _draw(process, 2 * (n - found) + 16, study.horizon, rng)
        table["traj"] += found
        tables.append(table[table["traj"] < n])
        found = int(tables[-1]["traj"].max()) + 1
    rows = pd.concat(tables, ignore_index=True).sort_values(["traj", "step"], ignore_index=True)
    centers = pd.DataFrame(process.centers[rows["state"]], columns=list(study.names))
    frame = pd.concat([rows[["traj", "step"]], centers, rows[["action", "outcome"]]], axis=1)
    return Sampled(make_cohort(frame, study), rows["state"].to_numpy())


def _draw(process: Process, n: int, horizon: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows traj, step, state, action, outcome of those of n stays that end within the horizon, numbered from 0."""
    moves, acts = np.cumsum(process.transition, axis=2), np.cumsum(process.expert, axis=1)
    state = np.searchsorted(np.cumsum(process.start), rng.random(n), side="right")
    alive, outcome, lengths = np.ones(n, dtype=bool), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    states, actions = np.zeros((n, horizon), dtype=np.int64), np.zeros((n, horizon), dtype=np.int64)
    for t in range(horizon):
        chance = rng.random((2, n))
        states[:, t] = state
        actions[:, t] = _pick(acts[state], chance[0])
        here = np.flatnonzero(alive)
        after = _pick(moves[state[here], actions[here, t]], chance[1, here])
        ends = after >= LIVING
        if t + 1 < horizon:  # the row after the last decision must fit as well
            over = here[ends]
            outcome[over], lengths[over] = np.where(after[ends] == SURVIVAL, 1, -1), t + 2
        alive[here[ends]] = False
        state[here[~ends]] = after[~ends]
    kept = np.flatnonzero(lengths)
    patient, step = np.nonzero(np.arange(horizon) < lengths[kept, None])
    last = step + 1 == lengths[kept][patient]
    return pd.DataFrame(
        {
            "traj": patient,
            "step": step,
            "state": states[kept][patient, step],
            "action": actions[kept][patient, step],
            "outcome": np.where(last, outcome[kept][patient], 0),
        }
    )


def _pick(cumulative: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """One index a row from cumulative probabilities (n, m)."""
    drawn = (chance[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    return np.asarray(np.minimum(drawn, cumulative.shape[1] - 1))
