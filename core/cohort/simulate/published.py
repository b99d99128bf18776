"""The published tables that the simulator is calibrated to (He et al. 2025; data/reference/features.csv)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from core.cohort.simulate.constants import REFERENCE


@dataclass(frozen=True)
class Targets:
    """Published numbers of one data set; `features` is indexed by column with mean and sd (binary: sd of the share).

    Phenotype mortality and doses on eICU are not published: the MIMIC-IV mortalities, scaled to the eICU total, and the
    MIMIC-IV doses.
    """

    features: pd.DataFrame
    n_patients: int
    steps: float
    mortality: float
    phenotype_mortality: tuple[float, float, float]
    actions: tuple[float, ...] = (0.8572, 0.0973, 0.0149, 0.0152, 0.0153)

    def moments(self, name: str) -> tuple[float, float]:
        """Published mean and standard deviation of one column."""
        mean, sd = self.features.loc[name].to_numpy(np.float64)
        return float(mean), float(sd)


@lru_cache(maxsize=2)
def load_targets(like: str) -> Targets:
    """Published numbers for "mimic-iv" or "eicu"."""
    table = pd.read_csv(REFERENCE / "features.csv").set_index("feature")
    prefix = like.replace("-", "_")
    features = table[[f"{prefix}_mean", f"{prefix}_sd"]].set_axis(["mean", "sd"], axis=1)
    for name in features.index[features["sd"].isna()]:  # binary
        share = features.loc[name, "mean"]
        features.loc[name, "sd"] = np.sqrt(share * (1 - share))
    if like == "eicu":
        scale = 0.1695 / 0.2746
        return Targets(features, 6066, 89174 / 6066, 0.1695, (0.14 * scale, 0.41 * scale, 0.26 * scale))
    return Targets(features, 13355, 178807 / 13355, 0.2746, (0.14, 0.41, 0.26))
