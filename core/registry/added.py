"""Policies from elsewhere that were added to a registry run: their numbers, as data, beside what the run computed.

    policy.json, policy.npz   choices at the run's decision points, by decision (`SetChoices`)
    judgments.parquet, ope.parquet, frontier.parquet, truth.parquet, frontier_truth.parquet    rows of these tables
    card.json, card.html      evidence card

Where the folders lie, and what makes one unusable, stands in `core.runs.added`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_arrays, read_json, read_table, write_arrays, write_json
from core.base.text import plain_name
from core.policies.families import is_taken
from core.registry.ask.compared import POLICIES, TITLES
from core.registry.cohort.choices import SetChoices
from core.registry.cohort.drugs import Combinations
from core.runs import added
from core.runs.added import check_free

TABLES = ("judgments", "ope", "frontier", "truth", "frontier_truth")
FILES = ("policy.json", "policy.npz", *(f"{name}.parquet" for name in TABLES), "card.json", "card.html")
_TAKEN = {plain_name(name) for name in (*POLICIES, *TITLES, *TITLES.values(), "experts", "mixture", "floor")}


@dataclass(frozen=True, eq=False)
class AddedSets:
    """One added policy; its choices and tables are read when they are first asked for."""

    folder: Path
    name: str
    owner: str

    @cached_property
    def choices(self) -> dict[str, SetChoices]:
        """What it does at the run's decision points, by decision; where one is missing, it does as the experts do."""
        return read_choices(self.folder)

    def table(self, name: str) -> pd.DataFrame:
        """Its rows of one of `TABLES`."""
        return read_table(self.folder / f"{name}.parquet")

    @cached_property
    def judgments(self) -> pd.DataFrame:
        """Its differences to the experts: as it is (dial ""), and along both dials."""
        return self.table("judgments")

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Its true value; empty where it cannot act in the simulator, or patients are real."""
        return self.table("truth")


def added_to(run: Path, owners: Sequence[str] = ()) -> tuple[dict[str, AddedSets], dict[str, str]]:
    """Policies that were added to the run in a folder, by name, and those that cannot be used with the reason."""
    return added.added_to(run, owners, FILES, lambda folder, record: AddedSets(folder, record.name, record.owner))


def check_name(run: Path, name: str, owners: Sequence[str] = (), replace: str | None = None) -> None:
    """`ConfigError` for a name that is not free; see `core.runs.added.check_free`."""
    check_free(run, name, lambda one: is_taken(one) or plain_name(one) in _TAKEN, owners, replace)


def write_choices(folder: Path, choices: Mapping[str, SetChoices]) -> None:
    """policy.json: catalogs and numbers of points; policy.npz: point, action and probability, by decision."""
    catalogs = {name: {"n": one.n, "catalog": one.catalog.to_json()} for name, one in choices.items()}
    write_json(folder / "policy.json", {"schema_version": 1, "decisions": catalogs})
    arrays: dict[str, np.ndarray] = {}
    for name, one in choices.items():
        arrays |= {f"{name}.point": one.point, f"{name}.action": one.action, f"{name}.probability": one.probability}
    write_arrays(folder / "policy.npz", **arrays)


def read_choices(folder: Path) -> dict[str, SetChoices]:
    """What `write_choices` wrote; `ArtifactError` where it is not that."""
    stored, arrays = read_json(folder / "policy.json"), read_arrays(folder / "policy.npz")
    try:
        return {
            name: SetChoices(
                Combinations.from_json(one["catalog"]),
                int(one["n"]),
                *(np.asarray(arrays[f"{name}.{part}"]) for part in ("point", "action", "probability")),
            )
            for name, one in stored["decisions"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"the policy in {folder} cannot be read ({error}); add it again.") from None
