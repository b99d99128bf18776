"""The trust frontier of a run: how far a policy may depart from the clinicians before their records cannot judge it.

Each dial leads from the clinicians' policy to a learned one (see `core.fusion.dials`). Along it stand value, interval
and effective sample size on recorded stays and, on simulated patients, the true value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import History, ground_truth
from core.evaluation import (
    Critic,
    NeighborPolicy,
    Recorded,
    direct_many,
    propensities,
    state_values,
    support_light,
    unsupported_share,
    weighted_many,
)
from core.fusion.dials import DIALS, MIXTURE, TRUTH_COLUMNS, Dial, furthest_supported
from core.icu.ask.compare import bootstrap_rng
from core.icu.ask.doses import total_variation
from core.icu.fit.truth import RunPolicy
from core.icu.stays import PolicyKey, Stays

if TYPE_CHECKING:
    from core.icu.view import RunView


def frontier_policy(stays: Stays, key: PolicyKey, dial: Dial, setting: float) -> np.ndarray:
    """Action probabilities (N, T, A) of a policy at one setting of the dial."""
    policy = stays.policy_probs(key.policy, key.n_clusters, key.lambda_, key.mode)
    return dial.mix(stays.behavior, policy, setting).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Course:
    """A policy along a dial on some patients: the mixtures (N, T, A) by setting, and their propensities (P, N, T)."""

    some: Stays
    mixed: list[np.ndarray]
    recorded: Recorded
    chosen: np.ndarray


def _course(stays: Stays, patients: np.ndarray, key: PolicyKey, dial: Dial) -> _Course:
    some = stays.only(patients)
    data, behavior = some.trajectories, some.behavior
    policy = some.policy_probs(key.policy, key.n_clusters, key.lambda_, key.mode)
    mixed = [dial.mix(behavior, policy, setting) for setting in dial.settings]
    given, gamma = propensities(behavior, data.actions), some.config.agents.gamma
    recorded = Recorded(data.rewards, data.transition_mask, given, gamma, some.persons)
    return _Course(some, mixed, recorded, np.stack([propensities(probs, data.actions) for probs in mixed]))


def frontier_sizes(stays: Stays, patients: np.ndarray, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    """setting, ess and pooled_ess of `frontier_table` alone, which is all that `furthest_supported` reads."""
    course = _course(stays, patients, key, dial)
    sizes = {
        name: [result.ess for result in weighted_many(method, course.recorded, course.chosen)]
        for name, method in (("ess", "phwis"), ("pooled_ess", "wis"))
    }
    return pd.DataFrame({"setting": dial.settings, **sizes})


def frontier_table(stays: Stays, patients: np.ndarray, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    """Value and support of a policy along the dial, on the given patients.

    One row a setting and estimator, settings in the order of the dial: setting, estimator (phwis, phwdr), value, low,
    high, ess, pooled_ess (over all stays together, not by length), support and its reasons, n, distance (mean total
    variation from the clinicians' policy). PHWDR takes one critic, the learned policy's, at every setting: it stays
    consistent under any, as long as the propensities hold.
    """
    course = _course(stays, patients, key, dial)
    some, mixed, recorded, chosen = course.some, course.mixed, course.recorded, course.chosen
    mask, behavior = recorded.mask, some.behavior
    q = some.control_variate(key.policy, key.n_clusters, key.lambda_, key.mode)
    critic = Critic(propensities(q, some.trajectories.actions), np.stack([state_values(probs, q) for probs in mixed]))
    settings = some.config.evaluation
    results = {
        "phwis": weighted_many("phwis", recorded, chosen, None, settings.n_bootstrap, bootstrap_rng(some)),
        "phwdr": weighted_many("phwdr", recorded, chosen, critic, settings.n_bootstrap, bootstrap_rng(some)),
    }
    pooled = weighted_many("wis", recorded, chosen)
    direct = direct_many(critic.v, mask)
    rows = []
    for i, setting in enumerate(dial.settings):
        # the critic is that of the learned policy, so it says something of the last setting alone
        weighed, others = results["phwis"][i], [results["phwdr"][i], *direct[i : i + (i == len(mixed) - 1)]]
        unusual = unsupported_share(mixed[i], behavior, mask, settings.probability_floor)
        light = support_light(weighed, settings.ess_floor, unusual, others, pooled[i].ess)
        shared = {
            "setting": setting,
            "ess": weighed.ess,
            "pooled_ess": pooled[i].ess,
            "support": light.grade,
            "reasons": " ".join(light.reasons),
            "n": weighed.n,
            "distance": float(total_variation(mixed[i][mask], behavior[mask]).mean()) if mask.any() else np.nan,
        }
        for name, result in results.items():
            estimate = {"estimator": name, "value": result[i].value, "low": result[i].low, "high": result[i].high}
            rows.append({**shared, **estimate})
    return pd.DataFrame(rows)


def fused_reach(view: RunView, n_clusters: int, lambda_: float, mode: str = "prospective") -> float | None:
    """How far the run's test patients support the fused policy, as a setting of the mixture; None if nowhere."""
    sizes = view.frontier_sizes("fused", n_clusters, lambda_, mode, MIXTURE.name)
    return furthest_supported(sizes, view.config.evaluation.ess_floor)


def as_far_as_supported(
    view: RunView, behavior: np.ndarray, fused: np.ndarray, n_clusters: int, lambda_: float
) -> np.ndarray:
    """(..., A) the fused policy up to `fused_reach`; the clinicians' own where the records support no departure."""
    return MIXTURE.mix(behavior, fused, fused_reach(view, n_clusters, lambda_) or 0.0)


class FrontierPolicy:
    """A policy at one setting of a dial, as the simulator calls it: history so far -> action probabilities (n, A).

    The clinicians' policy is the run's estimate of it at the simulated state, as it would be for new patients.
    """

    def __init__(self, policy: RunPolicy, clinicians: NeighborPolicy, dial: Dial, setting: float) -> None:
        self.policy, self.clinicians, self.dial, self.setting = policy, clinicians, dial, setting

    def __call__(self, history: History) -> np.ndarray:
        active = history.active  # what is said of stays that have ended is ignored, and neighbors cost
        probs = np.asarray(self.policy(history), dtype=np.float64)
        behavior = self.clinicians(self.policy.view.scaler.scale(history.state[active]))
        probs[active] = self.dial.mix(behavior, probs[active], self.setting)
        return probs


def estimated_clinicians(view: RunView) -> NeighborPolicy:
    """The run's estimate of the clinicians' policy, for many new states: neighbors are searched for approximately."""
    study, settings, train = view.study, view.config.evaluation, view.training_states
    return NeighborPolicy(
        view.trajectories.states[train[:, 0], train[:, 1]],
        view.trajectories.actions[train[:, 0], train[:, 1]],
        study.n_actions,
        settings.n_neighbors,
        np.array([column.behavior_weight for column in study.columns]),
        settings.pseudo_count,
        approximate=True,
    )


def frontier_truth(view: RunView) -> Iterator[tuple[Progress, pd.DataFrame]]:
    """Roll out the run's own fused policy along both dials; yields progress and the table so far.

    Columns dial, setting, true_value, true_se, n; empty for real patients. The ends are the clinicians themselves and
    the fused policy, whose true values the run already holds.
    """
    truth, key, settings = ground_truth(view.cohort), own_policy(view), view.config.evaluation
    n = min(settings.frontier_patients, settings.truth_patients)
    if truth is None or view.truth.empty or n == 0:
        yield Progress("frontier", 1, 1, "No truth: the patients are real, or roll-outs are off"), _table([])
        return
    rows = [_row(dial, *end) for dial in DIALS.values() for end in _ends(view, dial, key)]
    truth = replace(truth, study=view.study)
    points = [(dial, setting) for dial in DIALS.values() for setting in dial.known]
    seed, clinicians = derive_seed(view.config.run.seed, "truth"), estimated_clinicians(view)
    for done, (dial, setting) in enumerate(points, start=1):
        policy = FrontierPolicy(RunPolicy(view, key), clinicians, dial, setting)
        result = truth.policy_value(policy, n, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma)
        rows.append(_row(dial, setting, result.value, result.standard_error, result.n))
        yield Progress("frontier", done, len(points), "Truth along the trust frontier"), _table(rows)


def _ends(view: RunView, dial: Dial, key: PolicyKey) -> Iterator[tuple[float, float, float, int]]:
    """Setting, true value, standard error and n of both ends of a dial."""
    table = view.truth
    for setting, end in ((dial.settings[0], PolicyKey("clinician")), (dial.settings[-1], key)):
        same = (table["policy"] == end.policy) & (table["n_clusters"] == end.n_clusters) & (table["mode"] == end.mode)
        row = table[same & (table["lambda_"].isna() | np.isclose(table["lambda_"], end.lambda_))].iloc[0]
        yield setting, float(row["true_value"]), float(row["true_se"]), int(row["n"])


def _row(dial: Dial, setting: float, value: float, error: float, n: int) -> dict[str, object]:
    return {"dial": dial.name, "setting": setting, "true_value": value, "true_se": error, "n": n}


def own_policy(view: RunView) -> PolicyKey:
    """The policy whose frontier is rolled out: fused at the run's own K and lambda, by the steps so far."""
    return PolicyKey("fused", view.n_clusters, "prospective", view.config.fusion.lambda_)


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(TRUTH_COLUMNS))
    return table.sort_values(["dial", "setting"], ignore_index=True)
