"""What a policy is estimated to gain over another one on the same patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.rng import stream
from core.base.types import Estimate, OPEResult
from core.evaluation import (
    DEFAULT_ESTIMATOR,
    Critic,
    Recorded,
    differences,
    propensities,
    state_values,
    weighted_draws,
    weighted_many,
)
from core.fusion import between
from core.icu.ask.critics import control_variate
from core.icu.stays import Stays
from core.policies.key import CLINICIAN, PolicyKey


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
    reach: float = 1.0,
) -> Gain:
    """PHWDR, the default estimator, of two policies (reference None: the clinicians) on the same resamples of persons.

    Each resample values both policies, so that what they share cancels: the interval of the difference is narrower than
    the two intervals make it look.
    reach: the policy only as far as this setting of the trust frontier's mixture, 0 (clinicians) to 1 (itself).
    """
    some = stays.only(patients)
    data, settings = some.trajectories, some.config
    keys = (reference or PolicyKey(CLINICIAN), policy)
    probs, critics = [some.probs(key) for key in keys], [control_variate(some, key) for key in keys]
    if reach < 1:
        probs[1] = between(some.behavior, probs[1], reach)
    given, gamma = propensities(some.behavior, data.actions), settings.agents.gamma
    recorded = Recorded(data.rewards, data.transition_mask, given, gamma, some.persons)
    evaluated = np.stack([propensities(p, data.actions) for p in probs])
    critic = Critic(
        np.stack([propensities(q, data.actions) for q in critics]),
        np.stack([state_values(p, q) for p, q in zip(probs, critics, strict=True)]),
    )
    asked = DEFAULT_ESTIMATOR, recorded, evaluated, critic, settings.evaluation.n_bootstrap
    first, second = weighted_many(*asked, rng=stream(settings.run.seed, "evaluation", "bootstrap"))
    draws = weighted_draws(*asked, rng=stream(settings.run.seed, "evaluation", "bootstrap"))
    return Gain(second, first, differences([first.value, second.value], draws, first.n)[1])
