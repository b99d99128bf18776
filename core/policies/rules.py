"""Rules on doses: when a dose is hazardous, by the state, by a fall under the drug, or by the 4Ts of heparin.

Every kind says on which columns it rests, where it applies on recorded stays (looking back alone), and itself in words.
`Hazard` of `core.hazard` is how a study's file tells it; `rule_of` makes the one into the other.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, get_args

import numpy as np

from core.base.errors import ConfigError
from core.hazard import Hazard, Operator
from core.policies.courses import Courses
from core.policies.hit import OTHER_CAUSE, UNLIKELY, FourTs, fall_under_drug, four_ts
from core.study import StudySpec

GivenT = TypeVar("GivenT")
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Limit:
    """`column operator threshold`, the threshold in the column's unit."""

    column: str
    operator: Operator
    threshold: float

    def text(self, study: StudySpec) -> str:
        return f"{_label(study, self.column)} {self.operator} {self.threshold:g}"

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Where it holds; values of the column in physical units, any shape -> bool, same shape; NaN: not."""
        return _COMPARE[self.operator](np.asarray(values), self.threshold)


class Rule(ABC):
    """Where it applies, doses of bin `from_action` and above are hazardous. Rules are frozen and compare by value."""

    column: str
    from_action: int
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at, the deciding one first."""
        return (self.column,)

    @abstractmethod
    def condition(self, study: StudySpec) -> str:
        """When it applies, to follow "while"."""

    @abstractmethod
    def applies(self, courses: Courses) -> np.ndarray:
        """(n, T) the real steps at which it applies, by what was known there before the dose."""

    def text(self, study: StudySpec) -> str:
        """'heparin while Platelets < 50'; a bin above the first is named by its lower bound."""
        drug = study.actions.drug
        if self.from_action > 1:
            drug += f" above {study.actions.upper[self.from_action - 1]:,.0f} {study.actions.unit}"
        return f"{drug} while {self.condition(study)}"

    def title(self, study: StudySpec) -> str:
        """The same where room is short: a column goes by its name if that is shorter, 'heparin while PTT > 100'."""
        said = self.text(study)
        for name in self.columns:
            label = _label(study, name)
            said = said.replace(label, min(label, name, key=len))
        return said

    def fits(self, study: StudySpec) -> bool:
        """True where the study has its columns and the dose bin."""
        return set(self.columns) <= set(study.names) and 1 <= self.from_action < study.n_actions

    def check(self, study: StudySpec) -> None:
        """`ConfigError` where the study lacks a column, or no dose is left."""
        for name in self.columns:
            if name not in study.names:
                raise ConfigError(f"hazard rule: the study has no column '{name}'; choose one of its state columns.")
        if not 1 <= self.from_action < study.n_actions:
            raise ConfigError(
                f"hazard rule on '{self.column}': the first hazardous dose must be bin 1 to {study.n_actions - 1}, "
                f"got {self.from_action}."
            )


@dataclass(frozen=True)
class HazardRule(Rule):
    """A state: `column operator threshold`, or any of `others`."""

    column: str
    operator: Operator
    threshold: float
    from_action: int = 1
    others: tuple[Limit, ...] = ()
    name: str = ""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Any of these is enough."""
        return (Limit(self.column, self.operator, self.threshold), *self.others)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(limit.column for limit in self.limits))

    def condition(self, study: StudySpec) -> str:
        said = " or ".join(limit.text(study) for limit in self.limits)
        return f"{self.name} ({said})" if self.name else said

    def met_by(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where a state meets it; column -> values of one shape -> bool, same shape."""
        return np.asarray(np.logical_or.reduce([limit.holds(values[limit.column]) for limit in self.limits]))

    def applies(self, courses: Courses) -> np.ndarray:
        return np.asarray(courses.mask & self.met_by(courses.values))

    def check(self, study: StudySpec) -> None:
        """As `Rule.check`; also where an operator is unknown or a threshold is no number."""
        super().check(study)
        for limit in self.limits:
            if limit.operator not in OPERATORS:
                raise ConfigError(f"hazard rule: '{limit.operator}' is not one of {', '.join(OPERATORS)}.")
            if not np.isfinite(limit.threshold):
                raise ConfigError(
                    f"hazard rule on '{limit.column}': the threshold must be a number, got {limit.threshold}."
                )


@dataclass(frozen=True)
class FallRule(Rule):
    """The column fell by `percent` or more from its highest of the last `hours`, the drug given in between (see
    `fall_under_drug`)."""

    column: str
    percent: float
    hours: float
    from_action: int = 1
    name: str = ""

    def condition(self, study: StudySpec) -> str:
        drug, label = study.actions.drug, _label(study, self.column)
        said = f"{label} fell by {self.percent:g} % or more within {self.hours:g} h under {drug}"
        return f"{self.name} ({said})" if self.name else said

    def falls(self, courses: Courses) -> np.ndarray:
        """(n, T) percent."""
        return fall_under_drug(courses.values[self.column], courses.actions, courses.hours, self.hours)

    def applies(self, courses: Courses) -> np.ndarray:
        return np.asarray(courses.mask & (self.falls(courses) >= self.percent))


@dataclass(frozen=True)
class HitRule(Rule):
    """Heparin-induced thrombocytopenia cannot be called unlikely by the 4Ts on record (see `four_ts`)."""

    column: str
    other_cause: str = "unknown"
    cause: str = ""
    exposure: str = ""
    thrombosis: str = ""
    from_action: int = 1
    name: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, *(name for name in (self.exposure, self.thrombosis) if name))

    def condition(self, study: StudySpec) -> str:
        return f"{self.name or 'HIT'} is not unlikely by the 4Ts on record"

    def points(self, courses: Courses) -> FourTs:
        """The 4Ts of these stays."""
        known = courses.values
        return four_ts(
            known[self.column],
            courses.actions,
            courses.hours,
            self.other_cause,
            known.get(self.exposure),
            known.get(self.thrombosis),
        )

    def applies(self, courses: Courses) -> np.ndarray:
        return np.asarray(courses.mask & (self.points(courses).words != UNLIKELY))

    def check(self, study: StudySpec) -> None:
        """As `Rule.check`; also where the other cause is none of the words."""
        super().check(study)
        if self.other_cause not in OTHER_CAUSE:
            raise ConfigError(f"HIT: other cause '{self.other_cause}' is not one of {', '.join(OTHER_CAUSE)}.")


def rule_of(hazard: Hazard) -> Rule:
    """The rule that a study's file tells."""
    first, name = hazard.from_action, hazard.name
    if hazard.kind == "hit":
        other, columns = (hazard.other_cause, hazard.cause), (hazard.exposure, hazard.thrombosis)
        return HitRule(hazard.column, *other, *columns, from_action=first, name=name)
    if hazard.kind == "fall":
        return FallRule(hazard.column, _given(hazard.percent), _given(hazard.hours), first, name)
    others = tuple(Limit(c.column, c.operator, c.threshold) for c in hazard.or_when)
    return HazardRule(hazard.column, _given(hazard.operator), _given(hazard.threshold), first, others, name)


def _given(value: GivenT | None) -> GivenT:
    """What a hazard of this kind always has."""
    assert value is not None
    return value


def _label(study: StudySpec, column: str) -> str:
    return study.column(column).label or column
