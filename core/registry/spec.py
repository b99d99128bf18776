"""What a registry study is: its stages, features, decisions with their drugs, and rewards, read from a TOML file.

The transplant registry is `data/studies/transplant.toml`; another registry is another TOML file.
"""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import StudyError
from core.base.text import check_plain
from core.study import STUDIES

DEFAULT_REGISTRY = "transplant"
INDICATORS = ("alive", "acute_gvhd", "chronic_gvhd", "relapse")
DECISIONS = ("conditioning", "prophylaxis", "acute", "chronic")
KEYS = ("patient", "stage")


class Stage(Config):
    """A time at which the state of a patient is recorded; `day` counts from the transplant."""

    name: str
    day: int = Field(ge=0)


class Feature(Config):
    """One baseline feature: a number within `plausible` (in `unit`), or one of `categories`."""

    name: str
    label: str = ""
    unit: str = ""
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()
    plausible: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _bounds_fit_the_kind(self) -> Self:
        if self.kind == "category" and (
            len(set(self.categories)) < 2 or len(set(self.categories)) != len(self.categories)
        ):
            raise ValueError(f"feature '{self.name}': a category needs at least two different categories")
        if self.kind == "number" and (self.plausible is None or not self.plausible[0] < self.plausible[1]):
            raise ValueError(f"feature '{self.name}': a number needs plausible = [low, high] with low < high")
        if self.kind == "number" and self.categories:
            raise ValueError(f"feature '{self.name}': a number has no categories")
        return self


class Decision(Config):
    """One decision: at which stages (indices into `RegistrySpec.stages`) it is made, among which drugs."""

    name: str
    title: str
    stages: tuple[int, ...] = Field(min_length=1)
    drugs: tuple[str, ...] = Field(min_length=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the drug columns, "<decision>:<drug>"."""
        return tuple(f"{self.name}:{drug}" for drug in self.drugs)


class Rewards(Config):
    """Reward of arriving at a stage in a state; of several that apply, the lowest counts."""

    alive: float
    acute_gvhd: float
    chronic_gvhd: float
    relapse: float
    dead: float


class RegistrySpec(Config):
    """A registry study; build it with `load_registry_spec`."""

    schema_version: Literal[1] = 1
    kind: Literal["registry"] = "registry"
    name: str = Field(max_length=40, pattern=r"^[A-Za-z0-9 ._-]+$")  # it is stored in the metadata of Parquet files
    title: str
    population: str
    gamma: float = Field(gt=0, le=1)
    separator: str = Field("+", min_length=1)
    rewards: Rewards
    stages: tuple[Stage, ...] = Field(min_length=2)
    features: tuple[Feature, ...] = Field(min_length=1)
    decisions: tuple[Decision, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _texts_are_plain(cls, values: Any) -> Any:
        check_plain(values)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not all(a.day < b.day for a, b in pairwise(self.stages)):
            raise ValueError("stages: days increase from one stage to the next")
        for what, names in (
            ("stages", [stage.name for stage in self.stages]),
            ("features", [*KEYS, *INDICATORS, *DECISIONS, *(feature.name for feature in self.features)]),
            ("decisions", [decision.name for decision in self.decisions]),
        ):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{what}: names appear twice or are reserved: {', '.join(doubled)}")
        for feature in self.features:
            if ":" in feature.name:
                raise ValueError(f"feature '{feature.name}': a colon marks drug columns; leave it out")
        for decision in self.decisions:
            self._check_decision(decision)
        return self

    def _check_decision(self, decision: Decision) -> None:
        where = f"decision '{decision.name}'"
        if decision.name not in DECISIONS:
            raise ValueError(f"{where}: decisions are {', '.join(DECISIONS)}")
        if [*decision.stages] != [*range(decision.stages[0], decision.stages[0] + len(decision.stages))]:
            raise ValueError(f"{where}: stages are consecutive indices in increasing order")
        if decision.stages[0] < 0 or decision.stages[-1] > self.horizon - 1:
            raise ValueError(f"{where}: stages lie between 0 and {self.horizon - 1}; the last stage is the outcome")
        doubled = sorted({drug for drug in decision.drugs if decision.drugs.count(drug) > 1})
        if doubled:
            raise ValueError(f"{where}: drugs appear twice: {', '.join(doubled)}")
        for drug in decision.drugs:
            if self.separator in drug or drug != drug.strip() or not drug:
                raise ValueError(f"{where}: drug '{drug}' is empty, padded, or holds the separator '{self.separator}'")

    @property
    def horizon(self) -> int:
        """Number of transitions: one less than the stages."""
        return len(self.stages) - 1

    @property
    def days(self) -> tuple[int, ...]:
        """Day of each stage."""
        return tuple(stage.day for stage in self.stages)

    @property
    def indicators(self) -> tuple[str, ...]:
        """Columns that tell the state of a patient at a stage, each 0 or 1."""
        return INDICATORS

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def drug_columns(self) -> tuple[str, ...]:
        """All drug columns, decision after decision."""
        return tuple(column for decision in self.decisions for column in decision.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of `RegistryCohort.frame`, in order."""
        return (*KEYS, *self.feature_names, *INDICATORS, *self.drug_columns)

    def decision(self, name: str) -> Decision:
        """One decision by name; `StudyError` where the registry has none of that name."""
        for decision in self.decisions:
            if decision.name == name:
                return decision
        known = ", ".join(decision.name for decision in self.decisions)
        raise StudyError(f"decision '{name}' is not in registry '{self.name}'; it has {known}.")

    def feature(self, name: str) -> Feature:
        return self.features[self.feature_names.index(name)]

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a registry from a TOML file; `StudyError` names what is wrong."""
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StudyError(f"registry file {path} does not exist; give the path of a TOML file.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StudyError(f"registry file {path} is not valid TOML: {error}.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise StudyError(f"registry file {path} cannot be read: {error}.") from None
        return cls.from_values(values, Path(path).name)

    @classmethod
    def from_values(cls, values: object, where: str) -> Self:
        """Rebuild what `model_dump(mode="json")` wrote; `where` names the source in the error."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise StudyError(explain(error, f"registry {where}")) from None


def load_registry_spec(source: RegistrySpec | str | Path | None = None) -> RegistrySpec:
    """The registry itself, a shipped one by name, or one from a TOML file; None is the transplant registry."""
    if isinstance(source, RegistrySpec):
        return source
    name = DEFAULT_REGISTRY if source is None else source
    shipped = STUDIES / f"{name}.toml"
    if isinstance(name, str) and not name.endswith(".toml") and shipped.is_file():
        return RegistrySpec.from_toml(shipped)
    return RegistrySpec.from_toml(name)
