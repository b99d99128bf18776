"""Off-policy estimates over the course of treatment, by the estimators of the ICU study.

A course begins at the first stage at which acute or chronic GVHD is treated, for those who reach it alive and without
relapse, and has one reward a stage. Where both are decided at the same stage, the experts choose them independently
given the state, so that their ratios multiply.

Every course is valued over the same number of stages: after death or relapse nothing is decided (ratio 1) and nothing
earned. Grouping courses by their length, as stays in the ICU are, would hide what a policy does to survival.

Loss to follow-up is one more choice that no policy makes: a course that is lost at stage t gets propensity 0 there, and
one that is kept is divided by the share that is kept at that stage (inverse probability of censoring). So even the
observed treatment has an effective sample size below the number of patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evaluation import phwdr_many, phwis_many, propensities, support_grade
from core.registry.cohort import RegistryCohort
from core.registry.decisions import state_rewards
from core.rng import stream
from core.types import OPEResult

UNSEEN = 1e-3  # expert probability of a combination outside the catalog; policies that follow the experts share it
RIDGE = 10.0  # penalty of the critic's coefficients


@dataclass(frozen=True, eq=False)
class Courses:
    """Recorded courses of N patients over T stages, from stage `first` to the last but one.

    patients (N,) positions in the cohort; going (N, T) a decision is posed and all before were followed; followed
    (N, T) going, and the next stage is recorded; rewards (N, T), 0 where nothing is earned or known.
    """

    first: int
    patients: np.ndarray
    going: np.ndarray
    followed: np.ndarray
    rewards: np.ndarray

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def lost(self) -> np.ndarray:
        """(N, T) lost to follow-up after this stage."""
        return self.going & ~self.followed

    def kept_share(self) -> np.ndarray:
        """(T,) share of the going courses that are followed to the next stage; 1 where none is."""
        going, followed = self.going.sum(axis=0), self.followed.sum(axis=0)
        return np.where(followed > 0, followed / np.maximum(going, 1), 1.0)


def make_courses(cohort: RegistryCohort, patients: np.ndarray, first: int) -> Courses:
    """Courses of these patients from stage `first` (index) on; those not recorded there, dead or relapsed have none."""
    spec = cohort.spec
    rows = cohort.row_of[patients][:, first:]
    present = rows >= 0
    safe = np.maximum(rows, 0)
    open_ = present & ~cohort.ended[safe]
    shape = (len(patients), spec.horizon - first)
    going, followed = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    unbroken = np.ones(len(patients), dtype=bool)
    for t in range(shape[1]):
        going[:, t] = unbroken & open_[:, t]
        followed[:, t] = going[:, t] & present[:, t + 1]
        unbroken = followed[:, t]
    arrived = state_rewards(cohort.indicators[safe[:, 1:].reshape(-1)], spec.rewards).reshape(shape)
    begun = going[:, 0]
    rewards = np.where(followed, arrived, 0.0)
    return Courses(first, np.asarray(patients)[begun], going[begun], followed[begun], rewards[begun])


@dataclass(frozen=True, eq=False)
class Points:
    """Decision points of some courses for one treatment.

    course, step (n,): where they are on the (N, T) grid; states (n, D); actions (n,), -1 outside the catalog; given
    (n, n_drugs) 0/1 as recorded; matrix (A, n_drugs) the catalog; expert (n, A) calibrated probabilities; policies:
    (n, A) probabilities by name.
    """

    course: np.ndarray
    step: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    given: np.ndarray
    matrix: np.ndarray
    expert: np.ndarray
    policies: Mapping[str, np.ndarray]

    def taken(self, probs: np.ndarray, unseen: float) -> np.ndarray:
        """(n,) probability of the recorded combination, `unseen` where it is not in the catalog."""
        known = propensities(probs, np.maximum(self.actions, 0))
        return np.where(self.actions >= 0, known, unseen)

    def unseen(self, policy: str, follow_share: float) -> float:
        """What a policy gives a combination outside the catalog: nothing, but where it follows the experts."""
        if policy == "observed":
            return UNSEEN
        return (1 - follow_share) * UNSEEN if policy.endswith("-mixed") else 0.0


def behavior_propensities(courses: Courses, treatments: Mapping[str, Points], kept_share: np.ndarray) -> np.ndarray:
    """(N, T) probability of what was recorded: the experts' choices, and that the course was followed."""
    grid = np.where(courses.going, kept_share, 1.0)
    for points in treatments.values():
        grid[points.course, points.step] *= points.taken(points.expert, UNSEEN)
    return grid


def policy_propensities(
    courses: Courses, treatments: Mapping[str, Points], policy: str, follow_share: float
) -> np.ndarray:
    """(N, T) probability of what was recorded under a policy that loses no one."""
    grid = np.where(courses.lost, 0.0, 1.0)
    for points in treatments.values():
        taken = points.taken(points.policies[policy], points.unseen(policy, follow_share))
        grid[points.course, points.step] *= taken
    return grid


