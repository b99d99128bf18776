"""The JSON that `evaluate` writes: each policy's estimates with interval and support, and what they rest on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from core.cohort import Cohort
from core.runs.basis import evaluated_on, number
from core.runs.manifest import Manifest

SURVIVAL = {"value": "survival", "low": "survival_low", "high": "survival_high", "ess": "ess"}
CLINICIANS = {
    "own": "Estimates divide by what clinicians did to other patients of this very cohort in similar states.",
    "development": (
        "Estimates divide by what clinicians of the run's development cohort did in similar states. Where those here "
        "dose otherwise, PHWIS and PHWDR are biased, and neither their intervals nor the ESS show it."
    ),
}


def metrics_document(
    table: pd.DataFrame,
    cohort: Cohort,
    patients: np.ndarray,
    manifest: Manifest,
    own: bool,
    settings: dict[str, Any],
    clinicians: str = "own",
) -> dict[str, Any]:
    """{"cohort": ..., "run": ..., "policies": {name: {estimator: {value, low, high, ess}, ...}}}; NaN becomes null.

    clinicians: "own" where the estimates divide by the habits found in this cohort, "development" where by those of
    the cohort that the run was trained on.
    """
    policies: dict[str, Any] = {}
    for name, rows in table.groupby("policy", sort=False):
        first = rows.iloc[0]
        policies[str(name)] = {
            **{
                row["estimator"]: {key: number(row[key]) for key in ("value", "low", "high", "ess")}
                for _, row in rows.iterrows()
            },
            "support": str(first["support"]),
            "support_reasons": str(first["reasons"]),
            "concordance_rate": number(first["concordance_rate"]),
            "expected_survival": number(first["expected_survival"]),
            "survival": {key: number(first[column]) for key, column in SURVIVAL.items()},
            "entropy": number(first["entropy"]),
            "unsupported_share": number(first["unsupported_share"]),
            "action_shares": [number(share) for share in first["action_shares"]],
            "true_value": number(first.get("true_value", math.nan)),
            "true_se": number(first.get("true_se", math.nan)),
        }
    return {
        "cohort": {
            **describe_cohort(cohort, patients, own),
            "clinicians": clinicians,
            "clinicians_note": CLINICIANS[clinicians],
        },
        "run": {"name": manifest.name, "data_hash": manifest.data_hash, "versions": manifest.versions, **settings},
        "policies": policies,
    }


def describe_cohort(cohort: Cohort, patients: np.ndarray, own: bool) -> dict[str, Any]:
    """What the estimates rest on, with a plain sentence."""
    mortality = number(float((cohort.outcomes < 0).mean()))
    return {"steps": len(cohort.frame), "mortality": mortality, **evaluated_on(cohort, len(patients), own, "cohort")}
