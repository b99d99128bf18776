"""Worlds of the mix's lab, each with its truth: what a policy gains on the clinicians of that very world."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from core.base.rng import derive_seed
from core.cohort import Cohort, simulate_cohort
from core.cohort.simulate import World
from core.cohort.simulate.clinicians import Clinicians
from core.cohort.simulate.constants import Constants, load_constants
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.history import Policy
from core.cohort.simulate.rollout import roll_out
from core.cohort.simulate.truth import GAMMA, GroundTruth, discounted_returns
from core.experiments.estimator_truth import REFERENCE_PATIENTS
from core.study import load_study
from core.trajectories import Scaler, fit_scaler

STUDY = load_study()
TRUTH_SEED = derive_seed(0, "mix lab", "truth")


@dataclass(frozen=True)
class LabWorld:
    """A world by its name in the lab's tables. Equal names share one scaling of rewards, and so one truth."""

    name: str
    world: World
    like: str = "mimic-iv"

    def cohort(self, n: int, seed: int) -> tuple[Cohort, GroundTruth]:
        return simulate_world(self.like, n, seed, self.world)

    @cached_property
    def constants(self) -> Constants:
        return load_constants(self.like, self.world.memory)

    @cached_property
    def scaler(self) -> Scaler:
        """Of patients whom no estimate sees; their spans scale the rewards of all cohorts alike."""
        cohort, _ = simulate_cohort(self.like, REFERENCE_PATIENTS, derive_seed(0, "estimator lab", "reference"))
        return fit_scaler(cohort)

    @cached_property
    def clinicians(self) -> Policy:
        return Clinicians(self.constants.action_intercepts, STUDY, self.world)

    def gain(self, policy: Policy, n: int) -> tuple[float, float]:
        """True difference to the clinicians over n patients who meet both, and its standard error."""
        gaps = self._returns(policy, n) - _usual_returns(self, n)
        return float(gaps.mean()), float(gaps.std(ddof=1) / np.sqrt(n))

    def _returns(self, policy: Policy | None, n: int) -> np.ndarray:
        stays = roll_out(self.constants, STUDY, n, TRUTH_SEED, f"value {self.like}", policy, world=self.world)
        return discounted_returns(stays, STUDY, self.scaler.spans, GAMMA)

    def __hash__(self) -> int:
        return hash(self.name)


@cache
def _usual_returns(world: LabWorld, n: int) -> np.ndarray:
    return world._returns(None, n)


WORLDS = {
    world.name: world
    for world in (
        LabWorld("full", World()),
        LabWorld("weak", World("weak")),
        LabWorld("no benefit", World("no-benefit")),
        LabWorld("none", World("none")),
        LabWorld("irregular", World(irregular=True)),
        LabWorld("memory", World(memory=True)),
        LabWorld("eicu-like", World(), "eicu"),
        LabWorld("late starts", World(late_starts=0.6)),
        LabWorld("hidden", World(confounding=0.5)),
        LabWorld("none, hidden", World("none", confounding=0.5)),
    )
}
HIDDEN = ("hidden", "none, hidden")  # causes of dose and outcome that no record holds
