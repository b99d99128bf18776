"""Courses of patients from one stage on: where decisions are still posed, what is followed, and what is earned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.registry.cohort.table import RegistryCohort
from core.registry.spec import ALIVE, DEAD, RegistrySpec


def state_rewards(indicators: np.ndarray, spec: RegistrySpec) -> np.ndarray:
    """(n,) reward of arriving in states (n, 1 + indicators), `alive` first; the lowest that applies."""
    value = np.full(len(indicators), spec.rewards[ALIVE])
    for j, name in enumerate(spec.indicator_names[1:], start=1):
        value = np.where(indicators[:, j].astype(bool), np.minimum(value, spec.rewards[name]), value)
    return np.where(indicators[:, 0].astype(bool), value, spec.rewards[DEAD])


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
        return np.asarray(self.going & ~self.followed)

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
    begun = going[:, 0]
    bare = Courses(first, np.asarray(patients)[begun], going[begun], followed[begun], np.zeros((begun.sum(), shape[1])))
    return replace(bare, rewards=course_rewards(cohort, spec, bare))


def course_rewards(cohort: RegistryCohort, spec: RegistrySpec, courses: Courses) -> np.ndarray:
    """(N, T) what recorded courses earn by the rewards of `spec`, the registry's own or others."""
    arrived = np.maximum(cohort.row_of[courses.patients][:, courses.first + 1 :], 0)
    earned = state_rewards(cohort.indicators[arrived.reshape(-1)], spec).reshape(arrived.shape)
    return np.where(courses.followed, earned, 0.0)


def weighted_returns(courses: Courses, kept_share: np.ndarray, gamma: float) -> np.ndarray:
    """(N,) discounted sums of rewards in which those who are followed stand for those who were lost.

        G = sum_t gamma^t r_t [followed to t + 1] / prod_{u <= t} kept_u

    Each reward is divided by the share kept under observation so far, so that its mean is that of patients nobody of
    whom is lost, where loss does not depend on what would have come. Source: Bang and Tsiatis 2000 (partitioned inverse
    probability of censoring). kept_share (T,): see `Courses.kept_share`.
    """
    steps = np.arange(courses.rewards.shape[1])
    return np.asarray(courses.rewards @ (gamma**steps / np.cumprod(kept_share)))
