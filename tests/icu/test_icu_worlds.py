"""A run on a saved cohort of another world knows the truth of that world, and keeps its recorded hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.cohort import load_cohort, save_cohort, simulate_cohort
from core.icu.config import load_preset
from core.icu.study import run_study
from core.icu.view import RunView
from tests.icu.test_icu_pipeline import SMALLEST


def test_where_the_drug_does_nothing_all_policies_of_a_run_are_truly_worth_the_same(tmp_path: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 80, 3, effect="none", confounding=0.8, memory=True)
    save_cohort(cohort, tmp_path / "stays.parquet")
    settings = SMALLEST | {"evaluation.truth_patients": "40"}
    for _ in run_study(load_cohort(tmp_path / "stays.parquet"), load_preset("quick", settings), tmp_path / "run"):
        pass
    view = RunView(tmp_path / "run")
    assert view.cohort.origin.world == "effect=none confounding=0.8 memory"
    assert view.cohort.extra is not None
    assert view.cohort.extra["hours"].nunique() == 16
    assert len(view.truth) > 5
    assert view.truth["true_value"].nunique() == 1
    assert np.isfinite(view.truth["true_value"]).all()
