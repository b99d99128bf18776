"""From a registry to decision points: what was known, what was given, what came of it.

A decision is posed at each of its stages to every patient who is recorded there with decisions not ended; giving no
drug is an answer like any other. The reward is earned on arriving at the next stage. Where the next stage is not
recorded (the patient was lost to follow-up, or that visit is missing) the point has no reward and `followed` is False:
it tells what experts do, but is no transition. Gaps are never bridged to a later stage.

Where a decision counts to the end of follow-up, its last stage earns all rewards from there on; others stand for those
who are lost on the way (`weighted_returns`), so that every such point has a reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.registry.cohort.courses import make_courses, state_rewards, weighted_returns
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import TO_THE_END, RegistrySpec


@dataclass(frozen=True, eq=False)
class StateEncoder:
    """States as numbers: numbers standardized, categories one-hot (two categories make one column), indicators 0/1.

    names: (D,) of the columns of a state, "age", "donor_relation=unrelated", "acute_gvhd"; mean, scale: of the number
    features in spec order. A missing number becomes the mean, a missing category all zeros.
    """

    spec: RegistrySpec
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, cohort: RegistryCohort, patients: np.ndarray | None = None) -> Self:
        """Mean and standard deviation of the number features over these patients (positions; None: all)."""
        numbers = [feature.name for feature in cohort.spec.features if feature.kind == "number"]
        values = cohort.baseline[numbers].to_numpy(np.float64)
        values = values if patients is None else values[patients]
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
        return cls(cohort.spec, mean, np.where(spread > 0, spread, 1.0))

    @property
    def names(self) -> tuple[str, ...]:
        names: list[str] = []
        for feature in self.spec.features:
            shown = feature.categories[1:] if len(feature.categories) == 2 else feature.categories
            names += [feature.name] if feature.kind == "number" else [f"{feature.name}={value}" for value in shown]
        return (*names, *self.spec.indicator_names)

    def transform(self, frame: pd.DataFrame) -> np.ndarray:
        """(n, D) float32 states of a table with the baseline features and indicators as columns."""
        columns: list[np.ndarray] = []
        number = 0
        for feature in self.spec.features:
            if feature.kind == "number":
                values = (frame[feature.name].to_numpy(np.float64) - self.mean[number]) / self.scale[number]
                columns.append(np.where(np.isfinite(values), values, 0.0))
                number += 1
                continue
            cells = frame[feature.name].to_numpy(dtype=object)
            shown = feature.categories[1:] if len(feature.categories) == 2 else feature.categories
            columns += [(cells == value).astype(np.float64) for value in shown]
        columns += [frame[name].to_numpy(np.float64) for name in self.spec.indicator_names]
        return np.stack(columns, axis=1).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], spec: RegistrySpec) -> Self:
        """Rebuild what `to_json` wrote; `ArtifactError` where it does not fit the registry."""
        n = sum(feature.kind == "number" for feature in spec.features)
        try:
            mean, scale = (np.asarray(values[name], dtype=np.float64) for name in ("mean", "scale"))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"the stored state encoder cannot be read ({error}); train again.") from None
        if mean.shape != (n,) or scale.shape != (n,) or not (np.isfinite(mean).all() and (scale > 0).all()):
            raise ArtifactError(f"the stored state encoder does not fit the {n} number features; train again.")
        return cls(spec, mean, scale)


@dataclass(frozen=True, eq=False)
class DecisionData:
    """All n points of one decision, sorted by patient and stage.

    row: (n,) row of the cohort; patient: (n,) position 0..N-1; stage: (n,) index into `spec.stages`; states: (n, D)
    float32 with `names`; drugs: (n, n_drugs) uint8; rewards: (n,), NaN where not followed; next: (n,) index of the same
    patient's point at the next stage, -1 where there is none; terminal: (n,) followed, and nothing more is decided:
    death, an indicator that ends, or the decision's last stage; followed: (n,) the reward is known.
    """

    decision: str
    names: tuple[str, ...]
    row: np.ndarray
    patient: np.ndarray
    stage: np.ndarray
    states: np.ndarray
    drugs: np.ndarray
    rewards: np.ndarray
    next: np.ndarray
    terminal: np.ndarray
    followed: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_censored(self) -> int:
        """Points whose reward is not known."""
        return int((~self.followed).sum())

    def of(self, patients: np.ndarray) -> np.ndarray:
        """(n,) bool: points of the patients at these positions."""
        return np.isin(self.patient, patients)


def decision_points(
    cohort: RegistryCohort,
    decision: str,
    encoder: StateEncoder | None = None,
    learned: np.ndarray | None = None,
) -> DecisionData:
    """Points of one decision. `encoder` should be fitted on training patients (None: on all patients).

    learned: positions of the patients whose shares under observation stand for those who are lost, where a decision
    counts to the end (None: all patients).
    """
    spec = cohort.spec
    chosen = spec.decision(decision)
    encoder = encoder or StateEncoder.fit(cohort)
    row = np.flatnonzero(np.isin(cohort.stage_index, chosen.stages) & ~cohort.ended)
    patient, stage = cohort.patient_index[row], cohort.stage_index[row]
    after = cohort.row_of[patient, stage + 1]
    followed = after >= 0
    arrived = np.where(followed, after, 0)
    point_of = np.full(len(cohort.frame), -1, dtype=np.int64)
    point_of[row] = np.arange(len(row))
    following = np.where(followed, point_of[arrived], -1)
    if chosen.counts == TO_THE_END:
        followed = followed | (stage == chosen.stages[-1])
    return DecisionData(
        decision=decision,
        names=encoder.names,
        row=row,
        patient=patient,
        stage=stage,
        states=encoder.transform(cohort.frame.iloc[row]),
        drugs=cohort.drugs(decision)[row],
        rewards=point_rewards(cohort, spec, decision, row, learned),
        next=following,
        terminal=followed & (following < 0),
        followed=followed,
    )


def point_rewards(
    cohort: RegistryCohort, spec: RegistrySpec, decision: str, row: np.ndarray, learned: np.ndarray | None = None
) -> np.ndarray:
    """(n,) rewards of a decision's points at these rows of the cohort, NaN where none is known.

    spec: the registry's own, or the same with other rewards or another discount; learned: see `decision_points`.
    """
    chosen = spec.decision(decision)
    patient, stage = cohort.patient_index[row], cohort.stage_index[row]
    after = cohort.row_of[patient, stage + 1]
    rewards = np.where(after >= 0, state_rewards(cohort.indicators[np.maximum(after, 0)], spec), np.nan)
    if chosen.counts == TO_THE_END:
        last = stage == chosen.stages[-1]
        rewards[last] = _to_the_end(replace(cohort, spec=spec), patient[last], chosen.stages[-1], learned)
    return rewards


def _to_the_end(cohort: RegistryCohort, patients: np.ndarray, stage: int, learned: np.ndarray | None) -> np.ndarray:
    """(n,) weighted returns from a stage (index) on, of patients (positions) to whom its decision is posed."""
    followed = make_courses(cohort, np.arange(cohort.n_patients) if learned is None else learned, stage)
    return weighted_returns(make_courses(cohort, patients, stage), followed.kept_share(), cohort.spec.gamma)
