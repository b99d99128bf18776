"""The trust frontier of a run: how far a policy may depart from the clinicians before their records cannot judge it.

Each dial leads from the clinicians' policy to a learned one (see `core.fusion.dials`). Along it stand value, interval
and effective sample size on recorded stays and, on simulated patients, the true value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.evaluation import (
    Critic,
    Recorded,
    direct_many,
    propensities,
    state_values,
    support_light,
    unsupported_share,
    weighted_many,
)
from core.fusion.dials import MIXTURE, Dial, furthest_supported
from core.icu.ask.compare import bootstrap_rng
from core.icu.ask.critics import control_variate
from core.icu.stays import Stays
from core.icu.view import RunView
from core.policies import DialedPolicy, NamedPolicy, PolicyKey
from core.policies.doses import total_variation


def frontier_policy(stays: Stays, key: PolicyKey, dial: Dial, setting: float) -> np.ndarray:
    """Action probabilities (N, T, A) of a policy at one setting of the dial."""
    return DialedPolicy(NamedPolicy(key), dial, setting).probs(stays).astype(np.float32)


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
    policy = some.probs(key)
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
    q = control_variate(some, key)
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


@remembered_by(12)
def frontier_of(view: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    """Value and support on the run's test patients from the clinicians' policy to this one."""
    return frontier_table(view, view.split.test, key, dial)


@remembered_by(12)
def frontier_sizes_of(view: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    """The effective sample sizes of `frontier_of` alone, by setting."""
    return frontier_sizes(view, view.split.test, key, dial)


def reach_of(view: RunView, key: PolicyKey) -> float | None:
    """How far the run's test patients support the policy, as a setting of the mixture; None if nowhere."""
    return furthest_supported(frontier_sizes_of(view, key, MIXTURE), view.config.evaluation.ess_floor)


def as_far_as_supported(view: RunView, key: PolicyKey, behavior: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """(..., A) a policy's probabilities up to `reach_of` it; the clinicians' own where the records support no
    departure."""
    return MIXTURE.mix(behavior, probs, reach_of(view, key) or 0.0)
