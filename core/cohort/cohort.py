"""The checked cohort: one table, its study, where it comes from, and what was imputed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from core.study import StudySpec
from core.tables.report import CohortReport


@dataclass(frozen=True)
class Origin:
    """Where a cohort comes from; a simulated one can be made again from (like, n_patients, seed, world), with truth."""

    kind: Literal["recorded", "simulated"] = "recorded"
    like: str = ""  # "mimic-iv" or "eicu" for simulated ones; the extractor's name for extracted ones
    n_patients: int = 0
    seed: int = 0
    world: str = ""  # how a simulated world differs from the default one, as its `str`; empty where it does not

    @property
    def simulated(self) -> bool:
        return self.kind == "simulated"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Checked stays, sorted by patient and step; build it with `load_cohort` or `simulate_cohort`.

    frame: columns traj, step, <state columns>, action, outcome; steps run 0..T-1 in each patient; no NaN; state columns
      float32 in physical units; outcome is 0 but on the last row, where it is +1 (survived) or -1 (died).
    imputed: (rows, D) bool, True where a state value was not recorded but filled in.
    extra: optional columns (dose, hours) of the same rows, None where the file had none.
    """

    frame: pd.DataFrame
    study: StudySpec
    origin: Origin = field(default_factory=Origin)
    report: CohortReport = field(default_factory=CohortReport)
    imputed: np.ndarray | None = None
    extra: pd.DataFrame | None = None

    @cached_property
    def starts(self) -> np.ndarray:
        """(N,) first row of each patient."""
        return np.flatnonzero(self.frame["step"].to_numpy() == 0)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) steps of each patient."""
        return np.diff(np.append(self.starts, len(self.frame)))

    @cached_property
    def patients(self) -> np.ndarray:
        """(N,) patient keys (traj) in table order."""
        return self.frame["traj"].to_numpy()[self.starts]

    @property
    def n_patients(self) -> int:
        return len(self.starts)

    @cached_property
    def outcomes(self) -> np.ndarray:
        """(N,) +1 survived, -1 died."""
        return self.frame["outcome"].to_numpy()[self.starts + self.lengths - 1].astype(np.float32)

    @cached_property
    def states(self) -> np.ndarray:
        """(rows, D) float32 states in physical units."""
        names = self.study.names  # side by side in the table, so that a slice need not copy them
        return self.frame.loc[:, names[0] : names[-1]].to_numpy(np.float32)

    @cached_property
    def actions(self) -> np.ndarray:
        """(rows,) int64 actions."""
        return self.frame["action"].to_numpy(np.int64)

    def rows(self, patient: int) -> slice:
        """Rows of the patient at this position (0..N-1)."""
        start = int(self.starts[patient])
        return slice(start, start + int(self.lengths[patient]))

    @cached_property
    def persons(self) -> np.ndarray:
        """(N,) number 0..P-1 of each stay's person, in order of first stay; every stay its own where none are named."""
        n = self.n_patients
        if self.extra is None or "subject" not in self.extra:
            return np.arange(n)
        subject = self.extra["subject"].to_numpy(np.float64)[self.starts]
        unknown = np.isnan(subject)
        subject[unknown] = -1.0 - np.arange(n)[unknown]  # a stay without a person is its own
        _, first, person = np.unique(subject, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[person]

    @cached_property
    def data_hash(self) -> str:
        """16 hex digits over lengths, states, actions, outcomes and which stays are of one person.

        Equal data that are split alike give equal hashes: how persons are called does not matter, nor whether they are
        named at all where each has one stay.
        """
        digest = hashlib.sha256()
        for array in (self.lengths.astype(np.int64), self.states, self.actions, self.outcomes):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(",".join(self.study.names).encode())
        if self.persons.max(initial=-1) + 1 < self.n_patients:
            digest.update(self.persons.astype(np.int64).tobytes())
        return digest.hexdigest()[:16]
