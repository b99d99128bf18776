"""A whole experiment by name: repeats, choice on tuning seeds, estimators against the truth, then the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.base.files import remove_parts
from core.base.types import Progress
from core.experiments.choose import run_choice
from core.experiments.document import LAB, write_tables
from core.experiments.estimators import run_estimator_lab
from core.experiments.repeats import run_repeats
from core.experiments.settings import EXPERIMENTS, LabSettings, load_settings
from core.runs.lock import hold


def run_experiment(name: str, root: Path = EXPERIMENTS, jobs: int = 0) -> Iterator[Progress]:
    """Compute what is missing of an experiment and write its tables; the same call resumes one that was cut short.

    name: of a file in data/presets/experiments, or the path of a TOML file, whose stem names the folder under `root`.
    The tables are written as soon as the repeats are done, and again after each further part.
    """
    settings = load_settings(name)
    folder = experiment_folder(name, root)
    with hold(folder):
        remove_parts(folder)
        yield from run_repeats(settings, folder.name, root, jobs)
        write_tables(folder)
        yield from run_choice(settings.choice, folder, jobs)
        write_tables(folder)
        yield from _lab(settings.lab, folder)
        write_tables(folder)
        yield Progress("tables", 1, 1, f"Tables in {folder}")


def experiment_folder(name: str, root: Path = EXPERIMENTS) -> Path:
    """Where the experiment of a settings file is kept."""
    return root / Path(name).stem


def _lab(lab: LabSettings, folder: Path) -> Iterator[Progress]:
    """The estimator lab with the experiment's settings; nothing where no seeds are given."""
    if lab.seeds:
        yield from run_estimator_lab(
            folder / LAB, lab.seeds, lab.studies, lab.patients, lab.truth_patients, lab.n_bootstrap, lab.epochs
        )
