"""A run as its view shows it: the report of its file, and what it takes to read its representation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.cohort import CohortReport, Exclusion, Problem, load_cohort, save_cohort, simulate_cohort
from core.icu.config import load_preset
from core.icu.study import run_study
from core.icu.view import REPRESENTATION, RunView

ROOT = Path(__file__).resolve().parents[2]


def test_the_report_of_a_saved_cohort_reaches_the_run(tmp_path: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, seed=1)
    rows = len(cohort.frame)
    attrition = (Exclusion("rows read", 0, 0, 40, rows + 90), Exclusion("stay of one step", 10, 90, 30, rows))
    mended = Problem("missing-value", "2 values were filled in.", None, "Lactate", severity="warning", count=2)
    saved = save_cohort(replace(cohort, report=CohortReport((mended,), attrition)), tmp_path / "c.parquet")
    stages = run_study(load_cohort(saved), load_preset("quick"), tmp_path / "run")
    assert next(step for step in stages if step.fraction == 1).stage == "cohort"
    stages.close()
    report = RunView(tmp_path / "run").report
    assert report.attrition == attrition
    assert report.warnings == (mended,)
    assert load_cohort(tmp_path / "run" / "cohort.parquet").report.attrition == attrition


def test_distances_of_the_stay_so_far_need_no_torch(tiny_run: Path) -> None:
    code = (
        "import sys\nfrom core.icu.view import RunView\n"
        "print(RunView(sys.argv[1]).distances(3, 'prospective').shape, 'torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tiny_run)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("False")


def test_a_run_without_the_stored_flag_asks_its_encoder(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    stored = RunView(run).distances(3, "prospective")
    (run / REPRESENTATION).unlink()
    np.testing.assert_array_equal(RunView(run).distances(3, "prospective"), stored)
