"""A strong policy that knows the mechanism: what knowing it is worth, at least."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.registry.cohort.drugs import Combinations
from core.registry.simulate import course
from core.registry.simulate.patients import traits
from core.registry.simulate.rollout import DecisionState, Policy
from core.registry.spec import RegistrySpec

LATER = 0.7  # what a later stage is worth, a stage, to a patient alive without relapse


def oracle_policy(spec: RegistrySpec, catalog: Combinations) -> Policy:
    """The combination of the catalog with the highest expected reward at the next stage, and chance to go on from it.

    It looks one stage ahead and knows nothing of the other decisions, so the best policy is at least as good.
    """

    def policy(state: DecisionState) -> np.ndarray:
        trait, indicators = traits(state.frame), state.indicators
        later = LATER * (spec.horizon - 1 - state.stage)
        best, chosen = np.full(len(state), -np.inf), np.zeros(len(state), dtype=np.int64)
        for action, row in enumerate(catalog.matrix):
            given = {state.decision: np.broadcast_to(row, (len(state), len(row)))}
            worth = expected(course.chances(state.stage, trait, indicators, given), spec.rewards, later)
            better = worth > best
            best, chosen = np.where(better, worth, best), np.where(better, action, chosen)
        return catalog.decode(chosen)

    return policy


def expected(chance: course.Chances, rewards: Mapping[str, float], later: float = 0.0) -> np.ndarray:
    """(n,) expected reward of the next stage, and `later` more for those who go on alive without relapse."""
    chronic = min(rewards["alive"], rewards["chronic_gvhd"])
    both = min(chronic, rewards["acute_gvhd"])
    free_of_chronic = (
        chance.acute * min(rewards["alive"], rewards["acute_gvhd"]) + (1 - chance.acute) * rewards["alive"]
    )
    with_chronic = chance.acute * both + (1 - chance.acute) * chronic
    going_on = later + chance.chronic * with_chronic + (1 - chance.chronic) * free_of_chronic
    relapsed = min(rewards["relapse"], rewards["alive"])
    return chance.death * rewards["dead"] + (1 - chance.death) * (
        chance.relapse * relapsed + (1 - chance.relapse) * going_on
    )
