"""What a run would say at a step of a recorded stay if some of its measurements had been others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.base.errors import ConfigError
from core.cohort import History
from core.icu.ask.frontier import as_far_as_supported
from core.icu.fit.clinicians import clinicians_at
from core.icu.fit.simulated import SimulatedStays
from core.icu.view import RunView
from core.policies import NamedPolicy, PolicyKey
from core.policies.families import expert_keys

BEYOND = 0.005  # share of the training steps that must lie beyond a changed value


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Model output at one step: action probabilities of clinicians (A,), each phenotype's policy (K, A), the fused
    policy (A,) and of the fused policy as far as the records support it (the clinicians' where they support none);
    support, the closeness to the training states in 0..1; number of similar training states by action (A,)."""

    clinicians: np.ndarray
    experts: np.ndarray
    fused: np.ndarray
    supported: np.ndarray
    support: float
    similar: np.ndarray


def recorded_values(view: RunView, name: str) -> np.ndarray:
    """A column's values at all steps of the training patients, in the study's unit."""
    trained = np.isin(np.arange(view.cohort.n_patients), view.split.train)
    return np.asarray(view.cohort.states[np.repeat(trained, view.cohort.lengths), view.study.index(name)])


def unrecorded(view: RunView, changes: Mapping[str, float]) -> str:
    """Why a changed value gets no recommendation, however near the state is as a whole; nothing where it may have one.

    The records hold too little of a value that, in the training patients' steps, only one in 200 lies beyond.
    """
    for name, value in changes.items():
        low, high = np.quantile(recorded_values(view, name), (BEYOND, 1 - BEYOND))
        if not low <= np.float32(value) <= high:  # as precise as the records
            side, bound = ("below", low) if value < low else ("above", high)
            column = view.study.column(name)
            return (
                f"Too few records of such a value: fewer than {100 * BEYOND:g} % of the training steps have "
                f"{column.label or name} {side} {bound:.4g}."
            )
    return ""


def what_if(view: RunView, patient: int, step: int, changes: Mapping[str, float], key: PolicyKey) -> WhatIf:
    """A fused policy and its experts with the values of `changes` (column -> value in the study's unit) at the step.

    Prospective: steps before stay as recorded, later ones are not looked at. Only the named columns change; a score
    made from them keeps its recorded value unless it is changed too. Raises `ConfigError` for a column that the study
    does not have, or a value outside its plausible range.
    """
    study = view.study
    start = view.cohort.starts[patient]
    states = view.cohort.states[start : start + step + 1].astype(np.float64).copy()
    for name, value in changes.items():
        if name not in study.names:
            raise ConfigError(f"what-if: study '{study.name}' has no column '{name}'.")
        low, high = study.column(name).plausible
        if not low <= value <= high:
            raise ConfigError(f"what-if: {name} = {value:g} lies outside its plausible range {low:g} to {high:g}.")
        states[-1, study.index(name)] = value
    actions = view.trajectories.actions[patient, :step][None]
    history = History(states[None], actions, np.ones(1, dtype=bool), np.zeros(1, dtype=np.int64))
    nearest = clinicians_at(view, view.scaler.scale(history.state), np.array([patient]), view.support_reference)
    now = SimulatedStays(view).now(history)
    fused = NamedPolicy(key).probs(now)[0]
    experts = [NamedPolicy(expert).probs(now)[0] for expert in expert_keys(key.n_clusters)]
    clinicians = nearest.action_probs[0]
    return WhatIf(
        clinicians,
        np.stack(experts),
        fused,
        as_far_as_supported(view, key, clinicians, fused),
        float(nearest.support[0]),
        nearest.counts[0],
    )
