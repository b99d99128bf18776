"""A study with three columns and three actions, and two stays small enough to do the sums by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from core.cohort import Cohort, make_cohort
from core.study import StudySpec

SMALL = {
    "name": "small",
    "title": "Small",
    "population": "Nobody",
    "horizon": 4,
    "step_hours": 2.0,
    "terminal_coeff": 10.0,
    "severity": "score",
    "highlights": ["score"],
    "columns": [
        {"name": "age", "unit": "years", "kind": "static", "plausible": [0, 120]},
        {"name": "score", "unit": "points", "kind": "temporal", "plausible": [0, 24]},
        {"name": "count", "unit": "1", "kind": "temporal", "plausible": [0, 1000]},
    ],
    "actions": {"drug": "x", "unit": "mg", "upper": [0, 1, 2], "representative": [0, 0.5, 1.5]},
    "rewards": [
        {"name": "stuck", "kind": "stagnation", "column": "score", "coefficient": -0.5},
        {"name": "rise", "kind": "difference", "column": "score", "coefficient": -2.0},
        {"name": "steep", "kind": "tanh_difference", "column": "count", "coefficient": 3.0},
        {"name": "band", "kind": "range", "column": "count", "coefficient": 0.25, "low": 50, "high": 150},
    ],
}


@pytest.fixture(scope="session")
def small_study() -> StudySpec:
    return StudySpec.build(SMALL, "small")


@pytest.fixture
def small_cohort(small_study: StudySpec) -> Cohort:
    """Patient 5 dies after four steps, patient 8 survives after two."""
    table = pd.DataFrame(
        {
            "traj": [5, 5, 5, 5, 8, 8],
            "step": [0, 1, 2, 3, 0, 1],
            "age": [40.0] * 4 + [60.0] * 2,
            "score": [4, 4, 8, 12, 0, 0],
            "count": [100, 100, 200, 20, 120, 80],
            "action": [0, 1, 2, 0, 1, 1],
            "outcome": [0, 0, 0, -1, 0, 1],
        }
    )
    return make_cohort(table, small_study)
