"""An experiment's folder, read only: what pages and reports see of it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_json, read_table
from core.experiments.choose import TABLE as CHOICES
from core.experiments.document import LAB, TABLES_JSON
from core.experiments.repeats import CELLS, RECORD, TABLE, asked_cells, cell_table
from core.experiments.settings import EXPERIMENTS, ExperimentSettings
from core.icu.study import ICU
from core.icu.view import RunView
from core.runs.integrity import open_run


class ExperimentView:
    """The experiment in `path`; each attribute is read when first asked for. `ArtifactError` where it is not there."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def record(self) -> dict[str, Any]:
        """name, written, settings, machine, cells (preset, repeat, run, data_hash, seconds, stages, versions)."""
        return dict(read_json(self.path / RECORD))

    @property
    def name(self) -> str:
        return str(self.record["name"])

    @cached_property
    def settings(self) -> ExperimentSettings:
        return ExperimentSettings.build(self.record["settings"], where=str(self.path / RECORD))

    @property
    def cells(self) -> list[tuple[str, int]]:
        """(preset, repeat) of every cell that the settings ask for."""
        return asked_cells(self.settings)

    @property
    def cells_done(self) -> int:
        return sum(cell_table(self.path, *cell).is_file() for cell in self.cells)

    @property
    def complete(self) -> bool:
        """True once the tables are written."""
        return (self.path / TABLES_JSON).is_file()

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """Every policy of every cell (see `core.experiments.repeats`)."""
        return read_table(self.path / TABLE)

    @cached_property
    def document(self) -> dict[str, Any]:
        """tables.json: statements, and rows of values, gains_over_clinicians, ablations, truth, shape, ..."""
        return dict(read_json(self.path / TABLES_JSON))

    def table(self, name: str) -> pd.DataFrame:
        """One table of the document; empty where the experiment has none."""
        return pd.DataFrame(self.document["tables"].get(name, []))

    @cached_property
    def choices(self) -> pd.DataFrame:
        """True values on the tuning seeds (see `core.experiments.choose`); empty where none were asked for."""
        return self._optional(CHOICES)

    @cached_property
    def lab(self) -> pd.DataFrame:
        """Every estimate of the lab (see `core.experiments.estimators`); empty where none was asked for."""
        return self._optional(f"{LAB}/estimates.parquet")

    def run(self, preset: str, repeat: int) -> RunView:
        """The run of one cell; `ArtifactError` where its files are not as they were written."""
        return open_run(ICU, self.path / CELLS / f"{preset}-{repeat}")

    def _optional(self, name: str) -> pd.DataFrame:
        return read_table(self.path / name) if (self.path / name).is_file() else pd.DataFrame()


def list_experiments(root: Path = EXPERIMENTS) -> list[ExperimentView]:
    """Experiments in a folder, newest first; broken folders are left out."""
    found = []
    for path in sorted(root.glob(f"*/{RECORD}")):
        view = ExperimentView(path.parent)
        try:
            found.append((str(view.record["written"]), view))
        except (ArtifactError, KeyError):
            continue
    return [view for _, view in sorted(found, key=lambda pair: pair[0], reverse=True)]
