"""Which world of the registry is simulated: what drugs do, and whether experts see more than the record.

The default is the world with the published shape. The others keep the patients and their chance: equal seeds meet equal
patients in every world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.worlds import Effect, check_world, world_text

FRAILTY = 0.7  # log odds of death that frailty adds in a confounded world, and robustness takes away
BREADTH = 0.5  # log odds of a combination, a drug beyond two and unit of what only experts see


@dataclass(frozen=True)
class RegistryWorld:
    """One simulated world of the registry.

    effect: what all drugs do. "weak": half of every effect. "no-benefit": no drug works against relapse or GVHD;
      toxicity and immune suppression stay. "none": nothing, so that every policy is worth the same.
    confounding: signed strength S. Half of the patients are frail, the others robust, which no column records. Death
      depends on it, and experts see it: the log odds of any drug, and of combinations of many drugs, rise with S for
      the frail and fall for the robust. 0: nobody is frail.

    Raises `ConfigError` where a field is not usable.
    """

    effect: Effect = "full"
    confounding: float = 0.0

    def __post_init__(self) -> None:
        check_world(self.effect, self.confounding)

    def __str__(self) -> str:
        """What differs from the default world; empty for the default."""
        return world_text(self)

    def hidden(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """(n,) frailty: +1 frail, -1 robust; 0 for all where the world knows none."""
        return np.where(rng.random(n) < 0.5, -1.0, 1.0) * bool(self.confounding)


DEFAULT_WORLD = RegistryWorld()
WORLDS = {
    "transplant": DEFAULT_WORLD,
    "transplant-null": RegistryWorld(effect="none"),
    "transplant-confounded": RegistryWorld(confounding=1.0),
}
