"""Policies from elsewhere that were added to an ICU run: their numbers, as data, beside what the run computed.

    policy.npy           (rows, A) probabilities, in the order of the run's `Cohort.frame`
    q.npy                (N, T, A) Q by fitted Q evaluation on the run's own forest
    judgments.parquet, evaluations.parquet, truth.parquet     rows of the run's tables of these names
    card.json, card.html                                      evidence card

Where the folders lie, and what makes one unusable, stands in `core.runs.added`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.files import read_array, read_table
from core.policies.families import is_taken
from core.runs import added
from core.runs.added import check_free

FILES = ("policy.npy", "q.npy", "judgments.parquet", "evaluations.parquet", "truth.parquet", "card.json", "card.html")


@dataclass(frozen=True, eq=False)
class AddedPolicy:
    """One added policy; its arrays and tables are read when they are first asked for."""

    folder: Path
    name: str
    owner: str

    @cached_property
    def probs(self) -> np.ndarray:
        """(rows, A) action probabilities, a row a row of the run's `Cohort.frame`."""
        return read_array(self.folder / "policy.npy")

    @cached_property
    def q(self) -> np.ndarray:
        """(N, T, A) Q by fitted Q evaluation, 0 on padding."""
        return read_array(self.folder / "q.npy")

    @cached_property
    def judgments(self) -> pd.DataFrame:
        """Its row of the run's table of differences to the clinicians."""
        return read_table(self.folder / "judgments.parquet")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """Its rows of the run's comparison, one an estimator."""
        return read_table(self.folder / "evaluations.parquet")

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Its row of the run's true values; empty where it cannot act in the simulator, or patients are real."""
        return read_table(self.folder / "truth.parquet")


def added_to(run: Path, owners: Sequence[str] = ()) -> tuple[dict[str, AddedPolicy], dict[str, str]]:
    """Policies that were added to the run in a folder, by name, and those that cannot be used with the reason."""
    return added.added_to(run, owners, FILES, lambda folder, record: AddedPolicy(folder, record.name, record.owner))


def check_name(run: Path, name: str, owners: Sequence[str] = (), replace: str | None = None) -> None:
    """`ConfigError` for a name that is not free; see `core.runs.added.check_free`."""
    check_free(run, name, is_taken, owners, replace)
