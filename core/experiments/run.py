"""A whole experiment by name: repeats, choice on tuning seeds, estimators against the truth, then the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.experiments.choose import run_choice
from core.experiments.document import write_tables
from core.experiments.repeats import run_repeats
from core.experiments.settings import EXPERIMENTS, load_settings
from core.files import remove_parts
from core.runs.progress import hold
from core.types import Progress


def run_experiment(name: str, root: Path = EXPERIMENTS, jobs: int = 0) -> Iterator[Progress]:
    """Compute what is missing of an experiment and write its tables; the same call resumes one that was cut short.

    name: of a file in data/presets/experiments, or the path of a TOML file, whose stem names the folder under `root`.
    The tables are written as soon as the repeats are done, and again at the end.
    """
    settings = load_settings(name)
    folder = root / Path(name).stem
    with hold(folder):
        remove_parts(folder)
        yield from run_repeats(settings, folder.name, root, jobs)
        write_tables(folder)
        yield from run_choice(settings.choice, folder, jobs)
        write_tables(folder)
        yield Progress("tables", 1, 1, f"Tables in {folder}")
