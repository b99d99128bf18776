"""What a study is: its columns, doses, rewards and horizon, read from a TOML file.

The ICU heparin study is `data/studies/thrombocytopenia.toml`. Another drug, other columns or other reward weights are
another TOML file, not another program.
"""

from __future__ import annotations

import json
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import StudyError
from core.base.text import check_plain

STUDIES = Path(__file__).resolve().parents[1] / "data" / "studies"
DEFAULT_STUDY = "thrombocytopenia"
MOST_STEPS = 10_000  # arrays are as long as the horizon for every stay
RESERVED = ("traj", "step", "action", "outcome", "dose", "hours", "subject")


class OtherUnit(Config):
    """A unit that a file may use instead of the study's: ours = factor * theirs + offset."""

    unit: str
    factor: float = Field(gt=0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)

    def ours(self, value: float) -> float:
        """A value in this unit as the study holds it."""
        return self.factor * value + self.offset


class Column(Config):
    """One state column. `plausible` bounds what a record may hold; `reference` is the healthy range, for display;
    `target` a therapeutic range, shown apart from the healthy one; `usual` holds the mean of nearly every stay, to tell
    a column in another unit by."""

    name: str
    label: str = ""
    unit: str
    kind: Literal["static", "temporal"]
    binary: bool = False
    plausible: tuple[float, float]
    reference: tuple[float, float] | None = None
    target: tuple[float, float] | None = None
    usual: tuple[float, float] | None = None
    other_units: tuple[OtherUnit, ...] = ()  # units that files may be converted from
    behavior_weight: float = Field(1.0, gt=0)  # multiplies the scaled column in the clinician policy's distance

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for key in ("plausible", "reference", "target", "usual"):
            pair = getattr(self, key)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"column '{self.name}': {key} must be (low, high) with low < high")
        return self


class Actions(Config):
    """Dose bins of the studied drug: bin 0 is no drug, bin i is (upper[i-1], upper[i]]."""

    drug: str
    unit: str
    upper: tuple[float, ...]  # upper dose of each bin; the first is 0
    representative: tuple[float, ...]  # dose that stands for the bin in dose arithmetic

    @model_validator(mode="after")
    def _bins(self) -> Self:
        if len(self.upper) < 2 or len(self.upper) != len(self.representative):
            raise ValueError("actions: give at least two bins, and one representative dose per bin")
        if self.upper[0] != 0 or not all(low < high for low, high in pairwise(self.upper)):
            raise ValueError("actions: upper doses start at 0 (no drug) and increase strictly")
        return self

    def bin(self, dose: np.ndarray) -> np.ndarray:
        """Bin index of each dose; doses above the last bin fall into it. Same shape, int64; `ValueError` for NaN."""
        if np.isnan(dose).any():
            raise ValueError("a missing dose has no bin: decide first whether it means no drug")
        index = np.searchsorted(np.asarray(self.upper), dose, side="left")
        return np.minimum(index, len(self.upper) - 1).astype(np.int64)

    def label(self, action: int) -> str:
        """Readable dose range of one bin."""
        if action == 0:
            return f"no {self.drug}"
        return f"{_short(self.upper[action - 1])}–{_short(self.upper[action])}"


def _short(dose: float) -> str:
    """A dose in few characters: 42,645 and 0.05, never 0 for a small one."""
    return f"{dose:,.0f}" if abs(dose) >= 100 else f"{dose:.3g}"


class RewardTerm(Config):
    """One term of the reward; see `core.rewards` for the equation of each kind."""

    name: str
    kind: Literal["stagnation", "difference", "tanh_difference", "range"]
    column: str
    coefficient: float
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.kind == "range" and (self.low is None or self.high is None or not self.low < self.high):
            raise ValueError(f"reward '{self.name}': a range term needs low < high in the column's unit")
        return self


class Indication(Config):
    """Where the drug is indicated at all: `column` at or above `at_least`, in the column's unit."""

    column: str
    at_least: float


