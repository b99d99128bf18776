"""Make a simulated cohort with its ground truth, and find the truth of one that was saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.cohort.check import check_cohort
from core.cohort.cohort import Cohort
from core.cohort.simulate.constants import check_like, load_constants
from core.cohort.simulate.rollout import Rollout, roll_out
from core.cohort.simulate.truth import GroundTruth
from core.study import StudySpec, load_study
from core.tables.origin import Origin


def to_frame(stays: Rollout, study: StudySpec) -> pd.DataFrame:
    """Long table traj, step, <state columns>, action, outcome of simulated stays."""
    mask = stays.mask
    patient, step = np.nonzero(mask)
    columns: dict[str, Any] = {"traj": pd.array(patient.astype(str), dtype="str"), "step": step}
    columns |= {name: stays.states[..., j][mask] for j, name in enumerate(study.names)}
    last = step + 1 == stays.lengths[patient]
    columns["action"] = stays.actions[mask]
    columns["outcome"] = np.where(last, stays.outcomes[patient], 0).astype(np.int64)
    return pd.DataFrame(columns)


def simulate_cohort(like: str = "mimic-iv", n_patients: int = 2000, seed: int = 0) -> tuple[Cohort, GroundTruth]:
    """Simulate n_patients stays like "mimic-iv" or "eicu"; equal arguments give equal data.

    The ICU heparin study only: the mechanism knows its 36 columns. Raises `ConfigError` on unknown arguments.
    """
    constants = load_constants(check_like(like))
    if n_patients < 1:
        raise ConfigError(f"n_patients = {n_patients} is not usable; ask for at least 1 patient.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is not usable; give 0 or a positive integer.")
    study = load_study()
    stays = roll_out(constants, study, n_patients, seed, f"cohort {like}")
    frame = to_frame(stays, study)
    origin = Origin("simulated", like, n_patients, seed)
    cohort = Cohort(frame, study, origin, check_cohort(frame, study))
    mask = stays.mask
    taken = np.take_along_axis(stays.probs, stays.actions[..., None], axis=2)[..., 0]
    truth = GroundTruth(
        like=like,
        study=study,
        constants=constants,
        phenotype=stays.patients.phenotype,
        action_probs=np.where(mask[..., None], stays.probs, 0.0),
        propensities=np.where(mask, taken, 1.0),
        spans=np.ptp(cohort.states.astype(np.float64), axis=0),
    )
    return cohort, truth


def ground_truth(cohort: Cohort) -> GroundTruth | None:
    """The truth of a simulated cohort, made again from its origin; None where it was recorded, or changed since."""
    origin = cohort.origin
    if not origin.simulated or cohort.n_patients != origin.n_patients:
        return None
    try:
        again, truth = simulate_cohort(origin.like, origin.n_patients, origin.seed)
    except ConfigError:
        return None
    return truth if again.data_hash == cohort.data_hash else None
