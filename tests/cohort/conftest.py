"""A small study and a table of four stays that obeys every rule."""

from __future__ import annotations

import pandas as pd
import pytest

from core.study import StudySpec

MINI = {
    "name": "mini",
    "title": "A small study",
    "population": "Nobody",
    "horizon": 4,
    "step_hours": 6.0,
    "terminal_coeff": 2.0,
    "outcome_labels": ["survival_30d"],
    "severity": "score",
    "highlights": ["score"],
    "columns": [
        {"name": "age", "unit": "years", "kind": "static", "plausible": [18, 120]},
        {"name": "female", "unit": "0 or 1", "kind": "static", "binary": True, "plausible": [0, 1]},
        {"name": "Lactate", "unit": "mmol/L", "kind": "temporal", "plausible": [0, 50]},
        {"name": "vent", "unit": "0 or 1", "kind": "temporal", "binary": True, "plausible": [0, 1]},
        {"name": "score", "unit": "points", "kind": "temporal", "plausible": [0, 24]},
    ],
    "actions": {"drug": "insulin", "unit": "units", "upper": [0, 5, 20], "representative": [0, 2.5, 12]},
}


@pytest.fixture(scope="session")
def study() -> StudySpec:
    return StudySpec.build(MINI, "mini")


@pytest.fixture
def table() -> pd.DataFrame:
    """Patients 1, 2, 3, 10 with 3, 2, 4, 2 steps; patients 2 and 10 die."""
    return pd.DataFrame(
        {
            "traj": [1, 1, 1, 2, 2, 3, 3, 3, 3, 10, 10],
            "step": [0, 1, 2, 0, 1, 0, 1, 2, 3, 0, 1],
            "age": [60.0] * 3 + [70.0] * 2 + [50.0] * 4 + [81.0] * 2,
            "female": [0] * 3 + [1] * 2 + [1] * 4 + [0] * 2,
            "Lactate": [1.0, 1.5, 2.0, 4.0, 5.0, 0.5, 0.6, 0.7, 0.8, 3.0, 3.5],
            "vent": [0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0],
            "score": [4, 5, 6, 12, 14, 2, 2, 1, 0, 9, 9],
            "action": [0, 1, 2, 0, 0, 1, 1, 0, 0, 2, 2],
            "outcome": [0, 0, 1, 0, -1, 0, 0, 0, 1, 0, -1],
        }
    )
