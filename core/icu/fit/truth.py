"""True values of a run's policies on simulated patients: the policies rolled out in the simulator itself.

Only policies that can act forward in time have a true value: retrospective fusion weighs phenotypes by the whole stay,
which no one has while treating, so it is left out and the table says so by its absence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import GroundTruth, TrueValue, ground_truth
from core.icu.fit.simulated import RunPolicy
from core.icu.view import RunView
from core.policies import NamedPolicy, PolicyKey
from core.policies.families import rolled_out_keys
from core.policies.key import CLINICIAN, KEY_COLUMNS

TRUE_COLUMNS = ("true_value", "true_se", "true_survival", "true_survival_se")
COLUMNS = (*KEY_COLUMNS, *TRUE_COLUMNS, "n")


def true_values(view: RunView) -> Iterator[tuple[Progress, pd.DataFrame]]:
    """Roll out the run's policies one by one; yields progress and the table so far (empty for real patients)."""
    n, truth = view.config.evaluation.truth_patients, ground_truth(view.cohort)
    rows: list[dict[str, object]] = []
    if truth is None or n == 0:
        yield Progress("truth", 1, 1, "No truth: the patients are real, or roll-outs are off"), _table(rows)
        return
    truth = replace(truth, study=view.study)  # the run's reward weights
    fusion = view.config.fusion
    keys = rolled_out_keys(view.k_values, view.n_clusters, fusion.lambda_, fusion.grid, view.baselines)
    seed = derive_seed(view.config.run.seed, "truth")
    for done, key in enumerate(keys, start=1):
        result = true_value(view, truth, key, n, seed)
        rows.append({**key.row, **true_columns(result), "n": result.n})
        yield Progress("truth", done, len(keys), f"{key.policy} rolled out on {n:,} simulated patients"), _table(rows)


def true_value(view: RunView, truth: GroundTruth, key: PolicyKey, n: int, seed: int) -> TrueValue:
    """Value of one of the run's policies over n fresh patients; that of the clinicians is their true policy's."""
    policy = None if key.policy == CLINICIAN else RunPolicy(view, NamedPolicy(key))
    return truth.policy_value(policy or "clinician", n, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma)


def true_columns(result: TrueValue) -> dict[str, float]:
    """`TRUE_COLUMNS` of a table."""
    numbers = result.value, result.standard_error, result.survival, result.survival_standard_error
    return dict(zip(TRUE_COLUMNS, numbers, strict=True))


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))
