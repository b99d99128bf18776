"""The clinicians: a known policy that looks at the charted state and at nothing else.

    pi(a | s) = (1 - e) softmax_a(intercept_a + slope_a . u(s)) + e marginal_a,  u(s) = severity features of the row

The sicker (SOFA, lactate, INR) get more heparin: confounding by indication. Every dose keeps a small chance, so every
importance ratio is finite. Being a function of the charted state, the propensities are learnable without bias.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

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
    return severity_features(state, study) @ SLOPES.T + intercepts


def clinician_probs(state: np.ndarray, intercepts: np.ndarray, study: StudySpec) -> np.ndarray:
    """(..., A) action probabilities of the clinicians for charted states (..., D)."""
    considered = softmax(clinician_logits(state, intercepts, study), axis=-1)
    return (1 - EXPLORATION) * considered + EXPLORATION * MARGINAL