class StudySpec(Config):
    """A study; build it with `load_study` or `StudySpec.from_toml`."""

    schema_version: Literal[1] = 1
    name: str
    title: str
    population: str
    horizon: int = Field(gt=1, le=MOST_STEPS)  # most steps a patient
    step_hours: float = Field(gt=0)
    start_hours: float = 0.0  # time of step 0, relative to onset
    terminal_coeff: float
    outcome_labels: tuple[str, ...] = ("outcome",)  # other names of the outcome column
    survived_label: str = "survived"
    died_label: str = "died"
    severity: str  # column that reads as overall severity
    highlights: tuple[str, ...]  # columns that figures show first
    columns: tuple[Column, ...]
    actions: Actions
    rewards: tuple[RewardTerm, ...] = ()
    indication: Indication | None = None  # None: the drug may be indicated in every state

    @model_validator(mode="before")
    @classmethod
    def _texts_are_plain(cls, values: Any) -> Any:
        check_plain(values)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"columns appear twice: {', '.join(doubled)}")
        reserved = [name for name in names if name in RESERVED]
        if reserved:
            raise ValueError(f"column names are reserved: {', '.join(reserved)}")
        if [c.kind for c in self.columns] != sorted(c.kind for c in self.columns):
            raise ValueError("static columns come first, then the temporal ones")
        if not any(column.kind == "temporal" for column in self.columns):
            raise ValueError("a study needs at least one temporal column")
        asked = [("severity", self.severity)] + [("highlights", h) for h in self.highlights]
        asked += [(f"reward '{term.name}'", term.column) for term in self.rewards]
        asked += [] if self.indication is None else [("indication", self.indication.column)]
        for where, name in asked:
            if name not in names:
                raise ValueError(f"{where} names column '{name}', which the study does not have")
        for term in self.rewards:
            if self.column(term.column).kind != "temporal":
                raise ValueError(f"reward '{term.name}' needs a temporal column, '{term.column}' is static")
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a study from a TOML file, or from the JSON copy in a run folder; `StudyError` names what is wrong."""
        parse = json.loads if Path(path).suffix == ".json" else tomllib.loads
        try:
            values = parse(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            shipped = ", ".join(sorted(file.stem for file in STUDIES.glob("*.toml")))
            hint = f"give the path of a TOML file, or the name of a shipped study ({shipped})"
            raise StudyError(f"study file {path} does not exist; {hint}.") from None
        except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            kind = "JSON" if parse is json.loads else "TOML"
            raise StudyError(f"study file {path} is not valid {kind}: {error}.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise StudyError(f"study file {path} cannot be read: {error}.") from None
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise StudyError(explain(error, f"study {Path(path).name}")) from None

    @property
    def names(self) -> tuple[str, ...]:
        """State columns in order (static first)."""
        return tuple(column.name for column in self.columns)

    @property
    def n_columns(self) -> int:
        return len(self.columns)

    @property
    def n_static(self) -> int:
        return sum(column.kind == "static" for column in self.columns)

    @property
    def n_temporal(self) -> int:
        return self.n_columns - self.n_static

    @property
    def n_actions(self) -> int:
        return len(self.actions.upper)

    def index(self, name: str) -> int:
        """Position of a column among the states."""
        return self.names.index(name)

    def column(self, name: str) -> Column:
        return self.columns[self.index(name)]

    def hours(self, step: np.ndarray | int) -> np.ndarray:
        """Start of a step in hours from onset."""
        return self.start_hours + self.step_hours * np.asarray(step)


def load_study(study: StudySpec | str | Path | None = None) -> StudySpec:
    """The study itself, a shipped one by name, or one from a TOML file; None is the ICU heparin study."""
    if isinstance(study, StudySpec):
        return study
    name = DEFAULT_STUDY if study is None else study
    shipped = STUDIES / f"{name}.toml"
    if isinstance(name, str) and not name.endswith((".toml", ".json")) and shipped.is_file():
        return StudySpec.from_toml(shipped)
    return StudySpec.from_toml(name)
