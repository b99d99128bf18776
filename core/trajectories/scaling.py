"""Scaling fitted on training patients only: temporal columns to [-1, 1], static ones standardised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.base.errors import ArtifactError
from core.cohort.cohort import Cohort
from core.study import StudySpec


@dataclass(frozen=True, eq=False)
class Scaler:
    """Affine scaling u = (x - center) / half of every state column.

    Temporal columns: center and half are middle and half span of the training values, which map to [-1, 1] (values
    outside the training range map outside, nothing is clipped). Static columns: mean and standard deviation.
    The source scales by the extremes of all patients and leaves static columns unscaled; both leak or unbalance.
    """

    names: tuple[str, ...]
    center: np.ndarray  # (D,)
    half: np.ndarray  # (D,)

    def scale(self, states: np.ndarray) -> np.ndarray:
        """(..., D) physical -> (..., D) float32 scaled."""
        return np.asarray(((states - self.center) / self.half).astype(np.float32))

    def unscale(self, states: np.ndarray) -> np.ndarray:
        """(..., D) scaled -> (..., D) float32 physical units."""
        return np.asarray((states * self.half + self.center).astype(np.float32))

    @property
    def spans(self) -> np.ndarray:
        """(D,) max - min over the training patients (temporal columns), as the reward needs it."""
        return 2 * self.half

    def to_json(self) -> dict[str, list[float] | list[str]]:
        return {"names": list(self.names), "center": self.center.tolist(), "half": self.half.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, object], study: StudySpec) -> Scaler:
        """Rebuild; `ArtifactError` where it was fitted for other columns."""
        try:
            names = tuple(str(name) for name in values["names"])  # type: ignore[attr-defined]
            center = np.asarray(values["center"], dtype=np.float64)
            half = np.asarray(values["half"], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            raise ArtifactError("the stored scaler is broken: it needs names, center and half; train again.") from None
        if not (np.isfinite(center).all() and np.isfinite(half).all() and (half > 0).all()):
            raise ArtifactError("the stored scaler is broken: center must be finite and half positive; train again.")
        if names != study.names or center.shape != half.shape or center.shape != (study.n_columns,):
            raise ArtifactError(
                f"the stored scaler is for columns {', '.join(names[:4])}..., not for study {study.name}."
            )
        return cls(names, center, half)


def fit_scaler(cohort: Cohort, patients: np.ndarray | None = None) -> Scaler:
    """Fit on the given patient positions (None: all). A constant column gets half = 1, so it maps to 0."""
    states = cohort.states
    if patients is not None:
        chosen = np.zeros(cohort.n_patients, dtype=bool)
        chosen[patients] = True
        states = states[np.repeat(chosen, cohort.lengths)]
    low, high = states.min(axis=0).astype(np.float64), states.max(axis=0).astype(np.float64)
    center, half = (low + high) / 2, (high - low) / 2
    n = cohort.study.n_static
    center[:n] = states[:, :n].mean(axis=0, dtype=np.float64)
    half[:n] = states[:, :n].std(axis=0, dtype=np.float64)
    half[half < 1e-9] = 1.0
    return Scaler(cohort.study.names, center, half)
