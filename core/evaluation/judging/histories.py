"""Recorded stays as the mix sees them: what was known at each step, flat over steps, and who followed whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from core.evaluation.resampling import person_numbers


@dataclass(frozen=True, eq=False)
class Histories:
    """N stays of at most T steps, and the flat list of their m evaluated steps in order of stay and step.

    states (N, T, D) in any scale; actions (N, T) int; rewards (N, T); mask (N, T) True at the steps that have a reward
    (`Trajectories.transition_mask`; nothing else is read); doses (A,) amount of each action, 0 for none, or (A, C) what
    each gives of C parts, where actions are choices or sets of drugs and have no order; memberships (N, T, K) phenotype
    weights as known at the step, or None; persons (N,) key of each stay's person (None: every stay its own); gamma the
    discount; follow_up (N, T) 0 where a stay is lost to follow-up after the step, so that its reward and what comes
    next are unknown, else 1 / the share that is kept there (None: nobody is lost). ValueError where shapes disagree, or
    a value at an evaluated step is not finite.
    """

    BY_STAY: ClassVar[tuple[str, ...]] = (
        *("states", "actions", "rewards", "mask", "memberships", "persons", "follow_up"),
    )

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    mask: np.ndarray
    doses: np.ndarray
    memberships: np.ndarray | None = None
    persons: np.ndarray | None = None
    gamma: float = 0.99
    follow_up: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.mask)
        for name in ("actions", "rewards", "states", "memberships", "follow_up"):
            array = getattr(self, name)
            if array is not None and np.shape(array)[:2] != shape:
                raise ValueError(f"{name} has shape {np.shape(array)}, expected (N, T, ...) with (N, T) = {shape}")
            if array is not None and not np.isfinite(array[self.mask]).all():
                raise ValueError(f"{name} must be finite at every masked step; impute it first")
        given = self.actions[self.mask]
        if len(given) == 0:
            raise ValueError("mask has no True step: there is nothing to evaluate")
        if given.min() < 0 or given.max() >= self.n_actions:
            raise ValueError(f"actions must lie in 0..{self.n_actions - 1}, one dose each in `doses`")

    @property
    def n_actions(self) -> int:
        return len(self.doses)

    def only(self, chosen: np.ndarray) -> Histories:
        """The chosen stays alone, (N,) bool."""
        given = {name: getattr(self, name) for name in self.BY_STAY}
        return replace(self, **{name: np.asarray(one)[chosen] for name, one in given.items() if one is not None})

    @cached_property
    def stay(self) -> np.ndarray:
        """(m,) stay of each step."""
        return np.nonzero(self.mask)[0]

    @cached_property
    def time(self) -> np.ndarray:
        """(m,) how many evaluated steps of the stay came before."""
        return np.asarray((np.cumsum(self.mask, axis=1) - 1)[self.mask])

    @cached_property
    def goes_on(self) -> np.ndarray:
        """(m,) True where the next flat step is the same stay's; after the others the value is 0."""
        return np.append(self.stay[1:] == self.stay[:-1], False)

    @cached_property
    def evaluated(self) -> np.ndarray:
        """(n,) stays with at least one step."""
        return np.asarray(self.stay[self.time == 0])

    @cached_property
    def last(self) -> np.ndarray:
        """(n,) column of each evaluated stay's last step."""
        horizon = self.mask.shape[1]
        return np.asarray(horizon - 1 - self.mask[self.evaluated, ::-1].argmax(axis=1))

    @cached_property
    def person(self) -> np.ndarray:
        """(N,) number of each stay's person."""
        rows = np.arange(len(self.mask))
        numbers = person_numbers(self.persons, rows, len(rows))
        return rows if numbers is None else numbers

    def flat(self, grid: np.ndarray) -> np.ndarray:
        """(N, T, ...) -> (m, ...)."""
        return np.asarray(np.asarray(grid)[self.mask])

    def after(self, steps: np.ndarray) -> np.ndarray:
        """Each step's successor in its stay, 0 where there is none. (m, ...) -> (m, ...)."""
        moved = np.zeros_like(steps)
        moved[:-1] = steps[1:]
        moved[~self.goes_on] = 0
        return moved

    def before(self, steps: np.ndarray) -> np.ndarray:
        """Each step's predecessor in its stay, 0 at the first. (m, ...) -> (m, ...)."""
        moved = np.zeros_like(steps)
        moved[1:] = steps[:-1]
        moved[self.time == 0] = 0
        return moved

    def total(self, steps: np.ndarray) -> np.ndarray:
        """Sum over each stay's steps. (m,) -> (N,)."""
        return np.bincount(self.stay, weights=steps, minlength=len(self.mask))

    def so_far(self, steps: np.ndarray) -> np.ndarray:
        """Sum over a stay's steps up to and with this one. (m, ...) -> (m, ...)."""
        grid = np.zeros((*self.mask.shape, *steps.shape[1:]))
        grid[self.mask] = steps
        return np.asarray(np.cumsum(grid, axis=1)[self.mask])

    @cached_property
    def returns(self) -> np.ndarray:
        """(N,) discounted return of each stay; 0 for a stay without steps. Stays that are followed stand for those that
        were lost: each reward times the product of `follow_up` so far."""
        earned = self.gamma**self.time * self.flat(self.rewards)
        return self.total(earned * np.exp(self.log_followed[self.stay, self.time]) * self.known)

    @cached_property
    def known(self) -> np.ndarray:
        """(m,) bool: the step's reward and what comes next were recorded."""
        return np.ones(len(self.stay), dtype=bool) if self.follow_up is None else self.flat(self.follow_up) > 0

    @cached_property
    def log_followed(self) -> np.ndarray:
        """(N, T) log of the product of `follow_up` over each stay's steps so far, left-aligned: -inf from a loss on,
        unchanged after the last step."""
        steps = np.zeros(self.mask.shape)
        if self.follow_up is not None:
            with np.errstate(divide="ignore"):
                steps[self.stay, self.time] = np.log(self.flat(self.follow_up))
        return np.cumsum(steps, axis=1)

    def taken(self) -> np.ndarray:
        """(m, A) what was done at each step as an action's weights: one-hot."""
        return np.asarray(np.eye(self.n_actions)[self.flat(self.actions)])

    @property
    def n_earlier(self) -> int:
        """Columns that say what was given before, the last of `propensity_columns`."""
        return 2 * int(self._amounts.shape[1])

    @property
    def _amounts(self) -> np.ndarray:
        """(A, C) what each action gives; of doses C is 1."""
        return np.asarray(self.doses, dtype=np.float64).reshape(self.n_actions, -1)

    @cached_property
    def state(self) -> np.ndarray:
        """(m, D) of each step."""
        return self.flat(self.states).astype(np.float64)

    @cached_property
    def moved(self) -> np.ndarray:
        """(m, D) how far each column is from where it was at the stay's step before; 0 at the first."""
        moved = np.abs(self.state - self.before(self.state))
        moved[self.time == 0] = 0
        return np.asarray(moved)

    @cached_property
    def earlier(self) -> np.ndarray:
        """(m, 2 C) what the step before gave and what was given so far before the step, of each of C parts (one of
        doses)."""
        # summed over the doses before: a sum less the step's own dose would show that dose in its last digits
        previous = self.before(self._amounts[self.flat(self.actions)])
        return np.concatenate([previous, self.so_far(previous)], axis=1)

    def propensity_columns(self) -> np.ndarray:
        """(m, D + K + 2 C): state, phenotype weights, and what was given before.

        Earlier doses stand for what clinicians know of a patient and the state does not show.
        """
        parts = [self.flat(self.states)]
        if self.memberships is not None:
            parts.append(self.flat(self.memberships))
        return np.concatenate([*parts, self.earlier], axis=1)
