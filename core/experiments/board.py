"""A leaderboard as tables and as a file: a row a world and policy, what estimators said of it, and how right they were.

`core.experiments.leaderboard` makes one. A file is read as data alone; the scores of the estimators are counted anew
from its rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.stats import spearmanr

from core.base.config import Config
from core.base.errors import ArtifactError, ConfigError
from core.base.shipped import shipped

Row = Mapping[str, object]
MIX, FQE, THEIR_FQE = "mix", "fqe", "d3rlpy-fqe"
WITH_INTERVAL = (MIX, "phwis", "phwdr")
ESTIMATORS = (*WITH_INTERVAL, FQE, THEIR_FQE)
LARGEST = 2_000_000  # bytes of a board's file that is read
EXAMPLE = shipped("reference", "leaderboard.json")  # the board that docs/library.md quotes
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.:-]{0,60}$")]


@dataclass(frozen=True)
class BoardSettings:
    """patients: in the cohort that is judged and in the one that is learned from; updates: of each learner and of each
    evaluation by d3rlpy; d3rlpy: its agents and its evaluation take part."""

    patients: int = 1000
    seed: int = 0
    truth_patients: int = 5000
    updates: int = 2000
    d3rlpy: bool = False


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """policies: a row a world and policy; estimators: a row a world and estimator (see `estimator_scores`)."""

    policies: pd.DataFrame
    estimators: pd.DataFrame
    settings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values, None for what is not known."""
        tables = {"policies": self.policies, "estimators": self.estimators}
        rows = {
            name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()
        }
        return {"settings": dict(self.settings), **rows}


class BoardRow(Config):
    """One policy in one world, as its file holds it. judging: the version that judged, None from before it had a
    number; true_value_se: None on boards that did not keep it."""

    world: Name
    policy: Name
    judging: int | None = None
    true_value: float
    true_value_se: float | None = Field(default=None, ge=0)
    true_difference: float
    true_difference_se: float = Field(ge=0)
    clinicians: float
    safe: bool
    grade: Literal["supported", "weak", "not supported"]
    ess: float = Field(ge=0)
    mix: float
    mix_low: float
    mix_high: float
    phwis: float | None
    phwis_low: float | None
    phwis_high: float | None
    phwdr: float | None
    phwdr_low: float | None
    phwdr_high: float | None
    fqe: float | None = None
    their_fqe: float | None = Field(default=None, alias=THEIR_FQE)

    @model_validator(mode="after")
    def _intervals_have_two_ends(self) -> BoardRow:
        for name in WITH_INTERVAL:
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if (low is None) != (high is None) or (low is not None and low > high):
                raise ValueError(f"{name}_low must not lie above {name}_high")
        return self


class BoardFile(Config):
    """What a board's file holds; its scores are not read, but counted from the rows."""

    settings: BoardSettings
    policies: tuple[BoardRow, ...] = Field(min_length=1, max_length=5000)
    estimators: tuple[dict[str, Any], ...] = ()


def parse_board(content: bytes, name: str) -> Leaderboard:
    """A board from the content of its file, which is called so; `ArtifactError` where it is none."""
    try:
        read = BoardFile.build(_plain(content), where=name)
    except (ValueError, RecursionError, ConfigError) as error:
        raise ArtifactError(
            f"{name} is no leaderboard: {str(error).splitlines()[0].removeprefix(f'{name}: ')} "
            "Load the .json that the command leaderboard wrote."
        ) from None
    rows = pd.DataFrame([row.model_dump(by_alias=True) for row in read.policies])
    rows = rows.dropna(axis="columns", how="all").infer_objects()  # estimators that took no part
    if (twice := rows[rows.duplicated(["world", "policy"])]).size:
        world, policy = twice.iloc[0][["world", "policy"]]
        raise ArtifactError(f"{name} is no leaderboard: it holds the policy {policy} in the world {world} twice.")
    return Leaderboard(rows, estimator_scores(rows), asdict(read.settings))


def _plain(content: bytes) -> dict[str, Any]:
    """The content as plain values; `ValueError` says why it is no board's."""
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB.")
    try:
        found = json.loads(content.decode("utf-8"))
    except ValueError:
        raise ValueError("it is no JSON.") from None
    if not isinstance(found, dict) or "policies" not in found:
        raise ValueError("it holds no list of policies.")
    return found


def example_board() -> Leaderboard | None:
    """The board that the documentation quotes; None where it was not shipped."""
    return parse_board(EXAMPLE.read_bytes(), EXAMPLE.name) if EXAMPLE.is_file() else None


def holds_truth(policies: pd.DataFrame, estimator: str) -> pd.Series:
    """Whether the estimator's 95 % interval holds the true value, by row; NA where it has none."""
    if f"{estimator}_low" not in policies:
        return pd.Series(pd.NA, index=policies.index, dtype="boolean")
    low, high = policies[f"{estimator}_low"], policies[f"{estimator}_high"]
    return policies["true_value"].between(low, high).astype("boolean").mask(low.isna())


def estimator_scores(policies: pd.DataFrame) -> pd.DataFrame:
    """One row a world and estimator, over its policies.

    coverage: share of 95 % intervals that hold the true value; NaN where it has none. error: root mean square. sign:
    share on the right side of the clinicians' true value, where the true difference is beyond two standard errors; NaN
    where it never is. rank: Spearman's with the truth; NaN where all are the same.
    """
    rows = []
    for world, table in policies.groupby("world", sort=False):
        known, usual = table["true_value"].to_numpy(), table["clinicians"].to_numpy()
        apart = (table["true_difference"].abs() > 2 * table["true_difference_se"]).to_numpy()
        for name in (one for one in ESTIMATORS if one in table):
            told = table[name].notna().to_numpy()
            if not told.any():  # it takes no part in this world
                continue
            value, true, clear = table[name].to_numpy(dtype=float)[told], known[told], apart[told]
            right = np.sign(value - usual[told]) == np.sign(true - usual[told])
            differ = len(true) > 1 and np.ptp(true) > 0 and np.ptp(value) > 0
            rows.append(
                {
                    "world": world,
                    "estimator": name,
                    "coverage": _coverage(table, name),
                    "error": float(np.sqrt(np.mean((value - true) ** 2))),
                    "sign": float(right[clear].mean()) if clear.any() else float("nan"),
                    "rank": float(spearmanr(value, true).statistic) if differ else float("nan"),
                    "policies": int(told.sum()),
                }
            )
    return pd.DataFrame(rows)


def _coverage(table: pd.DataFrame, name: str) -> float:
    """Share of the estimator's intervals that hold the true value; NaN where it has none."""
    known = holds_truth(table, name).dropna()
    return float(known.mean()) if len(known) else float("nan")
