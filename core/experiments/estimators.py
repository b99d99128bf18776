"""The estimator lab: every off-policy estimator held against true values, on simulated cohorts and on ICU-Sepsis.

One cell is one study and one seed; its estimates are stored in `cells/`, so that a lab that was cut short goes on with
the seeds that are missing. The last step puts the cells together:

    estimates.parquet     one row an estimate: study, seed, policy, truth, source of propensities, estimator, interval
    calibration.parquet   calibration curves of the estimated clinicians, by k and pseudo-count
    summary.json          what `core.experiments.estimator_summary` makes of them, settings and seeds
    summary.md            the same as tables for people
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from core.base.errors import ConfigError, RunError
from core.base.files import read_json, read_table, write_atomic, write_json, write_table
from core.base.types import Progress
from core.experiments.estimator_cases import Case, estimate_case
from core.experiments.estimator_cohorts import STUDY as SIMULATED
from core.experiments.estimator_cohorts import Simulated
from core.experiments.estimator_sepsis import STUDY as SEPSIS
from core.experiments.estimator_sepsis import sepsis_case
from core.experiments.estimator_summary import markdown, summarize

STUDIES = (SIMULATED, SEPSIS)
REPORT_SEEDS = tuple(range(101, 121))  # limits of the light and defaults were chosen on seeds 1 to 3


def run_estimator_lab(
    out: str | Path,
    seeds: Sequence[int] = REPORT_SEEDS,
    studies: Sequence[str] = STUDIES,
    n_patients: int = 2000,
    truth_patients: int = 3000,
    n_bootstrap: int = 400,
    epochs: int = 5,
) -> Iterator[Progress]:
    """Hold the estimators against the truth; yields progress, one step a cell, and resumes what is in `out`.

    seeds: one cohort each (REPORT_SEEDS by default, which no choice was made on). studies: "simulated" and
    "icu-sepsis", the latter only where package icu-sepsis is installed. n_patients a cohort, 40 % of which are the
    recorded stays that are estimated from; truth_patients rolled out for each trained policy; epochs of its agents.
    A simulated cell takes about 16 s of one core with the defaults. Raises `ConfigError` for an unknown study or no
    seeds, and `RunError` where `out` holds a lab with other settings.
    """
    if not seeds or not studies or not set(studies) <= set(STUDIES):
        raise ConfigError(f"the estimator lab needs seeds, and studies among {', '.join(STUDIES)}.")
    folder = Path(out)
    settings = {
        "n_patients": n_patients,
        "truth_patients": truth_patients,
        "n_bootstrap": n_bootstrap,
        "epochs": epochs,
    }
    _open(folder, settings)
    simulated = Simulated(n_patients, truth_patients, epochs)
    makers: dict[str, Callable[[int], tuple[Case, pd.DataFrame]]] = {
        SIMULATED: simulated.case,
        SEPSIS: lambda seed: sepsis_case(seed, n_patients),
    }
    cells = [(study, seed) for study in studies for seed in seeds]
    for done, (study, seed) in enumerate(cells, start=1):
        path = _cell(folder, study, seed)
        if not path.is_file():
            case, curves = makers[study](seed)
            write_table(path.with_name(f"{path.stem}.calibration.parquet"), curves)
            write_table(path, estimate_case(case, n_bootstrap))  # last: its presence says that the cell is whole
        yield Progress("estimators", done, len(cells) + 1, f"{study}, seed {seed}")
    _put_together(folder, cells, {**settings, "seeds": list(seeds), "studies": list(studies)})
    yield Progress("estimators", len(cells) + 1, len(cells) + 1, "Estimators held against the truth")


def _open(folder: Path, settings: dict[str, int]) -> None:
    path = folder / "settings.json"
    if path.is_file() and read_json(path) != settings:
        raise RunError(f"{folder} holds an estimator lab with other settings; choose another folder.")
    write_json(path, settings)


def _cell(folder: Path, study: str, seed: int) -> Path:
    return folder / "cells" / f"{study}-{seed}.parquet"


def _put_together(folder: Path, cells: Sequence[tuple[str, int]], settings: dict[str, object]) -> None:
    paths = [_cell(folder, study, seed) for study, seed in cells]
    estimates = pd.concat([read_table(path) for path in paths], ignore_index=True)
    curves = pd.concat([read_table(p.with_name(f"{p.stem}.calibration.parquet")) for p in paths], ignore_index=True)
    write_table(folder / "estimates.parquet", estimates)
    write_table(folder / "calibration.parquet", curves)
    summary = summarize(estimates, curves, settings)
    write_json(folder / "summary.json", summary)
    write_atomic(folder / "summary.md", lambda file: file.write(markdown(summary).encode()))
