"""Sweeps: n_clusters x lambda x seeds x presets x reward weights on one cohort, one row a cell in sweep.parquet.

K and lambda need no new training: one run a seed, preset and set of weights is trained with all K of the grid, and
every K and lambda is valued from it. The grid is a TOML file:

    presets = ["standard"]            # quick, standard, published
    seeds = [1, 2, 3]                 # of the split, the encoder and the agents
    n_clusters = [2, 3, 5]
    lambdas = [0.0, 4.0, 15.0]        # of fusion; the single expert is inf
    modes = ["prospective"]           # and "retrospective", which looks into the future
    [rewards]                         # optional: weights of the study's own terms, and terminal_coeff
    C_3 = [0.05, 0.2]
    [overrides]                       # optional, as `--set` of the verb train
    "encoder.epochs" = 10

Columns: preset, seed, n_clusters, lambda_, mode, policy ("fused", or "single-expert" at lambda inf), then phwis, phwdr
(each with _low and _high), ess, support, n, survival, expected_survival, entropy, concordance_rate, silhouette, and
true_value, true_se where the run rolled that cell out, and rewards.NAME for each weight that is swept: values under
other weights are on other scales.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, field_validator

from core.base.config import Config
from core.base.files import read_table, write_table
from core.base.types import Progress
from core.experiments.parallel import in_parallel
from core.experiments.settings import Preset, as_text, read_toml
from core.experiments.values import KEYS
from core.icu.ask.compare import compare_policies
from core.icu.ask.tables import with_truth
from core.icu.config import Mode, RunConfig, load_preset
from core.icu.study import ICU, run_study
from core.icu.view import RunView
from core.policies.key import FUSED, PolicyKey
from core.runs.integrity import open_run
from core.runs.lock import hold
from core.study import load_study

TABLE = "sweep.parquet"
ESTIMATORS = ("phwis", "phwdr")
WEIGHT = "rewards."  # before the name of a weight: a setting, and a column of the table
SHARED = ("ess", "support", "n", "survival", "expected_survival", "entropy", "concordance_rate")


Weights = tuple[tuple[str, float], ...]  # (name of the term, weight), in the order of the grid


class Grid(Config):
    """What is swept; see the module for the file."""

    presets: tuple[Preset, ...] = Field(("standard",), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    n_clusters: tuple[int, ...] = Field((3,), min_length=1)
    lambdas: tuple[float, ...] = Field((15.0,), min_length=1)
    modes: tuple[Mode, ...] = Field(("prospective",), min_length=1)
    rewards: dict[str, tuple[float, ...]] = Field({}, description="Values of reward weights, by name of the term")
    overrides: dict[str, Any] = Field({}, description="Settings of every run, as in --set")

    model_config = Config.model_config | {"allow_inf_nan": True}

    @field_validator("*")
    @classmethod
    def _once(cls, values: Any) -> Any:
        if isinstance(values, tuple) and len(set(values)) != len(values):
            raise ValueError("name each only once")
        return values

    @field_validator("rewards")
    @classmethod
    def _weights(cls, values: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        if not all(values.values()):
            raise ValueError("give each weight at least one value")
        if not all(math.isfinite(value) for swept in values.values() for value in swept):
            raise ValueError("weights are finite numbers")
        return {name: cls._once(swept) for name, swept in values.items()}

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if min(values) < 0:
            raise ValueError("seeds are 0 or more")
        return values

    @field_validator("n_clusters")
    @classmethod
    def _clusters(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if min(values) < 2:
            raise ValueError("at least 2 phenotypes are needed")
        return values

    @field_validator("lambdas")
    @classmethod
    def _sharpness(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not all(value >= 0 for value in values):
            raise ValueError("lambda is 0 or more; inf is the single expert")
        return values

    def config(self, preset: str, seed: int, weights: Weights = ()) -> RunConfig:
        """Settings of one run: it fits every K from the smallest to the largest of the grid."""
        own = self.n_clusters[0]
        finite = [value for value in self.lambdas if math.isfinite(value)]
        swept: dict[str, Any] = {
            "run.seed": seed,
            "phenotypes.k_min": min(self.n_clusters),
            "phenotypes.k_max": max(self.n_clusters),
            "phenotypes.n_clusters": own,
        }
        if finite:
            swept |= {"fusion.lambdas": finite, "fusion.lambda_": finite[0]}
        swept |= {f"{WEIGHT}{name}": value for name, value in weights}
        return load_preset(preset, as_text({**self.overrides, **swept}))

    @property
    def tasks(self) -> list[tuple[str, int, Weights]]:
        """Preset, seed and reward weights of each run."""
        names = tuple(self.rewards)
        sets = [tuple(zip(names, values, strict=True)) for values in itertools.product(*self.rewards.values())]
        return [(preset, seed, weights) for weights in sets for seed in self.seeds for preset in self.presets]

    @property
    def keys(self) -> list[PolicyKey]:
        """The policy of each K, lambda and mode."""
        return [
            PolicyKey.at(FUSED, k, lambda_, mode)
            for k, mode, lambda_ in itertools.product(self.n_clusters, self.modes, self.lambdas)
        ]


def load_grid(path: Path) -> Grid:
    """The grid of a TOML file; `ConfigError` names every wrong key and why."""
    return Grid.build(read_toml(path), where=str(path))


def run_sweep(
    file: Path, folder: Path, grid: Grid, study: str | None = None, jobs: int = 0, dask: str = "", mapping: str = ""
) -> Iterator[Progress]:
    """Train what is missing and write sweep.parquet, which grows with every run that ends; started again, it resumes.

    folder: holds a run folder a preset, seed and set of weights; more of them may be added later. mapping: the TOML
    text that brings the file into the study's form. `RunError` where a run there is of other data or other settings
    (another range of K, other lambdas).
    """
    tasks, definition = grid.tasks, load_study(study)
    for task in tasks:  # a wrong override or a term that the study lacks is named before anything is computed
        grid.config(*task).rewards.apply(definition)
    with hold(folder):
        rows: dict[tuple[str, int, Weights], pd.DataFrame] = {}
        yield Progress("sweep", 0, len(tasks), f"{len(tasks)} runs, {len(tasks) * len(grid.keys)} cells")
        given = [(file.resolve(), folder.resolve(), grid, task, study, mapping) for task in tasks]
        for done_task, table in in_parallel(sweep_run, given, jobs, dask):
            rows[done_task] = table
            done = [rows[task] for task in tasks if task in rows]
            write_table(folder / TABLE, pd.concat(done, ignore_index=True))
            yield Progress("sweep", len(done), len(tasks), f"{_said(done_task)} done")


def sweep_run(
    file: Path, folder: Path, grid: Grid, task: tuple[str, int, Weights], study: str | None, mapping: str
) -> tuple[tuple[str, int, Weights], pd.DataFrame]:
    """One run and all its cells; a run that is finished is only read."""
    preset, seed, weights = task
    config = grid.config(preset, seed, weights)
    cohort = ICU.read(file, study, config, mapping)
    run = folder / "-".join((preset, str(seed), *(f"{name.replace(' ', '_')}={value:g}" for name, value in weights)))
    for _ in run_study(cohort, config, run, name=f"Sweep: {_said(task)}"):
        pass
    swept = {f"{WEIGHT}{name}": value for name, value in weights}
    return task, cells(open_run(ICU, run), grid).assign(preset=preset, seed=seed, **swept)


def _said(task: tuple[str, int, Weights]) -> str:
    """A run of the sweep in words."""
    preset, seed, weights = task
    return ", ".join((f"preset {preset}, seed {seed}", *(f"{name} {value:g}" for name, value in weights)))


def cells(view: RunView, grid: Grid) -> pd.DataFrame:
    """One row a cell of a run. A K that the run does not hold (too few patients) has no row."""
    keys = [key for key in grid.keys if key.n_clusters in view.k_values]
    table = with_truth(view, compare_policies(view, view.split.test, keys, view.survival_curve))
    first = table[table["estimator"] == "phwis"]
    wide = first[[*KEYS, *SHARED, "true_value", "true_se"]].reset_index(drop=True)
    for name in ESTIMATORS:
        part = table[table["estimator"] == name].reset_index(drop=True)
        wide[name], wide[f"{name}_low"], wide[f"{name}_high"] = part["value"], part["low"], part["high"]
    silhouettes = view.indices.set_index("n_clusters")["silhouette"]
    wide["silhouette"] = wide["n_clusters"].map(silhouettes)
    return wide


def read_sweep(folder: Path) -> pd.DataFrame:
    """The table of a sweep; `ArtifactError` where there is none."""
    return read_table(folder / TABLE)
