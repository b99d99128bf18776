"""Inputs of the cases: one simulated cohort, split once, and what one split of the study makes of it.

Everything lies in a folder, so that each case, in its process, loads what it needs and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.agents.config import AgentConfig, FQIConfig
from core.base.files import read_array, read_json, write_array
from core.cohort import Cohort, Split, load_cohort, reimpute, save_cohort, simulate_cohort, split_cohort
from core.encoder import EncoderConfig
from core.icu.config import load_preset
from core.phenotypes import PhenotypeConfig, Phenotypes, load_phenotypes
from core.study import StudySpec, load_study
from core.trajectories import Trajectories, Transitions, fit_scaler, make_trajectories, make_transitions

SEED = 0
PUBLISHED_ERROR = Path(__file__).parent / "results" / "published_error.json"
LAMBDAS = tuple(np.round(np.geomspace(0.1, 100, 50), 3).tolist())
K = 3  # the study's own number of phenotypes
GAMMA = 0.99


@dataclass(frozen=True)
class Size:
    """How much is measured: `published` gives the numbers to quote, `small` checks that everything works."""

    name: str
    patients: int
    most_epochs: int  # of the encoder
    iterations: int  # of fitted Q iteration
    n_bootstrap: int
    part: int  # iterations, and hundreds of updates, of rivals that are measured in part


SIZES = {
    "published": Size("published", 13_355, 60, 100, 1000, 3),
    "small": Size("small", 300, 2, 10, 50, 1),
}


class Workspace:
    """Inputs in `folder`; `Workspace.prepare` makes those that are not there."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder / size.name, size

    @property
    def parquet(self) -> Path:
        return self.folder / "cohort.parquet"

    @property
    def csv(self) -> Path:
        return self.folder / "cohort.csv"

    def write_cohort(self) -> None:
        """Simulate the cohort and save it in both formats, unless they are there."""
        if self.csv.exists() and self.parquet.exists():
            return
        cohort, _ = simulate_cohort("mimic-iv", self.size.patients, SEED)
        save_cohort(cohort, self.parquet)
        save_cohort(cohort, self.csv)

    def store(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            write_array(self.folder / f"{name}.npy", array)

    def array(self, name: str) -> np.ndarray:
        """A stored array: z (N, H); of the n test patients z_prefix_test (n, T, H), agent_q_K (n, T, K, A), fqi_q and
        behavior (n, T, A)."""
        return read_array(self.folder / f"{name}.npy")

    @property
    def prepared(self) -> bool:
        return (self.folder / f"agent_q_{K}.npy").exists()

    @property
    def phenotypes_folder(self) -> Path:
        return self.folder / "phenotypes"

    @property
    def run_folder(self) -> Path:
        """A whole run of this size, as the app shows it; the case `standard-run` makes it."""
        return self.folder / "run"

    @cached_property
    def phenotypes(self) -> Phenotypes:
        return load_phenotypes(self.phenotypes_folder)

    @cached_property
    def study(self) -> StudySpec:
        return load_study()

    @cached_property
    def loaded(self) -> tuple[Cohort, Split]:
        return read_cohort(self.parquet)

    @property
    def split(self) -> Split:
        return self.loaded[1]

    @cached_property
    def trajectories(self) -> Trajectories:
        cohort, split = self.loaded
        return make_trajectories(cohort, fit_scaler(cohort, split.train))

    @cached_property
    def transitions(self) -> Transitions:
        """Of the training patients."""
        return make_transitions(self.trajectories, self.split.train)

    @property
    def severity(self) -> np.ndarray:
        """(N,) mean severity score of each stay."""
        data = self.trajectories
        scores = data.states[:, :, self.study.index(self.study.severity)]
        return np.where(data.mask, scores, 0).sum(axis=1) / data.lengths


def read_cohort(path: Path) -> tuple[Cohort, Split]:
    """A cohort file, split and imputed as a run does it."""
    cohort = load_cohort(path)
    split = split_cohort(cohort, SEED)
    return reimpute(cohort, split.train), split


def published_encoder() -> EncoderConfig:
    return load_preset("published").encoder


def fast_encoder(size: Size) -> EncoderConfig:
    """The published model trained otherwise: the batch size and learning rate that reach its error soonest."""
    config = published_encoder()
    return config.model_copy(update={**RECIPE, "epochs": min(int(RECIPE["epochs"]), size.most_epochs)})


# The published model under another optimization; found by search, see results/published_error.json for the goal.
RECIPE = {"batch_size": 64, "lr": 4e-3, "epochs": 3}


def published_error(size: Size) -> float:
    """Validation error that the published recipe ends with, obtained once and stored; at other sizes anything goes."""
    return float(read_json(PUBLISHED_ERROR)["valid_loss"]) if size.name == "published" else float("inf")


def agent_config() -> AgentConfig:
    return load_preset("published").agents


TREE_SAMPLE = 5_000  # transitions that grow one tree; V then correlates to 0.98 with that of trees grown on 50,000


def fqi_config(size: Size) -> FQIConfig:
    """The published forest, grown twice, its leaf averages iterated to convergence in between."""
    forest = load_preset("published").fqi.model_dump()
    return FQIConfig.build({**forest, "method": "frozen", "iterations": size.iterations, "tree_sample": TREE_SAMPLE})


def phenotype_config() -> PhenotypeConfig:
    return load_preset("published").phenotypes
