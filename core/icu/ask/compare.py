"""Every policy of a run, valued on recorded stays: one tidy table.

Columns: policy, n_clusters (0 where the policy has no phenotypes), mode and lambda_ (only where the policy depends on
them; lambda_ = inf is the single expert), estimator (phwis, phwdr; fqe where the policy's own Q was evaluated, without
an interval, since the error of the critic is not known), value, low, high, ess, zero_weight, max_weight, support (how
far the records carry the weighted estimates) and reasons, the sentences that say why not (all empty for fqe from ess
on), n, concordance_rate, entropy (share of that of uniform dosing, 0..1), unsupported_share (of steps whose top action
clinicians hardly ever give), survival with survival_low and survival_high (the weights of PHWIS on who survived),
expected_survival (read off the curve at PHWDR; all of survival NaN where the study's outcome does not tell it),
action_shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.base.types import OPEResult
from core.evaluation import (
    Critic,
    Recorded,
    SurvivalCurve,
    action_shares,
    concordance_rate,
    direct_many,
    no_curve,
    policy_entropy,
    propensities,
    state_values,
    support_light,
    survival_curve,
    unsupported_share,
    weighted_many,
)
from core.icu.ask.critics import control_variate, critic, fqe_q, has_fqe
from core.icu.stays import Stays
from core.policies.key import CLINICIAN, PolicyKey
from core.trajectories import Trajectories

# The critic alone weighs no stay, so there is no support to grade.
UNWEIGHTED = {"ess": np.nan, "zero_weight": np.nan, "max_weight": np.nan, "support": "", "reasons": ""}


def compare_policies(
    stays: Stays, patients: np.ndarray, keys: Sequence[PolicyKey], curve: SurvivalCurve
) -> pd.DataFrame:
    """Value and survival of each policy on the given patients."""
    some = stays.only(patients)
    data, mask = some.trajectories, some.trajectories.transition_mask
    given = propensities(some.behavior, data.actions)
    chosen, q_taken, v, described = [], [], [], []
    for key in keys:
        probs, q = some.probs(key), control_variate(some, key)
        chosen.append(propensities(probs, data.actions))
        q_taken.append(propensities(q, data.actions))
        v.append(state_values(probs, q))
        described.append(_describe(probs, some, mask))
    evaluated, n_bootstrap = np.stack(chosen), some.config.evaluation.n_bootstrap
    recorded = Recorded(data.rewards, mask, given, some.config.agents.gamma, some.persons)
    own_critic = Critic(np.stack(q_taken), np.stack(v))
    phwis = weighted_many("phwis", recorded, evaluated, None, n_bootstrap, bootstrap_rng(some))
    survival = _survivals(some, given, evaluated)
    phwdr = weighted_many("phwdr", recorded, evaluated, own_critic, n_bootstrap, bootstrap_rng(some))
    pooled = weighted_many("wis", recorded, evaluated)
    own = _evaluated(some, keys, mask)
    rows = []
    for i, key in enumerate(keys):
        shared = _shared(key, phwis[i], survival[i], described[i], float(curve.at(phwdr[i].value)))
        others = [phwdr[i], *([own[key]] if key in own else [])]
        unusual = described[i]["unsupported_share"]
        light = support_light(phwis[i], some.config.evaluation.ess_floor, unusual, others, pooled[i].ess)
        graded = {"support": light.grade, "reasons": " ".join(light.reasons)}
        results = {"phwis": phwis[i], "phwdr": phwdr[i]} | ({"fqe": own[key]} if key in own else {})
        for name, result in results.items():
            estimate = {"estimator": name, "value": result.value, "low": result.low, "high": result.high}
            rows.append({**shared, **estimate, "n": result.n, **graded, **(UNWEIGHTED if name == "fqe" else {})})
    return pd.DataFrame(rows)


def _survivals(some: Stays, given: np.ndarray, evaluated: np.ndarray) -> list[OPEResult] | list[None]:
    """Survival by the weights of PHWIS under each of the evaluated probabilities (P, N, T); None where nobody knows."""
    mask = some.trajectories.transition_mask
    lived = _survived(some.trajectories, mask)
    if lived is None:
        return [None] * len(evaluated)
    told = Recorded(lived, mask, given, 1.0, some.persons)
    return weighted_many("phwis", told, evaluated, None, some.config.evaluation.n_bootstrap, bootstrap_rng(some))


def _evaluated(some: Stays, keys: Sequence[PolicyKey], mask: np.ndarray) -> dict[PolicyKey, OPEResult]:
    """The critic's value of the first states, for policies whose own Q was evaluated."""
    own = [key for key in keys if has_fqe(some, key)]
    if not own:
        return {}
    values = np.stack([state_values(some.probs(key), critic(some, key)) for key in own])
    return dict(zip(own, direct_many(values, mask), strict=True))


def _survived(data: Trajectories, mask: np.ndarray) -> np.ndarray | None:
    """(N, T) 1 on the last transition of those who survived: its expectation is the survival under a policy; None where
    nobody knows."""
    if data.survived is None:
        return None
    last = mask & (np.cumsum(mask, axis=1) == mask.sum(axis=1, keepdims=True))
    return np.asarray((last & data.survived[:, None]).astype(np.float64))


def recorded_survival(stays: Stays, patients: np.ndarray) -> SurvivalCurve:
    """Survival against the value of what was done, over the steps of the given patients; read off at a policy's PHWDR.

    The value is the clinicians' own Q by fitted evaluation; on its scale their PHWDR gives their survival. The source
    takes Q* (kept where the critic is "fqi"), which is higher than any value that is read off there, so that all
    policies look deadlier than the records. The curve is monotone, and its band resamples persons, not steps.
    It has no bin where the study's outcome does not tell who survived.
    """
    data, settings = stays.trajectories.subset(patients), stays.config.evaluation
    if data.survived is None:
        return no_curve()
    q = stays.fqi_q if settings.control_variate == "fqi" else fqe_q(stays, PolicyKey(CLINICIAN))
    mask = data.transition_mask
    values = propensities(np.asarray(q[patients]), data.actions)
    owner, _ = np.nonzero(mask)
    return survival_curve(
        values[mask],
        data.survived[owner],
        stays.persons[patients][owner],
        n_bootstrap=settings.n_bootstrap,
        rng=bootstrap_rng(stays),
    )


def bootstrap_rng(stays: Stays) -> np.random.Generator:
    """The same resamples for every estimator, so that their differences are not noise."""
    return stream(stays.config.run.seed, "evaluation", "bootstrap")


def _describe(probs: np.ndarray, some: Stays, mask: np.ndarray) -> dict[str, Any]:
    return {
        "concordance_rate": concordance_rate(probs, some.trajectories.actions, mask),
        "entropy": policy_entropy(probs, mask),
        "unsupported_share": unsupported_share(probs, some.behavior, mask, some.config.evaluation.probability_floor),
        "action_shares": action_shares(probs, mask, top=False).tolist(),
    }


def _shared(
    key: PolicyKey, support: OPEResult, survival: OPEResult | None, described: dict[str, object], expected: float
) -> dict[str, object]:
    """What all estimates of a policy share."""
    return {
        **key.row,
        "ess": support.ess,
        "zero_weight": support.zero_weight,
        "max_weight": support.max_weight,
        "survival": survival.value if survival else np.nan,
        "survival_low": survival.low if survival else np.nan,
        "survival_high": survival.high if survival else np.nan,
        "expected_survival": expected,
        **described,
    }
