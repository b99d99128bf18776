"""The policies of one run, valued at home and abroad: at the run's own K, at one lambda, in the asked modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.cohort import Cohort, ground_truth
from core.rng import derive_seed
from core.runs.compare import compare_policies, policy_keys
from core.runs.foreign import ForeignStays
from core.runs.stays import PolicyKey, Stays
from core.runs.truth import RunPolicy, forward_policies
from core.runs.view import RunView

KEYS = ["policy", "n_clusters", "mode", "lambda_"]
TRUTH = ["true_value", "true_se", "true_survival", "true_survival_se"]


def own_values(view: RunView, modes: Sequence[str]) -> pd.DataFrame:
    """Every policy of a run at its own K and lambda on its own test patients, with the truth where known."""
    keys = policy_keys([view.n_clusters], [view.config.fusion.lambda_], modes)
    return view.with_truth(valued(view, view.split.test, keys, view))


def external_values(view: RunView, cohort: Cohort, lambda_: float, modes: Sequence[str]) -> pd.DataFrame:
    """Every policy of a run on all patients of another cohort, at that cohort's lambda; nothing is refitted."""
    keys = policy_keys([view.n_clusters], [lambda_], modes)
    return valued(ForeignStays(view, cohort), np.arange(cohort.n_patients), keys, view)


def valued(stays: Stays, patients: np.ndarray, keys: Sequence[PolicyKey], view: RunView) -> pd.DataFrame:
    """`compare_policies`, with how far each policy is from uniform dosing and from the clinicians."""
    table = compare_policies(stays, patients, keys, view.survival_curve)
    some = stays.only(patients)
    mask, behavior = some.trajectories.transition_mask, some.behavior
    given = behavior[mask].astype(np.float64)
    rows = []
    for key in keys:
        probs = some.policy_probs(key.policy, key.n_clusters, key.lambda_, key.mode)[mask].astype(np.float64)
        rows.append(
            {
                **vars(key),
                "max_probability": float(probs.max(axis=-1).mean()),
                "distance_from_uniform": total_variation(probs, np.full_like(probs, 1 / probs.shape[-1])),
                "distance_from_clinicians": total_variation(probs, given),
            }
        )
    return table.merge(pd.DataFrame(rows), on=KEYS, how="left")


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Mean over rows of sum_a |p_a - q_a| / 2: 0 where two policies agree, 1 where they share no action. (n, A)."""
    return float(np.abs(p - q).sum(axis=-1).mean() / 2)


def external_truth(view: RunView, cohort: Cohort, lambda_: float, n: int) -> pd.DataFrame:
    """True values in the mechanism of another simulated cohort of every policy that can act forward in time."""
    truth = ground_truth(cohort)
    if truth is None or n == 0:
        kinds = {"policy": str, "n_clusters": int, "mode": str, **dict.fromkeys(["lambda_", *TRUTH], float)}
        return pd.DataFrame(columns=[*KEYS, *TRUTH]).astype(kinds)
    truth, gamma = replace(truth, study=view.study), view.config.agents.gamma  # the run's reward weights
    seed, rows = derive_seed(view.config.run.seed, "truth", "external"), []
    for key in _abroad_keys(view, lambda_):
        policy = None if key.policy == "clinician" else RunPolicy(view, key)
        result = truth.policy_value(policy or "clinician", n, seed, spans=view.scaler.spans, gamma=gamma)
        values = (result.value, result.standard_error, result.survival, result.survival_standard_error)
        rows.append((key.policy, key.n_clusters, key.mode, key.lambda_, *values))
    return pd.DataFrame(rows, columns=[*KEYS, *TRUTH])


def _abroad_keys(view: RunView, lambda_: float) -> list[PolicyKey]:
    """The run's own forward policies at its own K, with the external lambda in place of the run's."""
    keys = [key for key in forward_policies(view) if key.n_clusters in (0, view.n_clusters)]
    lambdas = {key.lambda_ for key in keys if np.isfinite(key.lambda_)} - {view.config.fusion.lambda_}
    kept = [key for key in keys if key.lambda_ not in lambdas]
    own = view.config.fusion.lambda_
    return [replace(key, lambda_=lambda_) if key.lambda_ == own else key for key in kept]
