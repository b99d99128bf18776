"""A whole study: its parts, what they must be to each other, and how it is read from a file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from core.base.config import Definition, explain
from core.base.errors import StudyError
from core.base.shipped import shipped
from core.hazard import Hazard
from core.study.actions import Actions
from core.study.parts import Column, Indication, Published, RewardTerm

STUDIES = shipped("studies")
DEFAULT_STUDY = "thrombocytopenia"
MOST_STEPS = 10_000  # arrays are as long as the horizon for every stay
RESERVED = ("traj", "step", "action", "outcome", "dose", "hours", "subject")


class StudySpec(Definition):
    """A study; build it with `load_study` or `StudySpec.from_toml`."""

    schema_version: Literal[1] = Field(1, description="Version of this form")
    name: str = Field(description="Short name, in small letters")
    title: str = Field(description="Title on pages and reports")
    population: str = Field(description="Whose stays these are")
    horizon: int = Field(gt=1, le=MOST_STEPS, description="Most steps a stay")
    step_hours: float = Field(gt=0, description="Hours a step")
    start_hours: float = Field(0.0, description="Start of step 0 in hours from onset")
    terminal_coeff: float = Field(description="Weight of the outcome: earned for survival, lost for death")
    outcome: Literal["survival", "number", "none"] = Field(
        "survival",
        description="What the outcome column tells: survival, as +1 or -1; number, any number; none: there is no such "
        "column",
    )
    reward_column: str = Field(
        "", description="Column of a file with the reward of each step as given, in place of terms and outcome"
    )
    last_row: Literal["state", "decision"] = Field(
        "state",
        description="What a stay's last row is: the state that it ended in, whose action has no effect; or a decision "
        "as any other, with which it ends",
    )
    outcome_labels: tuple[str, ...] = Field(("outcome",), description="Other names of the outcome column")
    survived_label: str = Field("survived", description="Word for the good outcome")
    died_label: str = Field("died", description="Word for the bad outcome")
    outcome_horizon: str = Field("", description="By when the outcome is told, in words")
    onset: str = Field("", description="What hour 0 is, in words")
    weight: str = Field("", description="Column of body weight in kg; doses are then told per kg and hour too")
    severity: str = Field(description="Column that reads as overall severity")
    highlights: tuple[str, ...] = Field(description="Columns that figures show first")
    columns: tuple[Column, ...] = Field(description="The state columns, static ones first")
    actions: Actions = Field(description="What is decided at each step: doses of a drug, a choice, or drugs together")
    rewards: tuple[RewardTerm, ...] = Field((), description="Terms of the reward besides the outcome")
    indication: Indication | None = Field(None, description="Without it the drug may be indicated in every state")
    hazards: tuple[Hazard, ...] = Field((), description="Rules of hazard to start from")
    warnings: tuple[Hazard, ...] = Field(
        (), description="Hazards that are said and counted, but are no rules: no dose is marked by them"
    )
    published: Published | None = Field(None, description="Without it nothing published is drawn")
    mapping: dict[str, Any] = Field(
        {}, description="How a file of another form is read where no `--mapping` is given; see there for its keys"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        _refuse_doubled("columns", names)
        _refuse_doubled("reward terms", [term.name for term in self.rewards])
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

    @model_validator(mode="after")
    def _one_reward(self) -> Self:
        """The reward is given by a column, or computed from terms and outcome."""
        given = self.reward_column
        if given and (self.rewards or self.terminal_coeff):
            raise ValueError(
                f"reward_column '{given}' holds the whole reward: leave out [[rewards]] and set terminal_coeff = 0"
            )
        if given in (*RESERVED, *self.names) or given.startswith("dose_"):
            raise ValueError(f"reward_column cannot be '{given}', which is a column of another meaning")
        if self.outcome == "none" and self.terminal_coeff:
            raise ValueError("a study without outcome (outcome = 'none') needs terminal_coeff = 0")
        if self.outcome == "none" and not given and not self.rewards:
            raise ValueError("a study without outcome needs [[rewards]], or a reward_column")
        return self

    @model_validator(mode="after")
    def _rules_of_doses(self) -> Self:
        """Hazards and indication speak of "this dose and more", which only doses have."""
        if not self.actions.ordered and (self.hazards or self.warnings or self.indication):
            raise ValueError(
                f"[[hazards]], [[warnings]] and [indication] speak of doses; actions of kind '{self.actions.kind}' "
                "have none: leave them out"
            )
        return self

    @property
    def fewest_rows(self) -> int:
        """Rows of a stay that hold one decision: one more where the last row is none."""
        return 1 if self.last_row == "decision" else 2

    @property
    def tells_survival(self) -> bool:
        """True where the outcome says who survived: without that no share of survivors exists."""
        return self.outcome == "survival"

    def outcome_text(self, outcome: float) -> str:
        """The outcome of a stay in words: 'survived', 'outcome 3.5', 'no outcome'."""
        if self.outcome == "none":
            return "no outcome"
        if self.outcome == "number":
            return f"outcome {outcome:.4g}"
        return self.survived_label if outcome > 0 else self.died_label

    @property
    def earned(self) -> str:
        """What the reward of a stay is, in words."""
        if self.reward_column:
            return f"reward of a stay, as column '{self.reward_column}' of its file gives it"
        if self.outcome == "none":
            return "reward of a stay, by the terms of the study"
        if self.outcome == "number":
            return f"reward of a stay, with {self.terminal_coeff:+g} times its outcome at the end"
        return f"reward of a stay, mainly {self.terminal_coeff:+g} for survival and {-self.terminal_coeff:+g} for death"

    def per_kg_hour(self, dose: float, weight: float) -> str:
        """A dose of one step per kg of body weight and hour: '17 U/kg/h'; empty where the study does not tell it so."""
        if not self.weight or not self.actions.amount or not weight > 0:
            return ""
        rate = dose / (weight * self.step_hours)
        return f"{rate:,.0f} {self.actions.amount}/kg/h" if rate >= 10 else f"{rate:.2g} {self.actions.amount}/kg/h"

    def rewarded(self, name: str) -> bool:
        """True where the target of a column is what a range term of the reward pays for."""
        target = self.column(name).target
        return any(t.kind == "range" and t.column == name and (t.low, t.high) == target for t in self.rewards)

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
        where = f"study {Path(path).name}"
        try:
            study = cls.from_stored(values) if parse is json.loads else cls.model_validate(values)
        except ValidationError as error:
            raise StudyError(explain(error, where, cls)) from None
        study._check_named(where)
        return study

    @classmethod
    def from_stored(cls, values: Any) -> Self:
        """The copy that a run holds; pydantic's `ValidationError` says what is wrong.

        Copies of the ICU heparin study that were written before hazards, published numbers and warnings stood in the
        study take them from it: nothing in a run was computed from warnings.
        """
        if isinstance(values, dict) and values.get("name") == DEFAULT_STUDY:
            lacking = [] if "hazards" in values else ["hazards", "published"]
            lacking += [] if "warnings" in values else ["warnings"]
            if lacking:
                shipped = tomllib.loads((STUDIES / f"{DEFAULT_STUDY}.toml").read_text(encoding="utf-8"))
                values = values | {key: shipped[key] for key in lacking}
        return cls.model_validate(values)

    def _check_named(self, where: str) -> None:
        """A rule that could never apply is a slip in a file; a copy of a study may have fewer columns or bins."""
        if self.weight and self.weight not in self.names:
            raise StudyError(f"{where}: weight names column '{self.weight}', which the study does not have.")
        for hazard in (*self.hazards, *self.warnings):
            for name in hazard.columns:
                if name not in self.names:
                    raise StudyError(f"{where}: a hazard names column '{name}', which the study does not have.")
            if hazard.from_action >= self.n_actions:
                raise StudyError(f"{where}: a hazard's from_action must be a dose bin, 1 to {self.n_actions - 1}.")

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
        return self.actions.count

    def index(self, name: str) -> int:
        """Position of a column among the states."""
        return self.names.index(name)

    def column(self, name: str) -> Column:
        return self.columns[self.index(name)]

    @property
    def window(self) -> tuple[float, float]:
        """Start of the first and of the last step that a stay can have, in hours from onset."""
        return float(self.hours(0)), float(self.hours(self.horizon - 1))

    def hours(self, step: np.ndarray | int) -> np.ndarray:
        """Start of a step of the window in hours from onset; when a recorded step began is known to `Cohort.hours`."""
        return self.start_hours + self.step_hours * np.asarray(step)


def _refuse_doubled(what: str, names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{what} appear twice: {', '.join(doubled)}")


def load_study(study: StudySpec | str | Path | None = None) -> StudySpec:
    """The study itself, a shipped one by name, or one from a TOML file; None is the ICU heparin study."""
    if isinstance(study, StudySpec):
        return study
    name = DEFAULT_STUDY if study is None else study
    shipped = STUDIES / f"{name}.toml"
    if isinstance(name, str) and not name.endswith((".toml", ".json")) and shipped.is_file():
        return StudySpec.from_toml(shipped)
    return StudySpec.from_toml(name)
