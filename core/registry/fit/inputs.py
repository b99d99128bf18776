"""What the networks see of a decision point: the varying columns of its state, and the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.base.errors import ArtifactError

STAGE = "stage"


@dataclass(frozen=True, eq=False)
class Inputs:
    """Low-variance filter of one decision, fitted on training points.

    columns: all state columns and, last, the stage (0 at the decision's first stage, 1 at its last); keep: (D + 1,)
    bool, variance (in training) at or above the threshold; variance: (D + 1,). The publication's networks see the
    state alone; here they see the stage as well, since what is left to gain depends on it.
    """

    columns: tuple[str, ...]
    keep: np.ndarray
    variance: np.ndarray
    stages: tuple[int, ...]

    @classmethod
    def fit(
        cls, states: np.ndarray, stage: np.ndarray, names: tuple[str, ...], stages: tuple[int, ...], least: float
    ) -> Self:
        """Keep columns whose variance over the points is at least `least`; the one that varies most is always kept."""
        rows = _with_stage(states, stage, stages)
        variance = rows.var(axis=0, dtype=np.float64) if len(rows) else np.zeros(rows.shape[1])
        keep = variance >= max(least, 1e-12)
        keep[int(variance.argmax())] = True
        return cls((*names, STAGE), keep, variance, tuple(stages))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that the networks see."""
        return tuple(name for name, kept in zip(self.columns, self.keep, strict=True) if kept)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Columns of low variance."""
        return tuple(name for name, kept in zip(self.columns, self.keep, strict=True) if not kept)

    def transform(self, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """States (n, D) and stage indices (n,) -> (n, kept) float32; `ValueError` for another width."""
        if states.shape[1] != len(self.columns) - 1:
            raise ValueError(f"states have {states.shape[1]} columns, expected {len(self.columns) - 1}")
        return np.ascontiguousarray(_with_stage(states, stage, self.stages)[:, self.keep])

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "keep": self.keep.tolist(),
            "variance": self.variance.tolist(),
            "stages": list(self.stages),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_json` wrote; `ArtifactError` where it is broken."""
        try:
            columns, stages = tuple(map(str, values["columns"])), tuple(map(int, values["stages"]))
            keep, variance = np.asarray(values["keep"], dtype=bool), np.asarray(values["variance"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"the stored inputs cannot be read ({error}); train again.") from None
        if keep.shape != (len(columns),) or variance.shape != keep.shape or not keep.any() or not stages:
            raise ArtifactError("the stored inputs contradict themselves; train again.")
        return cls(columns, keep, variance, stages)


def _with_stage(states: np.ndarray, stage: np.ndarray, stages: tuple[int, ...]) -> np.ndarray:
    """(n, D + 1) float32 states with the stage scaled to 0..1 over the decision's stages."""
    span = max(stages[-1] - stages[0], 1)
    time = (np.asarray(stage, dtype=np.float32) - stages[0]) / span
    return np.concatenate([np.asarray(states, dtype=np.float32), time[:, None].astype(np.float32)], axis=1)
