"""The policies of one run, valued at home and abroad: at the run's own K, at one lambda, in the asked modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.cohort import Cohort, GroundTruth, ground_truth
from core.icu.ask.compare import compare_policies
from core.icu.config import Clinicians
from core.icu.fit.truth import TRUE_COLUMNS, true_columns, true_value
from core.icu.foreign import ForeignStays
from core.icu.stays import Stays
from core.icu.view import RunView
from core.policies.doses import total_variation
from core.policies.families import baseline_keys, policy_keys
from core.policies.key import EPSILONS, FUSED, KEY_COLUMNS, PolicyKey

KEYS, TRUTH = list(KEY_COLUMNS), list(TRUE_COLUMNS)


def compared_keys(view: RunView, lambda_: float, modes: Sequence[str]) -> list[PolicyKey]:
    """Every policy of a run at its own K: simple ones, its agents, fused in all versions, single expert, baselines."""
    k = view.n_clusters
    versions = [PolicyKey(FUSED, k, lambda_, mode).in_version(name) for mode in modes for name in EPSILONS]
    own = policy_keys([k], [lambda_], modes, view.study.actions.has_nothing)
    keys = [*own, *versions, *baseline_keys(view.baselines, k, lambda_, modes)]
    return list(dict.fromkeys(keys))


def own_values(view: RunView, modes: Sequence[str]) -> pd.DataFrame:
    """Every policy of a run at its own K and lambda on its own test patients, with the truth where known."""
    keys = compared_keys(view, view.config.fusion.lambda_, modes)
    known = view.truth[[*KEYS, *TRUTH]]
    there = {PolicyKey.of_row(row) for row in known.to_dict("records")}
    missing = [key for key in keys if key.version_name and key not in there]
    seed = derive_seed(view.config.run.seed, "truth")  # the patients that the run's own truth met
    versions = rolled_out(view, ground_truth(view.cohort), missing, view.config.evaluation.truth_patients, seed)
    truth = pd.concat([part for part in (known, versions) if len(part)] or [known], ignore_index=True)
    return valued(view, view.split.test, keys, view).merge(truth, on=KEYS, how="left").assign(clinicians="own")


def external_values(
    view: RunView,
    cohort: Cohort,
    lambda_: float,
    modes: Sequence[str],
    truth_patients: int = 0,
    clinicians: Clinicians = "auto",
) -> pd.DataFrame:
    """Every policy of a run on all patients of another cohort, at that cohort's lambda; no policy is refitted.

    True values are those in the mechanism that simulated that cohort. Column clinicians: whose habits the estimates
    divide by, "own" or "development" (see `ForeignStays`).
    """
    keys = compared_keys(view, lambda_, modes)
    seed = derive_seed(view.config.run.seed, "truth", "external")
    truth = rolled_out(view, ground_truth(cohort), keys, truth_patients, seed)
    stays = ForeignStays(view, cohort, clinicians)
    table = valued(stays, np.arange(cohort.n_patients), keys, view).merge(truth, on=KEYS, how="left")
    return table.assign(clinicians=stays.clinicians)


def valued(stays: Stays, patients: np.ndarray, keys: Sequence[PolicyKey], view: RunView) -> pd.DataFrame:
    """`compare_policies`, with how far each policy is from uniform dosing and from the clinicians."""
    table = compare_policies(stays, patients, keys, view.survival_curve)
    some = stays.only(patients)
    mask, behavior = some.trajectories.transition_mask, some.behavior
    given = behavior[mask].astype(np.float64)
    rows = []
    for key in keys:
        probs = some.probs(key)[mask].astype(np.float64)
        rows.append(
            {
                **key.row,
                "max_probability": float(probs.max(axis=-1).mean()),
                "distance_from_uniform": float(total_variation(probs, np.full_like(probs, 1 / probs.shape[-1])).mean()),
                "distance_from_clinicians": float(total_variation(probs, given).mean()),
            }
        )
    return table.merge(pd.DataFrame(rows), on=KEYS, how="left")


def rolled_out(view: RunView, truth: GroundTruth | None, keys: Sequence[PolicyKey], n: int, seed: int) -> pd.DataFrame:
    """True values in a mechanism of the policies that can act forward in time; empty without one, or with n = 0."""
    kinds = {"policy": str, "n_clusters": int, "mode": str, **dict.fromkeys(["lambda_", *TRUTH], float)}
    rows: list[dict[str, object]] = []
    if truth is not None and n:
        truth = replace(truth, study=view.study)  # the run's reward weights
        for key in keys:
            if key.acts_forward:
                rows.append({**key.row, **true_columns(true_value(view, truth, key, n, seed))})
    return pd.DataFrame(rows, columns=[*KEYS, *TRUTH]).astype(kinds)
