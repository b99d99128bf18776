"""From the cohort's long table to padded arrays (N, T, D) with a mask, and to flat transitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.cohort.cohort import Cohort
from core.rewards import step_rewards
from core.study import StudySpec
from core.trajectories.scaling import Scaler

BLOCK = 200_000  # rows handled at once


@dataclass(frozen=True, eq=False)
class Trajectories:
    """N stays padded to the study's horizon T; padding is 0 (actions, rewards, states) and False (mask).

    states (N, T, D) float32 scaled; actions (N, T) int64; rewards (N, T) float32, of t -> t+1, so 0 on the last real
    step, unless the study's last row is a decision; mask (N, T) real steps; outcomes (N,) +1 survived, -1 died, or what
    the study asks for (see `Cohort.outcomes`).
    """

    study: StudySpec
    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    mask: np.ndarray
    outcomes: np.ndarray
    scaler: Scaler | None = None  # what scaled the states

    @property
    def n(self) -> int:
        return len(self.states)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) real steps."""
        return np.asarray(self.mask.sum(axis=1))

    @cached_property
    def transition_mask(self) -> np.ndarray:
        """(N, T) True where step t is a decision: the steps that have a reward, and that off-policy estimates use.

        Those are the steps with a successor; all, where the study's last row is a decision too.
        """
        if self.study.last_row == "decision":
            return self.mask
        mask = self.mask.copy()
        mask[:, :-1] &= self.mask[:, 1:]
        mask[:, -1] = False
        return mask

    @property
    def survived(self) -> np.ndarray | None:
        """(N,) bool; None where the study's outcome does not tell."""
        return self.outcomes > 0 if self.study.tells_survival else None

    @property
    def static(self) -> np.ndarray:
        """(N, S) scaled static columns."""
        return self.states[:, 0, : self.study.n_static]

    @property
    def temporal(self) -> np.ndarray:
        """(N, T, D - S) scaled temporal columns."""
        return self.states[:, :, self.study.n_static :]

    def subset(self, patients: np.ndarray) -> Trajectories:
        """Only the patients at these positions."""
        return replace(
            self,
            states=self.states[patients],
            actions=self.actions[patients],
            rewards=self.rewards[patients],
            mask=self.mask[patients],
            outcomes=self.outcomes[patients],
        )


@dataclass(frozen=True, eq=False)
class Transitions:
    """n transitions (s, a, r, s', terminal); `patient` is the position in the trajectories, `step` the t of s."""

    states: np.ndarray  # (n, D) float32
    actions: np.ndarray  # (n,) int64
    rewards: np.ndarray  # (n,) float32
    next_states: np.ndarray  # (n, D) float32
    terminals: np.ndarray  # (n,) bool
    patient: np.ndarray  # (n,) int64
    step: np.ndarray  # (n,) int64

    @property
    def next_step(self) -> np.ndarray:
        """(n,) the t of s'; where the stay ends that of s, since nothing of s' is read there."""
        return np.asarray(self.step + ~self.terminals)

    def __len__(self) -> int:
        return len(self.actions)


def make_trajectories(cohort: Cohort, scaler: Scaler) -> Trajectories:
    """Pad and scale a cohort; rewards follow the cohort's study (see `core.rewards`)."""
    study, n, horizon = cohort.study, cohort.n_patients, cohort.study.horizon
    patient = np.repeat(np.arange(n), cohort.lengths)
    step = cohort.frame["step"].to_numpy(np.int64)
    states = np.zeros((n, horizon, study.n_columns), dtype=np.float32)
    actions = np.zeros((n, horizon), dtype=np.int64)
    mask = np.zeros((n, horizon), dtype=bool)
    raw = cohort.states
    for start in range(0, len(raw), BLOCK):  # in blocks: scaling works in float64
        rows = slice(start, start + BLOCK)
        states[patient[rows], step[rows]] = scaler.scale(raw[rows])
    actions[patient, step] = cohort.actions
    mask[patient, step] = True
    return Trajectories(study, states, actions, rewards_of(cohort, study, scaler), mask, cohort.outcomes, scaler)


def rewards_of(cohort: Cohort, study: StudySpec, scaler: Scaler) -> np.ndarray:
    """(N, T) float32 rewards of t -> t+1 in the study's terms, or as the cohort's file gives them; 0 where no step
    follows. study: the cohort's own, or one that differs from it in the terms of its reward alone."""
    if cohort.given_rewards is not None:
        return _placed(cohort, cohort.given_rewards)
    raw, patient = cohort.states, np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    here = np.flatnonzero(np.append(patient[1:] == patient[:-1], False))
    blocks = (here[start : start + BLOCK] for start in range(0, len(here), BLOCK))
    reward = np.zeros(len(raw), dtype=np.float32)
    for rows in blocks:
        reward[rows] = step_rewards(raw[rows], raw[rows + 1], study, scaler.spans)
    last_decision = cohort.starts + cohort.lengths - study.fewest_rows
    reward[last_decision] += np.float32(study.terminal_coeff) * cohort.outcomes
    return _placed(cohort, reward)


def _placed(cohort: Cohort, values: np.ndarray) -> np.ndarray:
    """(N, T) float32 values (rows,) at their places, 0 elsewhere."""
    patient = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    grid = np.zeros((cohort.n_patients, cohort.study.horizon), dtype=np.float32)
    grid[patient, cohort.frame["step"].to_numpy(np.int64)] = values
    return grid


def reward_terms(cohort: Cohort, study: StudySpec, scaler: Scaler) -> np.ndarray:
    """(N, T, J + 1) what each term of the reward adds to it, its coefficient included, and the outcome last, or in its
    place the reward as given.

    Their sum is `rewards_of` but for float32 rounding: the reward is linear in its coefficients.
    """
    alone = [study.model_copy(update={"rewards": (term,), "terminal_coeff": 0.0}) for term in study.rewards]
    alone.append(study.model_copy(update={"rewards": ()}))
    return np.stack([rewards_of(cohort, one, scaler) for one in alone], axis=-1)


def make_transitions(trajectories: Trajectories, patients: np.ndarray | None = None) -> Transitions:
    """Flat transitions of the given patient positions (None: all), in order of patient and step.

    Where a stay ends with its last row, that row's state stands for the next one, of which nothing is read.
    """
    mask = trajectories.transition_mask
    decisions = mask.sum(axis=1)
    if patients is not None:
        keep = np.zeros(trajectories.n, dtype=bool)
        keep[patients] = True
        mask = mask & keep[:, None]
    patient, step = np.nonzero(mask)
    return Transitions(
        states=trajectories.states[patient, step],
        actions=trajectories.actions[patient, step],
        rewards=trajectories.rewards[patient, step],
        next_states=trajectories.states[patient, np.minimum(step + 1, trajectories.lengths[patient] - 1)],
        terminals=step + 1 == decisions[patient],
        patient=patient,
        step=step,
    )


def padded(steps: np.ndarray, mask: np.ndarray, padding: float = 0.0) -> np.ndarray:
    """Values of the real steps at their places: (n, ...), in the order of mask (N, T) -> (N, T, ...), same dtype."""
    grid = np.full((*mask.shape, *steps.shape[1:]), padding, dtype=steps.dtype)
    grid[mask] = steps
    return grid
