"""The checked registry: one row a patient and stage, its study, and where it comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from core.registry.spec import RegistrySpec
from core.tables.origin import Origin
from core.tables.report import CohortReport


@dataclass(frozen=True, eq=False)
class RegistryCohort:
    """Checked rows, sorted by patient and stage; build it with `load_registry` or `simulate_registry`.

    frame: columns `spec.columns`: patient, stage (its day), baseline features (numbers float64 with NaN where missing,
      categories as text with None where missing), indicators 0/1, drugs 0/1 (0 where the decision is not made). A
      patient may lack stages; no row follows a death.
    """

    spec: RegistrySpec
    frame: pd.DataFrame
    origin: Origin = field(default_factory=Origin)
    report: CohortReport = field(default_factory=CohortReport)

    @cached_property
    def starts(self) -> np.ndarray:
        """(N,) first row of each patient."""
        keys = self.frame["patient"].to_numpy(dtype=object)
        return np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, dtype=np.int64)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) recorded stages of each patient."""
        return np.diff(np.append(self.starts, len(self.frame)))

    @property
    def n_patients(self) -> int:
        return len(self.starts)

    @cached_property
    def patients(self) -> np.ndarray:
        """(N,) patient keys, text, in table order."""
        return self.frame["patient"].iloc[self.starts].to_numpy(dtype=object)

    @cached_property
    def patient_index(self) -> np.ndarray:
        """(rows,) position 0..N-1 of each row's patient."""
        return np.repeat(np.arange(self.n_patients), self.lengths)

    @cached_property
    def stage_index(self) -> np.ndarray:
        """(rows,) index of each row's stage into `spec.stages`."""
        return np.searchsorted(np.asarray(self.spec.days), self.frame["stage"].to_numpy()).astype(np.int64)

    @cached_property
    def indicators(self) -> np.ndarray:
        """(rows, 1 + indicators) bool: alive, then the indicators of the registry."""
        return self.frame[list(self.spec.indicator_names)].to_numpy(bool)

    def drugs(self, decision: str) -> np.ndarray:
        """(rows, n_drugs) uint8 drugs given at each row for one decision."""
        return self.frame[list(self.spec.decision(decision).columns)].to_numpy(np.uint8)

    @cached_property
    def row_of(self) -> np.ndarray:
        """(N, stages) row of each patient's stage, -1 where the stage is missing."""
        table = np.full((self.n_patients, len(self.spec.stages)), -1, dtype=np.int64)
        table[self.patient_index, self.stage_index] = np.arange(len(self.frame))
        return table

    @cached_property
    def ended(self) -> np.ndarray:
        """(rows,) bool: dead, or with an indicator that ends, as a relapse; nothing is decided any more."""
        ends = [self.spec.indicator_names.index(name) for name in self.spec.ending]
        return np.asarray(~self.indicators[:, 0] | self.indicators[:, ends].any(axis=1))

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """(N rows) baseline features of each patient."""
        return self.frame.loc[self.starts, list(self.spec.feature_names)].reset_index(drop=True)

    def rows(self, patient: int) -> slice:
        """Rows of the patient at this position (0..N-1)."""
        start = int(self.starts[patient])
        return slice(start, start + int(self.lengths[patient]))

    def only(self, patients: np.ndarray) -> RegistryCohort:
        """The patients at these positions, in their order in this cohort."""
        keep = np.zeros(self.n_patients, dtype=bool)
        keep[patients] = True
        return replace(self, frame=self.frame[keep[self.patient_index]].reset_index(drop=True))

    @cached_property
    def data_hash(self) -> str:
        """16 hex digits over the rows of each patient and every column but the patient keys."""
        digest = hashlib.sha256(self.lengths.astype(np.int64).tobytes())
        digest.update("|".join(self.spec.columns).encode())
        for name in self.spec.columns[1:]:
            column = self.frame[name]
            if name in self.spec.feature_names and self.spec.feature(name).kind == "category":
                digest.update("\0".join(column.fillna("").astype(str)).encode())
            else:
                digest.update(np.ascontiguousarray(column.to_numpy(np.float64)).tobytes())
        return digest.hexdigest()[:16]
