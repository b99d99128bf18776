"""Clinicians with memory: heparin comes in courses of a kind, and is held where it is dangerous.

A step's dose leans on the dose before it, so that courses persist, change by a little, and end:

    logit_a += KEEP[previous dose, a] + [a > 0] sum_j hold_j [column_j beyond limit_j] + start_a . kidneys

The kind of a course is read from its dose: a low-dose infusion or a circuit's (more often where kidneys fail), a
prophylactic dose, a therapeutic infusion, a bolus or high-dose infusion, which goes on as an infusion. Like the rest of
the clinicians' habits it is a function of what is on record: the charted state and the previous dose.
"""

from __future__ import annotations

import numpy as np

from core.study import StudySpec

KINDS = ("none", "low-dose or circuit", "prophylactic", "therapeutic infusion", "bolus or high-dose infusion")
KEEP = np.array(  # (A, A) by previous dose (row): log odds of each dose beyond those without a course
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 4.6, 2.2, 1.7, 0.7],
        [0.0, 2.2, 6.0, 3.5, 1.2],
        [0.0, 1.7, 3.5, 6.0, 3.0],
        [0.0, 1.7, 3.0, 4.5, 5.0],
    ]
)
HOLDS = (  # column, at least, below, change of the log odds of any dose
    ("Platelets", 0.0, 75.0, -0.6),
    ("Platelets", 0.0, 50.0, -1.2),
    ("PTT", 60.0, np.inf, -0.4),
    ("PTT", 80.0, np.inf, -0.8),
    ("PTT", 100.0, np.inf, -1.2),
)
CIRCUIT = 0.35  # log odds of a low dose, a doubling of creatinine


def course_logits(state: np.ndarray, previous: np.ndarray, study: StudySpec) -> np.ndarray:
    """(n, A) what memory adds to the clinicians' logits; state (n, D) charted, previous (n,) dose one step before."""
    logits = KEEP[previous].copy()
    for name, low, high, change in HOLDS:
        value = state[:, study.index(name)]
        logits[:, 1:] += (change * ((value >= low) & (value < high)))[:, None]
    creatinine = state[:, study.index("Creatinine")].astype(np.float64)
    logits[:, 1] += CIRCUIT * np.clip(np.log2(np.maximum(creatinine, 0.3)), -1.5, 3.0)
    return np.asarray(logits)
