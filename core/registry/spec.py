"""What a registry study is: stages, features, indicators, decisions with their drugs, and rewards, from a TOML file.

The transplant registry is `data/studies/transplant.toml`; another registry is another TOML file. Files and runs of
version 1 knew the indicators and learned decisions of the transplant registry alone; they are read as naming them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, Definition, explain
from core.base.errors import StudyError
from core.study import STUDIES

DEFAULT_REGISTRY = "transplant"
KEYS = ("patient", "stage")
ALIVE, DEAD = "alive", "dead"
# what the app itself calls states, columns of its tables and parts of its files
RESERVED = (*KEYS, ALIVE, DEAD, "well", "absent", "lost", "stages", "last_stage", "outcome", "reward", "split")
NAME = r"^[a-z][a-z0-9_-]{0,39}$"  # it becomes part of file names
TO_THE_END = "to the end"
# what version 1 took for granted
FIRST_INDICATORS = (
    {"name": "acute_gvhd", "title": "Acute GVHD"},
    {"name": "chronic_gvhd", "title": "Chronic GVHD"},
    {"name": "relapse", "title": "Relapse", "ends": True},
)
FIRST_TREATMENTS = {"acute": "acute_gvhd", "chronic": "chronic_gvhd"}


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


class Indicator(Config):
    """A state of the living that is recorded at every stage as 0 or 1, beside `alive`.

    ends: nothing is decided from then on and it is never undone, as a relapse; others may come and go.
    """

    name: str = Field(pattern=NAME)
    title: str
    ends: bool = False


class Decision(Config):
    """One decision: at which stages (indices into `RegistrySpec.stages`) it is made, among which drugs.

    learned: a policy is learned for it and valued; for the others only the experts' choice is predicted. treats: the
    indicator that it is made against, where there is one. counts: the reward of its last stage, that of the next stage
    alone, or of all stages from there to the end of follow-up (for the others it is that of the next stage).
    """

    name: str = Field(pattern=NAME)
    title: str
    stages: tuple[int, ...] = Field(min_length=1)
    drugs: tuple[str, ...] = Field(min_length=1)
    learned: bool = False
    treats: str = ""
    counts: Literal["next stage", "to the end"] = "next stage"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the drug columns, "<decision>:<drug>"."""
        return tuple(f"{self.name}:{drug}" for drug in self.drugs)


class RegistrySpec(Definition):
    """A registry study; build it with `load_registry_spec`."""

    schema_version: Literal[2] = 2
    kind: Literal["registry"] = "registry"
    name: str = Field(max_length=40, pattern=r"^[A-Za-z0-9 ._-]+$")  # it is stored in the metadata of Parquet files
    title: str
    population: str
    gamma: float = Field(gt=0, le=1)
    separator: str = Field("+", min_length=1)
    rewards: dict[str, float]  # of arriving at a stage: alive, dead, and each indicator; the lowest that applies counts
    stages: tuple[Stage, ...] = Field(min_length=2)
    features: tuple[Feature, ...] = Field(min_length=1)
    indicators: tuple[Indicator, ...] = ()
    decisions: tuple[Decision, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, values: Any) -> Any:
        """A file or run of version 1 with what it took for granted."""
        if not isinstance(values, Mapping) or values.get("schema_version", 1) != 1 or "indicators" in values:
            return values
        decisions = values.get("decisions")
        if isinstance(decisions, (list, tuple)):
            decisions = [_learned_in_version_1(decision) for decision in decisions]
        return {**values, "schema_version": 2, "indicators": FIRST_INDICATORS, "decisions": decisions}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not all(a.day < b.day for a, b in pairwise(self.stages)):
            raise ValueError("stages: days increase from one stage to the next")
        decisions = [decision.name for decision in self.decisions]
        indicators = [indicator.name for indicator in self.indicators]
        for what, names in (
            ("stages", [stage.name for stage in self.stages]),
            ("decisions", ["encoder", "schema_version", *KEYS, *decisions]),  # beside which decisions are stored
            ("indicators", [*RESERVED, *decisions, *indicators]),
            ("features", [*RESERVED, *decisions, *indicators, *(feature.name for feature in self.features)]),
        ):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{what}: names appear twice or are reserved: {', '.join(doubled)}")
        for feature in self.features:
            if ":" in feature.name:
                raise ValueError(f"feature '{feature.name}': a colon marks drug columns; leave it out")
        for decision in self.decisions:
            self._check_decision(decision)
        wanted = {ALIVE, DEAD, *indicators}
        if self.rewards.keys() != wanted:
            raise ValueError(
                f"rewards: name {', '.join(sorted(wanted))}, each once; differing: "
                f"{', '.join(sorted(self.rewards.keys() ^ wanted))}"
            )
        return self

    def _check_decision(self, decision: Decision) -> None:
        where = f"decision '{decision.name}'"
        names = [indicator.name for indicator in self.indicators]
        if decision.treats and decision.treats not in names:
            raise ValueError(f"{where}: it treats '{decision.treats}'; the indicators are {', '.join(names) or 'none'}")
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
    def indicator_names(self) -> tuple[str, ...]:
        """Columns that tell the state of a patient at a stage, each 0 or 1: `alive`, then the indicators."""
        return (ALIVE, *(indicator.name for indicator in self.indicators))

    @property
    def ending(self) -> tuple[str, ...]:
        """Indicators that end the decisions."""
        return tuple(indicator.name for indicator in self.indicators if indicator.ends)

    @property
    def passing(self) -> tuple[str, ...]:
        """Indicators that may come and go."""
        return tuple(indicator.name for indicator in self.indicators if not indicator.ends)

    @property
    def learned(self) -> tuple[str, ...]:
        """Decisions for which a policy is learned, in order."""
        return tuple(decision.name for decision in self.decisions if decision.learned)

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
        return (*KEYS, *self.feature_names, *self.indicator_names, *self.drug_columns)

    def decision(self, name: str) -> Decision:
        """One decision by name; `StudyError` where the registry has none of that name."""
        for decision in self.decisions:
            if decision.name == name:
                return decision
        known = ", ".join(decision.name for decision in self.decisions)
        raise StudyError(f"decision '{name}' is not in registry '{self.name}'; it has {known}.")

    def after_last(self, decision: str) -> int:
        """Stages beyond the next one whose rewards count for a decision's last stage."""
        chosen = self.decision(decision)
        return self.horizon - 1 - chosen.stages[-1] if chosen.counts == TO_THE_END else 0

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
            raise StudyError(explain(error, f"registry {where}", cls)) from None


def _learned_in_version_1(decision: Any) -> Any:
    """A decision of version 1 with what it was known for by its name."""
    if isinstance(decision, Mapping) and decision.get("name") in FIRST_TREATMENTS:
        return {"learned": True, "treats": FIRST_TREATMENTS[decision["name"]], **decision}
    return decision


def load_registry_spec(source: RegistrySpec | str | Path | None = None) -> RegistrySpec:
    """The registry itself, a shipped one by name, or one from a TOML file; None is the transplant registry."""
    if isinstance(source, RegistrySpec):
        return source
    name = DEFAULT_REGISTRY if source is None else source
    shipped = STUDIES / f"{name}.toml"
    if isinstance(name, str) and not name.endswith(".toml") and shipped.is_file():
        return RegistrySpec.from_toml(shipped)
    return RegistrySpec.from_toml(name)
