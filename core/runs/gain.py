"""What a policy is estimated to gain over another one on the same patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation import differences, phwis_draws, phwis_many, propensities
from core.rng import stream
from core.runs.stays import PolicyKey, Stays
from core.types import Estimate, OPEResult


@dataclass(frozen=True)
class Gain:
    """`difference` is the policy's value minus the reference's, with its paired interval."""

    policy: OPEResult
    reference: OPEResult
    difference: Estimate


def gain(
    stays: Stays,
    patients: np.ndarray,
    policy: PolicyKey,
    reference: PolicyKey | None = None,
    persons: np.ndarray | None = None,
) -> Gain:
    """PHWIS of two policies (reference None: the clinicians) on the same resamples of these patients.

    Each resample values both policies, so that what they share cancels: the interval of the difference is narrower than
    the two intervals make it look. persons (n,): whose stays are drawn together, as in `phwis`.
    """
    some = stays.only(patients)
    data, settings = some.trajectories, some.config
    pair = (reference or PolicyKey("clinician"), policy)
    probs = [some.policy_probs(key.policy, key.n_clusters, key.lambda_, key.mode) for key in pair]
    taken = np.stack([propensities(p, data.actions) for p in probs])
    given = propensities(some.behavior, data.actions)
    recorded = data.rewards, data.transition_mask, taken, given, settings.agents.gamma, settings.evaluation.n_bootstrap
    first, second = phwis_many(*recorded, rng=stream(settings.run.seed, "evaluation", "bootstrap"), persons=persons)
    draws = phwis_draws(*recorded, rng=stream(settings.run.seed, "evaluation", "bootstrap"), persons=persons)
    return Gain(second, first, differences([first.value, second.value], draws, first.n)[1])
