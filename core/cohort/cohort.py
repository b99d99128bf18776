"""The checked cohort: one table, its study, where it comes from, and what was imputed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from core.cohort.hours import HourAxis, hour_axis, row_hours
from core.cohort.twins import Fingerprints, fingerprints, merged
from core.study import StudySpec
from core.tables.origin import Origin
from core.tables.report import CohortReport

FEWEST_DOSES = 20  # recorded amounts of a bin, below which their median says little


@dataclass(frozen=True, eq=False)
class Cohort:
    """Checked stays, sorted by patient and step; build it with `load_cohort` or `simulate_cohort`.

    frame: columns traj, step, <state columns>, action, outcome; traj is text, in natural order ("2" before "10");
      steps run 0..T-1 in each patient; no NaN; state columns float32 in physical units; outcome is 0 but on the last
      row, where it is +1 (survived) or -1 (died), or the number that the study asks for. No column outcome where the
      study has none.
    imputed: (rows, D) bool, True where a state value was not recorded but filled in.
    extra: optional columns (dose, hours, subject) and the reward as given, of the same rows, None where the file had
      none; read the hours from `hours`, which knows what to do where there are none.
    twins: (N,) position of the first stay that is the same under another key, its own where there is none; None: none.
    """

    frame: pd.DataFrame
    study: StudySpec
    origin: Origin = field(default_factory=Origin)
    report: CohortReport = field(default_factory=CohortReport)
    imputed: np.ndarray | None = None
    extra: pd.DataFrame | None = None
    twins: np.ndarray | None = None

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
        """(N,) patient keys (traj), text, in table order."""
        return self.frame["traj"].iloc[self.starts].to_numpy(dtype=object)

    @property
    def n_patients(self) -> int:
        return len(self.starts)

    @cached_property
    def outcomes(self) -> np.ndarray:
        """(N,) +1 survived, -1 died; or the study's number; 0 where it has no outcome."""
        if self.study.outcome == "none":
            return np.zeros(self.n_patients, dtype=np.float32)
        return np.asarray(self.frame["outcome"].to_numpy()[self.starts + self.lengths - 1].astype(np.float32))

    @cached_property
    def died(self) -> np.ndarray:
        """(N,) bool; nobody where the study's outcome does not tell who survived."""
        return np.asarray(self.outcomes < 0) & self.study.tells_survival

    def mortality(self, stays: np.ndarray | slice = slice(None)) -> float:
        """Share of the stays at these positions that died; NaN for no stays, and where the outcome does not tell."""
        died = self.died[stays]
        return float(died.mean()) if len(died) and self.study.tells_survival else float("nan")

    @property
    def given_rewards(self) -> np.ndarray | None:
        """(rows,) reward of the step from each row to the next as the file gives it, 0 on a stay's last row if that
        is no decision; None where the study computes it."""
        name = self.study.reward_column
        return None if not name or self.extra is None else self.extra[name].to_numpy(np.float64)

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

    @property
    def timed(self) -> bool:
        """True where hours were recorded."""
        return self.extra is not None and "hours" in self.extra

    @cached_property
    def hours(self) -> np.ndarray:
        """(rows,) start of each step in hours from onset: recorded, else counted in steps (see `core.cohort.hours`)."""
        recorded = self.extra["hours"].to_numpy(np.float64) if self.extra is not None and self.timed else None
        return row_hours(self.frame["step"].to_numpy(), self.starts, self.lengths, self.study, recorded)

    @cached_property
    def bin_doses(self) -> np.ndarray:
        """(A,) the dose that stands for each bin: the median of the recorded amounts in it where `FEWEST_DOSES` are
        recorded, else the study's representative dose. The widest bin is skewed: its middle is hardly ever given."""
        doses = np.array(self.study.actions.representative, dtype=np.float64)
        if self.extra is None or "dose" not in self.extra:
            return doses
        given = pd.to_numeric(self.extra["dose"], errors="coerce").to_numpy(np.float64)
        for action in range(1, len(doses)):
            recorded = given[(self.actions == action) & np.isfinite(given)]
            if len(recorded) >= FEWEST_DOSES:
                doses[action] = np.median(recorded)
        return doses

    def amounts(self, patient: int) -> pd.DataFrame:
        """Recorded amounts of the drug in each step of a stay: columns dose and dose_<kind>, as far as the file has
        them."""
        if self.extra is None:
            return pd.DataFrame(index=range(int(self.lengths[patient])))
        given = self.extra.loc[:, self.extra.columns.str.startswith("dose")]
        return given.iloc[self.rows(patient)].reset_index(drop=True)

    @cached_property
    def axis(self) -> HourAxis:
        """Slots of hours on which all stays are aligned."""
        return hour_axis(self.hours, np.repeat(np.arange(self.n_patients), self.lengths), self.study)

    @cached_property
    def persons(self) -> np.ndarray:
        """(N,) number 0..P-1 of each stay's person, in order of first stay.

        Persons are told by column `subject`, a stay without one being its own, and by what was recorded: stays that
        are the same under different keys are of one person (see `core.cohort.twins`).
        """
        n = self.n_patients
        named = pd.factorize(self.subjects)[0]
        label = np.where(self.subjects == "", n + np.arange(n), named)
        return merged(label, np.arange(n) if self.twins is None else self.twins)

    @cached_property
    def subjects(self) -> np.ndarray:
        """(N,) key of each stay's person as text, the first one named in it, "" where none is."""
        if self.extra is None or "subject" not in self.extra:
            return np.full(self.n_patients, "", dtype=object)
        code, names = pd.factorize(self.extra["subject"].astype("str"))
        rows = np.arange(len(code))
        first = np.minimum.reduceat(np.where(code < 0, len(code), rows), self.starts) if len(code) else rows
        of_stay = np.append(code, -1)[first]
        return np.asarray(np.append(np.asarray(names, dtype=object), "")[of_stay])

    @cached_property
    def prints(self) -> Fingerprints:
        """What was recorded in each row, as numbers to compare rows by."""
        recorded = (self._recorded(j) for j in range(self.study.n_columns))
        return fingerprints(recorded, self.study, self.actions, np.repeat(self.outcomes, self.lengths))

    def _recorded(self, column: int) -> np.ndarray:
        """(rows,) one state column, NaN where it was filled in."""
        values = self.states[:, column]
        return values if self.imputed is None else np.where(self.imputed[:, column], np.float32(np.nan), values)

    @cached_property
    def data_hash(self) -> str:
        """16 hex digits over lengths, states, actions, outcomes, given rewards and which stays are of one person.

        Equal data that are split alike give equal hashes: how persons are called does not matter, nor whether they are
        named at all where each has one stay.
        """
        digest = hashlib.sha256()
        for array in (self.lengths.astype(np.int64), self.states, self.actions, self.outcomes):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(",".join(self.study.names).encode())
        if self.given_rewards is not None:
            digest.update(self.given_rewards.tobytes())
        if self.persons.max(initial=-1) + 1 < self.n_patients:
            digest.update(self.persons.astype(np.int64).tobytes())
        return digest.hexdigest()[:16]