class LinearCritic:
    """Fitted Q evaluation of one policy, stage by stage from the last, linear in the drugs.

        Q_t(s, a) = w_t . [1, s, drugs(a), drugs(a) x (acute GVHD, chronic GVHD)]
        V_t(s) = sum_a pi(a|s) Q_t(s, a) = Q_t at the drugs that the policy expects to give

    Linearity makes the expectation over hundreds of combinations one matrix product. It is a control variate: PHWDR
    stays right where the propensities are, however crude the critic.
    """

    def __init__(self, gamma: float, indicator_columns: tuple[int, ...]) -> None:
        self.gamma, self.indicators = gamma, indicator_columns
        self._weights: dict[int, np.ndarray] = {}

    def fit(self, courses: Courses, treatments: Mapping[str, Points], policy: str, states: np.ndarray) -> None:
        """Fit on courses; states (N, T, D) on their grid."""
        given, expected = _drugs(courses, treatments, None), _drugs(courses, treatments, policy)
        following = np.zeros(len(courses))
        for t in reversed(range(courses.going.shape[1])):
            used = courses.followed[:, t]
            rows = self._features(states[used, t], given[used, t])
            target = courses.rewards[used, t] + self.gamma * following[used]
            self._weights[t] = _ridge(rows, target)
            value = self._features(states[:, t], expected[:, t]) @ self._weights[t]
            following = np.where(courses.going[:, t], value, 0.0)

    def values(
        self, courses: Courses, treatments: Mapping[str, Points], policy: str, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Q of what was recorded and V under the policy, both (N, T), 0 where nothing is decided."""
        out = []
        for drugs in (_drugs(courses, treatments, None), _drugs(courses, treatments, policy)):
            columns = [self._features(states[:, t], drugs[:, t]) @ w for t, w in sorted(self._weights.items())]
            out.append(np.where(courses.going, np.stack(columns, axis=1), 0.0))
        return out[0], out[1]

    def _features(self, states: np.ndarray, drugs: np.ndarray) -> np.ndarray:
        crossed = [drugs * states[:, [column]] for column in self.indicators]
        return np.concatenate([np.ones((len(states), 1)), states, drugs, *crossed], axis=1)


def _drugs(courses: Courses, treatments: Mapping[str, Points], policy: str | None) -> np.ndarray:
    """(N, T, drugs of all treatments) recorded (None), or expected under a policy."""
    parts = []
    for points in treatments.values():
        values = points.given if policy is None else points.policies[policy] @ points.matrix.astype(np.float32)
        grid = np.zeros((*courses.going.shape, points.given.shape[1]))
        grid[points.course, points.step] = values
        parts.append(grid)
    return np.concatenate(parts, axis=2)


def _ridge(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Coefficients of least squares with an equal penalty on all but the intercept (first column)."""
    penalty = np.full(rows.shape[1], RIDGE)
    penalty[0] = 1e-6
    return np.linalg.solve(rows.T @ rows + np.diag(penalty), rows.T @ target)


@dataclass(frozen=True, eq=False)
class Recorded:
    """Courses with the points of each treatment and the states on their grid (N, T, D)."""

    courses: Courses
    treatments: Mapping[str, Points]
    states: np.ndarray


def off_policy_table(
    train: Recorded,
    test: Recorded,
    policies: tuple[str, ...],
    *,
    kept_share: np.ndarray,
    gamma: float,
    indicator_columns: tuple[int, ...],
    follow_share: float,
    n_bootstrap: int,
    ess_floor: float,
    seed: int,
) -> pd.DataFrame:
    """PHWIS and PHWDR of each policy on the test courses: policy, estimator, value, low, high, ess, zero_weight,
    max_weight, support, n. Critics come from the training courses. kept_share (T,): share kept under observation at
    each stage (`Courses.kept_share`) where the test courses were recorded."""
    courses = test.courses
    behavior = behavior_propensities(courses, test.treatments, kept_share)
    evaluated, q_taken, v = [], [], []
    for policy in policies:
        evaluated.append(policy_propensities(courses, test.treatments, policy, follow_share))
        critic = LinearCritic(gamma, indicator_columns)
        critic.fit(train.courses, train.treatments, policy, train.states)
        taken, value = critic.values(courses, test.treatments, policy, test.states)
        q_taken.append(taken)
        v.append(value)
    mask, pi = np.ones(behavior.shape, dtype=bool), np.stack(evaluated)

    def rng() -> np.random.Generator:
        return stream(seed, "registry", "bootstrap")

    phwis = phwis_many(courses.rewards, mask, pi, behavior, gamma, n_bootstrap, rng())
    phwdr = phwdr_many(courses.rewards, mask, pi, behavior, np.stack(q_taken), np.stack(v), gamma, n_bootstrap, rng())
    rows = [
        {"policy": policy, **_row(result, ess_floor)}
        for i, policy in enumerate(policies)
        for result in (phwis[i], phwdr[i])
    ]
    return pd.DataFrame(rows)


def _row(result: OPEResult, ess_floor: float) -> dict[str, object]:
    """One estimate with its support; where no course agrees with the policy to its end there is none, and ESS is 0."""
    known = result.zero_weight < 1
    ess = result.ess if known else 0.0
    return {
        "estimator": result.estimator,
        "value": result.value if known else np.nan,
        "low": result.low if known else np.nan,
        "high": result.high if known else np.nan,
        "ess": ess,
        "zero_weight": result.zero_weight,
        "max_weight": result.max_weight if known else np.nan,
        "support": support_grade(ess, result.n, result.zero_weight, result.max_weight, ess_floor),
        "n": result.n,
    }
