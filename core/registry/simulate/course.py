"""From one stage to the next: GVHD, relapse and death, given features, state and the drugs of every decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.base.worlds import Effect
from core.registry.simulate.effects import drug_effects
from core.registry.simulate.patients import TRAITS
from core.registry.simulate.world import FRAILTY

# One entry for each transition: to 100 days, 6 months, 1 year, 2 years, 4 years.
DEATH = (-3.2, -3.9, -3.4, -3.5, -3.5)
RELAPSE = (-1.7, -2.9, -2.6, -2.8, -3.2)
NEW_ACUTE = (0.35, -2.0, -4.0, -5.0, -5.5)
NEW_CHRONIC = (-2.4, -1.9, -1.7, -2.5, -3.0)
ACUTE_STAYS = (0.0, 1.3, 0.2, -0.8, -1.5)
CHRONIC_STAYS = (0.0, 1.9, 1.7, 1.4, 1.0)
DECISIONS = ("conditioning", "prophylaxis", "acute", "chronic")


@dataclass(frozen=True, eq=False)
class Chances:
    """Chances (n,) at the next stage: death; relapse of those alive; GVHD of those alive."""

    death: np.ndarray
    relapse: np.ndarray
    acute: np.ndarray
    chronic: np.ndarray


def chances(
    stage: int,
    trait: np.ndarray,
    indicators: np.ndarray,
    drugs: Mapping[str, np.ndarray],
    effect: Effect = "full",
    frailty: np.ndarray | float = 0.0,
) -> Chances:
    """What may happen between a stage and the next one; drugs: {decision: (n, n_drugs)}, no key where none is made.

    effect, frailty (n,): see `RegistryWorld`.
    """
    part = {name: trait[:, j] for j, name in enumerate(TRAITS)}
    acute, chronic = indicators[:, 1].astype(np.float64), indicators[:, 2].astype(np.float64)
    zero = np.zeros(len(trait))
    effects = {name: drug_effects(name, given, trait, effect) for name, given in drugs.items()}
    efficacy = {name: effects[name][0] if name in effects else zero for name in DECISIONS}
    toxicity = sum((effect[1] for effect in effects.values()), start=zero)
    suppression = sum((effect[2] for effect in effects.values()), start=zero)
    ill = part["diabetes"] + part["hypertension"] + part["lung_disease"] + part["heart_disease"] + part["seizure"]
    death = DEATH[stage] + 0.45 * part["age"] + 0.35 * part["mismatch"] + 0.25 * ill
    death = death + 2.0 * acute * (1 - 0.8 * efficacy["acute"]) + 1.7 * chronic * (1 - 0.8 * efficacy["chronic"])
    relapse = RELAPSE[stage] - 0.3 * chronic - 0.2 * acute + 0.15 * part["age"] + suppression
    onset = 0.45 * part["mismatch"] + 0.35 * part["unrelated"] + 0.25 * part["female_to_male"] + 0.15 * part["age"]
    new_acute = NEW_ACUTE[stage] + onset - efficacy["prophylaxis"] - 0.5 * efficacy["acute"]
    stays_acute = ACUTE_STAYS[stage] + 0.5 * onset - 1.6 * efficacy["acute"]
    protection = 0.5 * efficacy["prophylaxis"] + 0.4 * efficacy["chronic"]
    new_chronic = NEW_CHRONIC[stage] + onset + 0.8 * acute - protection
    stays_chronic = CHRONIC_STAYS[stage] + 0.4 * onset - 1.6 * efficacy["chronic"]
    return Chances(
        death=_logistic(death + 1.2 * toxicity + FRAILTY * frailty),
        relapse=_logistic(relapse - efficacy["conditioning"]),
        acute=_logistic(np.where(acute > 0, stays_acute, new_acute)),
        chronic=_logistic(np.where(chronic > 0, stays_chronic, new_chronic)),
    )


def step(chance: Chances, uniform: np.ndarray) -> np.ndarray:
    """(n, 4) bool indicators at the next stage from uniforms (4, n); the dead have no GVHD and no relapse."""
    alive = uniform[0] >= chance.death
    relapse = alive & (uniform[1] < chance.relapse)
    return np.stack(
        [alive, alive & (uniform[2] < chance.acute), alive & (uniform[3] < chance.chronic), relapse], axis=1
    )


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
