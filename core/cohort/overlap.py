"""Stays of one cohort that lie in another as well, and the persons that both name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cohort.cohort import Cohort
from core.cohort.twins import FEWEST_IN_ROW, Fingerprints, rows_recur


@dataclass(frozen=True, eq=False)
class Overlap:
    """What a cohort has in common with `ours`, the one it is compared with.

    stays: (N of theirs,) True for stays recorded in ours as well; named: (N of theirs,) True for stays whose person has
    a name that a person of ours has.
    """

    stays: np.ndarray
    named: np.ndarray

    @property
    def any(self) -> np.ndarray:
        """(N of theirs,) True for stays that are not new to ours."""
        return np.asarray(self.stays | self.named)

    def __str__(self) -> str:
        """What is shared in one sentence; "" where nothing is shared."""
        n, total = int(self.any.sum()), len(self.any)
        if not n:
            return ""
        same, named = int(self.stays.sum()), int((self.named & ~self.stays).sum())
        how = [f"{same:,} with the same records"] if same else []
        how += [f"{named:,} more by the name of the person"] if named else []
        known = f"{n:,} of {total:,} stays are of patients whom the run already knows ({', '.join(how)})"
        return f"{known}: what is estimated on them is no external validation."


def overlap(ours: Cohort, theirs: Cohort) -> Overlap:
    """Which stays of a cohort are not new to another one of the same study.

    A stay is shared where at least half of the rows that can tell it from others stand in ours, wherever it begins or
    ends there; none is where the stays of ours share rows among themselves (see `core.cohort.twins`). Names of persons
    are compared where both cohorts were recorded and name them in `subject`.
    """
    return Overlap(_shared(ours, theirs), _named(ours, theirs))


def _shared(ours: Cohort, theirs: Cohort) -> np.ndarray:
    none = np.zeros(theirs.n_patients, dtype=bool)
    if ours.study.names != theirs.study.names or not theirs.n_patients:
        return none
    telling = _telling(theirs.prints)
    known = telling & np.isin(theirs.prints.states, ours.prints.states[_telling(ours.prints)])
    stay = np.repeat(np.arange(ours.n_patients), ours.lengths)
    single = np.ones(ours.n_patients, bool) if ours.twins is None else ours.twins == np.arange(ours.n_patients)
    if not known.any() or rows_recur(ours.prints, np.repeat(single, ours.lengths), stay):
        return none
    found, of = (np.add.reduceat(rows.astype(np.int64), theirs.starts) for rows in (known, telling))
    return (found > 0) & (2 * found >= of)


def _named(ours: Cohort, theirs: Cohort) -> np.ndarray:
    if ours.origin.simulated or theirs.origin.simulated:
        return np.zeros(theirs.n_patients, dtype=bool)
    return np.asarray(np.isin(theirs.subjects, ours.subjects[ours.subjects != ""]) & (theirs.subjects != ""))


def _telling(prints: Fingerprints) -> np.ndarray:
    """(rows,) True where enough was measured to tell the row from those of other stays."""
    return prints.measured >= FEWEST_IN_ROW
