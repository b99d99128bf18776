"""Where experiments, estimator labs and sweeps lie: folders under the data folder, made on the command line."""

from __future__ import annotations

from pathlib import Path

from pages.components.shell.places import data_root

LAB = "summary.json"
SWEEP = "sweep.parquet"


def experiments_root() -> Path:
    return data_root() / "experiments"


def sweeps_root() -> Path:
    return data_root() / "sweeps"


def labs() -> dict[str, Path]:
    """Estimator labs by name: folders of their own, or `estimators` inside an experiment; newest first."""
    found = [*experiments_root().glob(f"*/{LAB}"), *experiments_root().glob(f"*/*/{LAB}")]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return {str(path.parent.relative_to(experiments_root())): path.parent for path in found}


def sweeps() -> dict[str, Path]:
    """Sweeps by name, newest first."""
    found = sorted(sweeps_root().glob(f"*/{SWEEP}"), key=lambda path: path.stat().st_mtime, reverse=True)
    return {path.parent.name: path.parent for path in found}
