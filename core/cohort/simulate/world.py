"""Which world is simulated: what heparin does, how clinicians decide, and how much of a stay is on record.

The default is the world that the published tables are fitted to. The others change one thing each and keep the
patients and their chance: equal seeds meet equal patients in every world, so that what differs is the change alone.
Memory is more than that: a second version of the simulator, calibrated by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.errors import ConfigError
from core.base.worlds import PHENOTYPES, WEAK, Effect, Phenotypes, check_world, world_text
from core.cohort.simulate import mechanism

SICKNESS = np.array([-1.0, 1.0, 0.0])  # by phenotype: which ones clinicians take for healthy and for sick

ENTRY_SHARES = np.array([1, 1, 1, 3]) / 6  # of late records that start 1, 2, 3 steps into the window, or with onset


@dataclass(frozen=True)
class World:
    """One simulated world.

    effect: what heparin does to the body. "weak": half of every effect. "no-benefit": bleeding, overdose and the
      longer aPTT stay, the benefit is gone. "none": nothing at all, aPTT included, so that every policy is worth the
      same.
    confounding: signed strength S. Clinicians know the hidden phenotype: the log odds of any dose rise by S in the
      sick one (micro-thrombotic) and fall by S in the healthy one (recovering), beyond what the chart explains.
    irregular: clinicians follow protocols with sharp limits in place of smooth slopes; still a function of the chart.
    late_starts: share of the stays whose record starts hours after the window's start, at the latest with onset, as
      where a patient comes to the unit late. No heparin is given before; onset stays at hour 0, and the window ends at
      its hour, so these stays have fewer steps at most. The cohort has a column `hours` then. None: as calibrated, that
      is none without memory.
    memory: the simulator's second version. Heparin comes in courses (`courses.py`), is held at low platelets and long
      aPTT, and onset is the first platelet count below 150; many records start late.
    phenotypes: what sets them apart besides levels and the drug's effects. "equally-restless": their courses alone; all
      have one memory, and none couples its organs. "slow-drift": besides, all begin where the average patient does and
      drift apart in straight lines.

    Raises `ConfigError` where a field is not usable.
    """

    effect: Effect = "full"
    confounding: float = 0.0
    irregular: bool = False
    late_starts: float | None = None
    memory: bool = False
    phenotypes: Phenotypes = "full"

    def __post_init__(self) -> None:
        check_world(self.effect, self.confounding)
        if self.late_starts is not None and not 0 <= self.late_starts <= 1:
            raise ConfigError(f"late_starts = {self.late_starts} is not usable; give a share between 0 and 1.")
        if self.phenotypes not in PHENOTYPES:
            raise ConfigError(f"phenotypes = '{self.phenotypes}' is unknown; choose one of {', '.join(PHENOTYPES)}.")

    def __str__(self) -> str:
        """What differs from the default world; empty for the default."""
        return world_text(self)

    def late_share(self, calibrated: float) -> float:
        """Share of the records that start late, where `calibrated` is the constants' own."""
        return calibrated if self.late_starts is None else self.late_starts

    @property
    def alike(self) -> bool:
        """All phenotypes are equally restless."""
        return self.phenotypes != "full"

    @property
    def straight(self) -> bool:
        """Courses are straight lines from one start."""
        return self.phenotypes == "slow-drift"

    @property
    def full_effects(self) -> np.ndarray:
        """(3, C, F) full effect of each channel of heparin on the hidden factors, by phenotype."""
        effects = mechanism.full_effects()
        if self.effect == "no-benefit":
            effects[:, mechanism.CHANNELS.index("benefit")] = 0.0
        elif self.effect == "weak":
            effects *= WEAK
        elif self.effect == "none":
            effects[:] = 0.0
        return effects

    @property
    def hidden_log_odds(self) -> np.ndarray:
        """(3,) change of the log odds of any dose by phenotype; the mean odds ratio over phenotypes is 1."""
        tilt = self.confounding * SICKNESS
        return tilt - np.log(mechanism.SHARES @ np.exp(tilt))


def entries(rng: np.random.Generator, n: int, late_starts: float) -> np.ndarray:
    """(n,) step of the window with which each record starts: 0, or 1 to `mechanism.ONSET` of a late one."""
    late = rng.random(n) < late_starts
    return np.where(late, rng.choice(len(ENTRY_SHARES), size=n, p=ENTRY_SHARES) + 1, 0)
