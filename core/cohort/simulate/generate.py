"""Make a simulated cohort with its ground truth, and find the truth of one that was saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.worlds import Effect, Phenotypes, read_world
from core.cohort.cohort import Cohort
from core.cohort.mapped import check_cohort
from core.cohort.simulate.constants import Constants, check_like, load_constants
from core.cohort.simulate.rollout import Rollout, roll_out
from core.cohort.simulate.truth import GroundTruth
from core.cohort.simulate.world import World
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


def to_hours(stays: Rollout, study: StudySpec) -> pd.DataFrame:
    """Start of each step in hours from onset, in the rows of `to_frame`."""
    patient, step = np.nonzero(stays.mask)
    return pd.DataFrame({"hours": study.hours(stays.entry[patient] + step)})


def simulate_cohort(
    like: str = "mimic-iv",
    n_patients: int = 2000,
    seed: int = 0,
    effect: Effect = "full",
    confounding: float = 0.0,
    irregular: bool = False,
    late_starts: float | None = None,
    memory: bool = False,
    phenotypes: Phenotypes = "full",
) -> tuple[Cohort, GroundTruth]:
    """Simulate n_patients stays like "mimic-iv" or "eicu"; equal arguments give equal data.

    The other arguments are the world, see `World`; its default is the one fitted to the published tables. The cohort's
    origin keeps it, so that a saved cohort still knows its truth. Equal seeds meet equal patients in all worlds of one
    version. The ICU heparin study only: the mechanism knows its 36 columns. Raises `ConfigError` on unusable arguments.
    """
    world = World(effect, confounding, irregular, late_starts, memory, phenotypes)
    return simulate_world(like, n_patients, seed, world)


def simulate_world(like: str, n_patients: int, seed: int, world: World) -> tuple[Cohort, GroundTruth]:
    """As `simulate_cohort`, from a world."""
    constants = load_constants(check_like(like), world.memory)
    if n_patients < 1:
        raise ConfigError(f"n_patients = {n_patients} is not usable; ask for at least 1 patient.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is not usable; give 0 or a positive integer.")
    study = load_study()
    stays = roll_out(constants, study, n_patients, seed, f"cohort {like}", world=world)
    frame = to_frame(stays, study)
    origin = Origin("simulated", like, n_patients, seed, str(world))
    hours = to_hours(stays, study) if world.late_share(constants.late_starts) else None
    cohort = Cohort(frame, study, origin, check_cohort(frame, study), extra=hours)
    return cohort, _truth(like, study, constants, world, stays, cohort.states)


def _truth(
    like: str, study: StudySpec, constants: Constants, world: World, stays: Rollout, states: np.ndarray
) -> GroundTruth:
    mask = stays.mask
    taken = np.take_along_axis(stays.probs, stays.actions[..., None], axis=2)[..., 0]
    return GroundTruth(
        like=like,
        study=study,
        constants=constants,
        phenotype=stays.patients.phenotype,
        actions=np.where(mask, stays.actions, 0).astype(np.int8),
        action_probs=np.where(mask[..., None], stays.probs, 0.0),
        propensities=np.where(mask, taken, 1.0),
        spans=np.ptp(states.astype(np.float64), axis=0),
        world=world,
    )


def ground_truth(cohort: Cohort) -> GroundTruth | None:
    """The truth of a simulated cohort, made again from its origin; None where it was recorded, or changed since."""
    origin = cohort.origin
    if not origin.simulated or cohort.n_patients != origin.n_patients:
        return None
    try:
        world = read_world(World, origin.world)
        again, truth = simulate_world(origin.like, origin.n_patients, origin.seed, world)
    except ConfigError:
        return None
    return truth if again.data_hash == cohort.data_hash else None
