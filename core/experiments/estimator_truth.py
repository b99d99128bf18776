"""True values of the lab's policies by roll-out, sharpened by common random numbers.

Every policy meets the same simulated patients and noise as the clinicians do, so that its difference to them is known
much better than its value; the clinicians' own value comes from many more patients.

    V(pi) = V(clinicians; many) + mean_i (G_i(pi) - G_i(clinicians))
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.base.rng import derive_seed
from core.cohort import History, simulate_cohort
from core.cohort.simulate.clinicians import clinician_probs
from core.cohort.simulate.constants import load_constants
from core.cohort.simulate.history import Policy
from core.cohort.simulate.rollout import roll_out
from core.cohort.simulate.truth import GAMMA, discounted_returns
from core.study import StudySpec, load_study
from core.trajectories import Scaler, fit_scaler

LIKE = "mimic-iv"
REFERENCE_PATIENTS = 4_000  # whose extremes scale the rewards of every cohort alike, so that all share one truth
MANY, CHUNK = 60_000, 5_000
SEED = derive_seed(0, "estimator lab", "truth")


class TrueMean(NamedTuple):
    """A true value and its standard error."""

    value: float
    error: float


@lru_cache(maxsize=1)
def reference_scaler() -> Scaler:
    """One scaling for all cohorts of the lab."""
    cohort, _ = simulate_cohort(LIKE, REFERENCE_PATIENTS, derive_seed(0, "estimator lab", "reference"))
    return fit_scaler(cohort)


@lru_cache(maxsize=4)
def _clinician_returns(n: int) -> np.ndarray:
    return _returns(None, n, SEED)


@lru_cache(maxsize=1)
def clinician_value() -> TrueMean:
    """The clinicians' value over `MANY` patients."""
    returns = np.concatenate([_returns(None, CHUNK, SEED + 1 + i) for i in range(MANY // CHUNK)])
    return TrueMean(float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(MANY)))


def true_value(policy: Policy, n: int) -> TrueMean:
    """A policy's value from n patients."""
    anchor, gap = clinician_value(), _returns(policy, n, SEED) - _clinician_returns(n)
    return TrueMean(anchor.value + float(gap.mean()), float(np.hypot(anchor.error, gap.std(ddof=1) / np.sqrt(n))))


def true_clinicians(history: History) -> np.ndarray:
    """The simulator's own clinicians at the current charted state, (n, A)."""
    return clinician_probs(history.state, np.asarray(load_constants(LIKE).action_intercepts), _study())


@lru_cache(maxsize=1)
def _study() -> StudySpec:
    return load_study()


def _returns(policy: Policy | None, n: int, seed: int) -> np.ndarray:
    study = _study()
    stays = roll_out(load_constants(LIKE), study, n, seed, f"value {LIKE}", policy)
    return discounted_returns(stays, study, reference_scaler().spans, GAMMA)
