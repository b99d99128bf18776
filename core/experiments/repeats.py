"""An experiment: presets x repeats on a development cohort, each cell tested on its own test patients and abroad.

Repeats are named repeats, not folds: each is a fresh 70/15/15 split by person, stratified by outcome, with a fresh
encoder and fresh agents, and their test parts overlap. One cell is one run folder; a cell that is done is never
computed twice, so the same call resumes an experiment that was cut short.

Columns of the table: preset, repeat, cohort (development, external), like, simulated, then those of
`core.icu.ask.compare`, max_probability, distance_from_uniform and distance_from_clinicians (total variation, mean over
steps), true_value, true_se, true_survival, true_survival_se (where known), clinicians (whose habits the estimates
divide by: the cohort's own, or those of the development cohort), and own_mode (the policy's mode is the preset's, or it
has none).
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import RunError
from core.base.files import read_json, read_table, write_json, write_table
from core.base.types import Progress
from core.cohort import Cohort
from core.experiments.parallel import allowed_cores, in_parallel
from core.experiments.settings import EXPERIMENTS, ExperimentSettings
from core.experiments.values import external_values, own_values
from core.icu.study import ICU, run_study
from core.icu.view import RunView
from core.runs.integrity import open_run
from core.runs.manifest import now, read_manifest

RECORD, TABLE = "experiment.json", "evaluations.parquet"
CELLS, TEST = "cells", "tests"
FIXED = ("development", "external", "modes", "overrides", "preset_overrides")  # what a cell's numbers depend on


def run_repeats(settings: ExperimentSettings, name: str, root: Path = EXPERIMENTS, jobs: int = 0) -> Iterator[Progress]:
    """Compute all cells that are missing and write evaluations.parquet; `RunError` where the folder holds others."""
    folder = root / name
    _open(folder, settings, name)
    cells = asked_cells(settings)
    missing = [cell for cell in cells if not cell_table(folder, *cell).is_file()]
    done = len(cells) - len(missing)
    yield Progress("cells", done, len(cells), f"{done} of {len(cells)} cells were there")
    for preset, repeat in in_parallel(run_cell, [(settings, folder, *cell) for cell in missing], jobs):
        done += 1
        _record(folder, settings, name)
        yield Progress("cells", done, len(cells), f"preset {preset}, repeat {repeat} done")
    tables = [read_table(cell_table(folder, *cell)) for cell in cells]
    write_table(folder / TABLE, pd.concat(tables, ignore_index=True))


def asked_cells(settings: ExperimentSettings) -> list[tuple[str, int]]:
    """(preset, repeat) of every cell that the settings ask for."""
    return [(preset, repeat) for repeat in settings.repeats for preset in settings.presets]


def run_cell(settings: ExperimentSettings, folder: Path, preset: str, repeat: int) -> tuple[str, int]:
    """One run with its evaluations; the run folder resumes where it was cut short."""
    cohort = settings.development.cohort()
    run = folder / CELLS / f"{preset}-{repeat}"
    for _ in run_study(cohort, settings.config(preset, repeat), run, name=f"{folder.name}: {preset}, repeat {repeat}"):
        pass
    started, view = time.perf_counter(), open_run(ICU, run)
    tables = [_label(own_values(view, settings.modes), view.cohort, "development")]
    if settings.external is not None:
        tables.append(_abroad(view, settings))
    seconds = run_seconds(run) + time.perf_counter() - started
    table = pd.concat(tables, ignore_index=True).assign(preset=preset, repeat=repeat, cell_seconds=seconds)
    table["own_mode"] = table["mode"].isin(["", view.config.fusion.mode])
    write_table(cell_table(folder, preset, repeat), table)
    return preset, repeat


def _abroad(view: RunView, settings: ExperimentSettings) -> pd.DataFrame:
    source = settings.external
    if source is None:
        return pd.DataFrame()
    cohort = source.cohort()
    table = external_values(view, cohort, source.lambda_, settings.modes, source.truth_patients, source.clinicians)
    return _label(table, cohort, "external")


def _label(table: pd.DataFrame, cohort: Cohort, name: str) -> pd.DataFrame:
    return table.assign(cohort=name, like=cohort.origin.like or "recorded", simulated=cohort.origin.simulated)


def cell_table(folder: Path, preset: str, repeat: int) -> Path:
    """Evaluations of one cell; it is there once the cell is done."""
    return folder / TEST / f"{preset}-{repeat}.parquet"


def run_seconds(run: Path) -> float:
    """Seconds that the stages of a run took."""
    return sum(stage.seconds for stage in read_manifest(run).stages.values())


def _open(folder: Path, settings: ExperimentSettings, name: str) -> None:
    """Refuse a folder whose cells were computed otherwise; more presets or repeats may be added to it."""
    given = settings.model_dump(mode="json")
    if (folder / RECORD).is_file():
        # settings that did not exist then were what their defaults say, but for the clinicians abroad
        found = read_json(folder / RECORD)["settings"]
        if found.get("external"):
            found["external"].setdefault("clinicians", "development")
        stored = ExperimentSettings.build(found, where=str(folder))
        before = stored.model_dump(mode="json")
        changed = [key for key in FIXED if before[key] != given[key]]
        if changed:
            raise RunError(
                f"{folder} holds an experiment with other settings ({', '.join(changed)}); rename the settings' file, "
                "or move the folder away."
            )
    _record(folder, settings, name)


def _record(folder: Path, settings: ExperimentSettings, name: str) -> None:
    """experiment.json: settings, machine, and of each cell that is done the data, the seconds and the versions."""
    cells = [cell for cell in asked_cells(settings) if cell_table(folder, *cell).is_file()]
    document: dict[str, Any] = {
        "name": name,
        "written": now(),
        "settings": settings.model_dump(mode="json"),
        "machine": machine(),
        "cells": [_cell(folder, preset, repeat) for preset, repeat in cells],
    }
    write_json(folder / RECORD, document)


def _cell(folder: Path, preset: str, repeat: int) -> dict[str, Any]:
    manifest = read_manifest(folder / CELLS / f"{preset}-{repeat}")
    return {
        "preset": preset,
        "repeat": repeat,
        "run": f"{CELLS}/{preset}-{repeat}",
        "created": manifest.created,
        "data_hash": manifest.data_hash,
        "patients": manifest.n_patients,
        "seconds": round(float(read_table(cell_table(folder, preset, repeat))["cell_seconds"].iloc[0]), 1),
        "stages": {stage: record.seconds for stage, record in manifest.stages.items()},
        "versions": manifest.versions,
    }


def machine() -> dict[str, Any]:
    """Size of the machine that wrote an experiment."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cores": allowed_cores(),
        "memory_gb": round(memory / 2**30, 1),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or 0),  # 0: not limited
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
