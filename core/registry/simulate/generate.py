"""Make a simulated registry with its truth, and find the truth of one that was saved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.rng import stream
from core.base.worlds import Effect, read_world
from core.registry.cohort.check import examine
from core.registry.cohort.table import RegistryCohort
from core.registry.simulate.rollout import Rollout, roll_out
from core.registry.simulate.truth import RegistryTruth
from core.registry.simulate.world import RegistryWorld
from core.registry.spec import RegistrySpec, load_registry_spec
from core.tables.origin import Origin

LOST = (0.01, 0.03, 0.05, 0.09, 0.16)  # chance of being lost for good before each later stage
SKIPPED = 0.01  # chance that a single later stage is not recorded
PUBLISHED_PATIENTS = 6021


def simulate_registry(
    n_patients: int = PUBLISHED_PATIENTS, seed: int = 0, effect: Effect = "full", confounding: float = 0.0
) -> tuple[RegistryCohort, RegistryTruth]:
    """Simulate the shipped transplant registry; equal arguments give equal data.

    effect, confounding: the world, see `RegistryWorld`; the origin keeps it, so that a saved registry still knows its
    truth. Raises `ConfigError` on unusable arguments.
    """
    return simulate_world(n_patients, seed, RegistryWorld(effect, confounding))


def simulate_world(n_patients: int, seed: int, world: RegistryWorld) -> tuple[RegistryCohort, RegistryTruth]:
    """As `simulate_registry`, from a world."""
    if n_patients < 1:
        raise ConfigError(f"n_patients = {n_patients} is not usable; ask for at least 1 patient.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is not usable; give 0 or a positive integer.")
    spec = load_registry_spec()
    course = roll_out(spec, n_patients, seed, "registry", world=world)
    recorded = _recorded(course, stream(seed, "registry", "follow-up"))
    frame = to_frame(course, recorded, spec)
    origin = Origin("simulated", spec.name, n_patients, seed, str(world))
    cohort = RegistryCohort(spec, frame, origin, examine(frame, spec).report)
    propensities = {}
    for decision in spec.decisions:
        posed = ~np.isnan(course.propensities[decision.name]) & recorded
        propensities[decision.name] = course.propensities[decision.name][posed]
    return cohort, RegistryTruth(spec, propensities, world)


def to_frame(course: Rollout, recorded: np.ndarray, spec: RegistrySpec) -> pd.DataFrame:
    """Long table of the recorded (n, stages) stages, as `RegistryCohort.frame`."""
    patient, stage = np.nonzero(recorded)
    keys = pd.array((patient + 1).astype(str), dtype="str")
    columns: dict[str, object] = {"patient": keys, "stage": np.asarray(spec.days)[stage]}
    columns |= {name: course.features[name].array[patient] for name in spec.feature_names}
    columns |= {
        name: course.indicators[patient, stage, j].astype(np.int64) for j, name in enumerate(spec.indicator_names)
    }
    for decision in spec.decisions:
        given = course.drugs[decision.name][patient, stage]
        columns |= {name: given[:, j] for j, name in enumerate(decision.columns)}
    return pd.DataFrame(columns)


def _recorded(course: Rollout, rng: np.random.Generator) -> np.ndarray:
    """(n, stages) bool: reached, not lost for good before, not skipped."""
    n, n_stages = course.reached.shape
    lost = rng.random((n, n_stages - 1)) < np.asarray(LOST)
    kept = np.concatenate([np.ones((n, 1), dtype=bool), np.cumsum(lost, axis=1) == 0], axis=1)
    skipped = rng.random((n, n_stages)) < SKIPPED
    skipped[:, 0] = False
    return np.asarray(course.reached & kept & ~skipped)


def registry_truth(cohort: RegistryCohort) -> RegistryTruth | None:
    """The truth of a simulated registry, made again from its origin; None where it was recorded, or changed since."""
    origin = cohort.origin
    shipped = load_registry_spec()
    if not origin.simulated or origin.like != shipped.name or cohort.n_patients != origin.n_patients:
        return None
    try:
        world = read_world(RegistryWorld, origin.world)
        again, truth = simulate_world(origin.n_patients, origin.seed, world)
    except ConfigError:
        return None
    return truth if again.data_hash == cohort.data_hash else None
