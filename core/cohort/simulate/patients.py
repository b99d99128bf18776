"""Who the patients are: hidden phenotype, statics, and the levels a patient keeps through the stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cohort.simulate import mechanism
from core.cohort.simulate.constants import Constants


@dataclass(frozen=True, eq=False)
class Patients:
    """n drawn patients: phenotype (n,); statics (n, 4) Age, Gender, Weight, Height; factor levels m (n, F);
    own levels of the signals (n, J), unit variance."""

    phenotype: np.ndarray
    statics: np.ndarray
    levels: np.ndarray
    own_levels: np.ndarray

    def __len__(self) -> int:
        return len(self.phenotype)


def static_latents(rng: np.random.Generator, n: int, female_share: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Gender (n,) and the latent Age, Weight and Height; women are shorter and lighter, the tall are heavier."""
    female = (rng.random(n) < female_share).astype(np.float64)
    height = -1.1 * (female - female_share) + 0.85 * rng.standard_normal(n)
    weight = 0.45 * height + 0.9 * rng.standard_normal(n)
    return female, {"Age": rng.standard_normal(n), "Weight": weight, "Height": height}


def draw_patients(rng: np.random.Generator, n: int, constants: Constants) -> Patients:
    """Draw n patients; the old are slightly sicker, and severity overlaps between phenotypes."""
    phenotype = rng.choice(len(mechanism.PHENOTYPES), size=n, p=mechanism.SHARES)
    female, latent = static_latents(rng, n, constants.female_share)
    transforms = constants.transforms
    columns = [transforms["Age"](latent["Age"]), female]
    columns += [transforms[name](latent[name]) for name in ("Weight", "Height")]
    severity = mechanism.SEVERITY_OFFSET[phenotype] + 0.2 * latent["Age"] + 0.95 * rng.standard_normal(n)
    shared = mechanism.factor_vector(mechanism.SEVERITY_LOADING)
    own = rng.standard_normal((n, len(shared))) * np.sqrt(1 - shared**2)
    return Patients(
        phenotype=phenotype,
        statics=np.stack(columns, axis=1),
        levels=mechanism.LEVEL_SD * (severity[:, None] * shared + own) + mechanism.level_offsets()[phenotype],
        own_levels=rng.standard_normal((n, len(mechanism.NAMES))),
    )
