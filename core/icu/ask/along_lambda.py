"""The fused policy along the whole lambda axis, on the test patients: what it gives, and how far it is from others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.evaluation import Recorded, propensities, weighted_many
from core.fusion import fuse, fusion_weights, relative_lambda, single_expert
from core.icu.view import RunView
from core.policies.doses import expert_disagreement, total_variation
from core.trajectories import padded


@dataclass(frozen=True, eq=False)
class LambdaCourse:
    """table: lambda_, pooled_ess (effective sample size over all stays together), disagreement_clinicians,
    disagreement_experts, largest_weight (means over the steps), shares (A,) mean probability of each dose; one row a
    stored lambda.

    typical_distance: median distance of the training patients to a center, so that lambda times it has no unit.
    average_gap, single_gap: largest difference of the two ends from the pure policies (0 but for rounding).
    """

    table: pd.DataFrame
    typical_distance: float
    average_gap: float
    single_gap: float


@remembered_by(8)
def along_lambda(view: RunView, n_clusters: int, mode: str) -> LambdaCourse:
    """The course of the fused policy at one K and mode over the run's lambdas."""
    every, mask = view.distances(n_clusters, mode), view.trajectories.mask
    test, train = view.split.test, view.split.train
    distances, experts = every[test][mask[test]], view.agent_probs(n_clusters)[test][mask[test]]
    clinicians, actions = view.behavior[test][mask[test]], view.trajectories.actions[test][mask[test]]
    rows, chosen = [], []
    for value in view.lambdas:
        weights = fusion_weights(distances, value)
        fused = fuse(weights, experts)
        chosen.append(padded(propensities(fused, actions), mask[test], 1))
        rows.append(
            {
                "lambda_": value,
                "disagreement_clinicians": float(total_variation(fused, clinicians).mean()),
                "disagreement_experts": float(expert_disagreement(weights, experts, fused).mean()),
                "largest_weight": float(weights.max(axis=-1).mean()),
                "shares": fused.mean(axis=0),
            }
        )
    some = view.only(test)
    data, given = some.trajectories, propensities(some.behavior, some.trajectories.actions)
    recorded = Recorded(data.rewards, data.transition_mask, given, view.config.agents.gamma)
    pooled = [result.ess for result in weighted_many("wis", recorded, np.stack(chosen))]
    average = fuse(fusion_weights(distances, 0.0), experts) - experts.mean(axis=-2)
    nearest = single_expert(fusion_weights(distances, 1.0)).argmax(axis=-1)
    alone = np.take_along_axis(experts, nearest[:, None, None], axis=1)[:, 0]
    single = fuse(fusion_weights(distances, np.inf), experts) - alone
    return LambdaCourse(
        pd.DataFrame(rows).assign(pooled_ess=pooled),
        1 / relative_lambda(1.0, every[train][mask[train]]),
        float(np.abs(average).max(initial=0.0)),
        float(np.abs(single).max(initial=0.0)),
    )
