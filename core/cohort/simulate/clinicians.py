"""The clinicians: a known policy of the charted state, and of nothing else unless the world is confounded.

    pi(a | s) = (1 - e) softmax_a(intercept_a + slope_a . u(s)) + e marginal_a,  u(s) = severity features of the row

The sicker (SOFA, lactate, INR) get more heparin: confounding by indication. Every dose keeps a small chance, so every
importance ratio is finite. Being a function of the charted state, the propensities are learnable without bias.

Irregular clinicians follow half of the slopes, and protocols with sharp limits. In a confounded world the log odds of
any dose move by what the hidden phenotype adds (`World.confounding`): nobody who reads the chart alone can know. With
memory the previous dose counts too (`courses.py`).
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from core.cohort.simulate.courses import course_logits
from core.cohort.simulate.history import History
from core.cohort.simulate.world import World
from core.study import StudySpec

FEATURES = ("SOFA", "Lactate", "INR", "Platelets", "PTT")
SLOPES = np.array(  # (A, features): the high doses follow severity more closely, and avoid very low platelets
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.60, 0.25, 0.10, 0.15, -0.15],
        [0.75, 0.30, 0.15, 0.25, -0.20],
        [0.80, 0.30, 0.15, 0.30, -0.25],
        [0.85, 0.35, 0.15, 0.35, -0.30],
    ]
)
MARGINAL = np.array([0.8572, 0.0973, 0.0149, 0.0152, 0.0153])  # published shares of the doses
EXPLORATION = 0.05

IRREGULAR_SLOPES = 0.5  # share of the smooth slopes that irregular clinicians keep
IRREGULAR_SHIFT = -0.15  # of the log odds of any dose: keeps its share near the published one
# Change of the log odds of any dose where every condition (column, at least, below) holds.
PROTOCOLS: tuple[tuple[float, tuple[tuple[str, float, float], ...]], ...] = (
    (1.2, (("SOFA", 8.0, np.inf), ("Age", 0.0, 65.0))),
    (-1.2, (("SOFA", 8.0, np.inf), ("Age", 75.0, np.inf))),
    (1.0, (("Creatinine", 2.0, np.inf), ("Ventilation", 0.5, np.inf))),
    (0.8, (("Lactate", 4.0, np.inf), ("Platelets", 100.0, np.inf))),
    (-1.5, (("Platelets", 0.0, 50.0),)),
    (-1.2, (("PTT", 60.0, np.inf),)),
)


def severity_features(state: np.ndarray, study: StudySpec) -> np.ndarray:
    """(..., 5) roughly standardized features of charted states (..., D) in physical units."""
    sofa, lactate, inr, platelets, ptt = (state[..., study.index(name)].astype(np.float64) for name in FEATURES)
    parts = (
        (sofa - 5.0) / 4.0,
        np.log(np.maximum(lactate, 0.3) / 1.8) / 0.6,
        np.log(np.maximum(inr, 0.7) / 1.4) / 0.4,
        (platelets - 115.0) / 45.0,
        np.log(np.maximum(ptt, 16.0) / 36.0) / 0.4,
    )
    return np.clip(np.stack(parts, axis=-1), -2.5, 2.5)


def clinician_logits(state: np.ndarray, intercepts: np.ndarray, study: StudySpec) -> np.ndarray:
    """(..., A) logits before mixing."""
    return np.asarray(severity_features(state, study) @ SLOPES.T + intercepts)


def clinician_probs(state: np.ndarray, intercepts: np.ndarray, study: StudySpec) -> np.ndarray:
    """(..., A) action probabilities of the default world's clinicians for charted states (..., D)."""
    return explored(clinician_logits(state, intercepts, study))


def explored(logits: np.ndarray) -> np.ndarray:
    """(..., A) softmax of the logits, mixed with the marginal shares."""
    return np.asarray((1 - EXPLORATION) * softmax(logits, axis=-1) + EXPLORATION * MARGINAL)


def protocol_log_odds(state: np.ndarray, study: StudySpec) -> np.ndarray:
    """(...,) what the protocols of irregular clinicians add to the log odds of any dose."""
    total = np.full(state.shape[:-1], IRREGULAR_SHIFT)
    for change, conditions in PROTOCOLS:
        holds = np.ones(state.shape[:-1], dtype=bool)
        for name, low, high in conditions:
            value = state[..., study.index(name)]
            holds &= (value >= low) & (value < high)
        total += change * holds
    return total


class Clinicians:
    """The clinicians of one world, as a policy: what they would do at the current step, given what only they know."""

    def __init__(self, intercepts: tuple[float, ...], study: StudySpec, world: World) -> None:
        self._intercepts = np.asarray(intercepts)
        self._study = study
        self._world = world

    def __call__(self, history: History) -> np.ndarray:
        """(n, A) action probabilities."""
        logits = self._charted(history.state)
        if self._world.memory:
            previous = history.actions[:, -1] if history.step else np.zeros(len(history), dtype=np.int64)
            logits += course_logits(history.state, previous, self._study)
        if self._world.confounding:
            logits[:, 1:] += self._world.hidden_log_odds[history.phenotype][:, None]
        return explored(logits)

    def _charted(self, state: np.ndarray) -> np.ndarray:
        """(n, A) logits from the charted state alone."""
        if not self._world.irregular:
            return clinician_logits(state, self._intercepts, self._study)
        logits = IRREGULAR_SLOPES * severity_features(state, self._study) @ SLOPES.T + self._intercepts
        logits[:, 1:] += protocol_log_odds(state, self._study)[:, None]
        return np.asarray(logits)


def by_phenotype(probs: np.ndarray, phenotype: np.ndarray, world: World) -> np.ndarray:
    """(..., 3, A) what the same clinicians would do were the phenotype (...,) of these rows (..., A) another one."""
    charted = np.maximum(probs - EXPLORATION * MARGINAL, 0.0)
    added = world.hidden_log_odds - world.hidden_log_odds[phenotype][..., None]
    odds = np.repeat(charted[..., None, :], added.shape[-1], axis=-2)
    odds[..., 1:] *= np.exp(added)[..., None]
    return np.asarray((1 - EXPLORATION) * odds / odds.sum(axis=-1, keepdims=True) + EXPLORATION * MARGINAL)
