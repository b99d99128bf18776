"""How close a simulated cohort is to the published tables: every feature, the actions, the phenotypes, the shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohort.cohort import Cohort
from core.cohort.simulate.mechanism import PHENOTYPES, SHARES
from core.cohort.simulate.published import load_targets
from core.cohort.simulate.truth import GroundTruth

MEAN_TOLERANCE = 0.15  # published SD
SD_TOLERANCE = 0.20  # relative
SHARE_TOLERANCE = 0.03  # of a binary column
STEPS_TOLERANCE = 0.3
MORTALITY_TOLERANCE = 0.015
ACTION_TOLERANCE = 0.015
PHENOTYPE_TOLERANCE = 0.04  # of a phenotype's mortality; of its size, as a share
SHAPES = ("SOFA", "Platelets", "Lactate")


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """Simulated against published.

    features: feature, mean, published_mean, sd, published_sd, difference (of means, in published SD; binary columns:
    of shares), sd_ratio, ok. summary: quantity, simulated, published, tolerance, ok (steps, mortality, each dose).
    phenotypes: phenotype, share, published_share, mortality, published_mortality, ok. shapes: phenotype, step, and the
    means of SOFA, platelets and lactate.
    """

    features: pd.DataFrame
    summary: pd.DataFrame
    phenotypes: pd.DataFrame
    shapes: pd.DataFrame

    @property
    def ok(self) -> bool:
        """True where every published number is met within its tolerance."""
        return bool(self.features["ok"].all() and self.summary["ok"].all() and self.phenotypes["ok"].all())


def calibration_report(cohort: Cohort, truth: GroundTruth) -> CalibrationReport:
    """Compare a simulated cohort with the tables it is calibrated to; small cohorts miss some by chance."""
    return CalibrationReport(
        _features(cohort, truth.like), _summary(cohort, truth.like), _phenotypes(cohort, truth), _shapes(cohort, truth)
    )


def _features(cohort: Cohort, like: str) -> pd.DataFrame:
    published = load_targets(like).features.loc[list(cohort.study.names)]
    states = cohort.states.astype(np.float64)
    mean, sd = states.mean(axis=0), states.std(axis=0)
    binary = np.array([column.binary for column in cohort.study.columns])
    gap = mean - published["mean"].to_numpy()
    difference = np.where(binary, gap, gap / published["sd"].to_numpy())
    ratio = sd / published["sd"].to_numpy()
    near = np.abs(difference) <= np.where(binary, SHARE_TOLERANCE, MEAN_TOLERANCE)
    return pd.DataFrame(
        {
            "feature": list(cohort.study.names),
            "mean": mean,
            "published_mean": published["mean"].to_numpy(),
            "sd": sd,
            "published_sd": published["sd"].to_numpy(),
            "difference": difference,
            "sd_ratio": ratio,
            "ok": near & (binary | (np.abs(ratio - 1) <= SD_TOLERANCE)),
        }
    )


def _summary(cohort: Cohort, like: str) -> pd.DataFrame:
    targets, study = load_targets(like), cohort.study
    given = np.bincount(cohort.actions, minlength=study.n_actions) / len(cohort.actions)
    rows = [
        ("steps per patient", float(cohort.lengths.mean()), targets.steps, STEPS_TOLERANCE),
        ("mortality", float((cohort.outcomes < 0).mean()), targets.mortality, MORTALITY_TOLERANCE),
    ]
    for action, published in enumerate(targets.actions):
        rows.append((f"share of {study.actions.label(action)}", float(given[action]), published, ACTION_TOLERANCE))
    table = pd.DataFrame(rows, columns=["quantity", "simulated", "published", "tolerance"])
    table["ok"] = (table["simulated"] - table["published"]).abs() <= table["tolerance"]
    return table


def _phenotypes(cohort: Cohort, truth: GroundTruth) -> pd.DataFrame:
    died = cohort.outcomes < 0
    members = [truth.phenotype == k for k in range(len(PHENOTYPES))]
    table = pd.DataFrame(
        {
            "phenotype": list(PHENOTYPES),
            "share": [rows.mean() for rows in members],
            "published_share": SHARES,
            "mortality": [died[rows].mean() if rows.any() else np.nan for rows in members],
            "published_mortality": load_targets(truth.like).phenotype_mortality,
        }
    )
    near = (table["mortality"] - table["published_mortality"]).abs() <= PHENOTYPE_TOLERANCE
    table["ok"] = near & ((table["share"] - table["published_share"]).abs() <= PHENOTYPE_TOLERANCE)
    return table


def _shapes(cohort: Cohort, truth: GroundTruth) -> pd.DataFrame:
    table = cohort.frame[["step", *SHAPES]].copy()
    table.insert(0, "phenotype", np.asarray(PHENOTYPES)[np.repeat(truth.phenotype, cohort.lengths)])
    return table.groupby(["phenotype", "step"], as_index=False).mean()
