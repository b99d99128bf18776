"""How a stay ends: death in the window, leaving alive, or the horizon; and death after it, until day 90.

    logit P(death in this step) = death_intercept + slope . risk,       risk = sum of the hidden factors by lethality
    logit P(leaving alive)      = discharge_intercept + small push of good organ function
    logit P(death after)        = late_intercept[phenotype] + slope . risk at the last step

A patient has at least two steps. Leaving depends little on risk, so the length of a stay does not tell the phenotype.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from core.cohort.simulate import mechanism
from core.cohort.simulate.constants import Constants

DEATH_SLOPE = 1.3
DISCHARGE_SLOPE = -0.25
LATE_SLOPE = 1.6


def risk(factors: np.ndarray) -> np.ndarray:
    """(n,) how lethal the hidden factors (n, F) are."""
    return np.asarray(factors @ mechanism.factor_vector(mechanism.LETHALITY))


def death_probability(level: np.ndarray, constants: Constants) -> np.ndarray:
    """(n,) chance to die in this step, from the risk."""
    return np.asarray(expit(constants.death_intercept + DEATH_SLOPE * level))


def discharge_probability(level: np.ndarray, constants: Constants) -> np.ndarray:
    """(n,) chance to leave the unit alive in this step."""
    return np.asarray(expit(constants.discharge_intercept + DISCHARGE_SLOPE * level))


def late_death_probability(level: np.ndarray, phenotype: np.ndarray, constants: Constants) -> np.ndarray:
    """(n,) chance to die after the window, from the risk at its end."""
    return np.asarray(expit(np.asarray(constants.late_death_intercepts)[phenotype] + LATE_SLOPE * level))
