"""What is decided at each step of a study: a dose of one drug, one of several choices, or several drugs together.

    dose         bins of one drug's dose, each more than the one before: 0 is no drug, bin i is (upper[i-1], upper[i]]
    choice       names without an order, such as "left" and "right"
    combination  sets of named drugs, without an order; the empty set, nothing given, comes first if it is one of them

An action is its position in that list. Where actions have no order, nothing may depend on the position: critics, models
of the clinicians and advice see what an action gives (`given`), never its number.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from core.base.config import Config
from core.base.errors import ConfigError

ActionKind = Literal["dose", "choice", "combination"]
_KEYS: dict[ActionKind, tuple[str, ...]] = {
    "dose": ("unit", "upper", "representative"),
    "choice": ("names",),
    "combination": ("sets",),
}
_DOSE = re.compile(r"\b[Dd]ose(?=s?\b)")
MOST = 127  # runs keep the number of an action in a byte
NOTHING = "nothing"  # of several drugs; not the name of one


class Actions(Config):
    """The actions of a study; see the module for the kinds."""

    kind: ActionKind = Field(
        "dose",
        description="dose: each action is more than the one before; choice: names without an order; combination: sets "
        "of drugs without an order",
    )
    drug: str = Field(description="Name of the drug, or of what is chosen")
    unit: str = Field("", description="Unit of its doses; of kind dose, where it is needed")
    amount: str = Field(
        "", description="Short name of the amount in a dose, to tell it per kg and hour; empty: not told"
    )
    upper: tuple[float, ...] = Field(
        (), description="Of kind dose: upper dose of each bin, rising; the first is 0, no drug"
    )
    representative: tuple[float, ...] = Field(
        (), description="Of kind dose: the dose that stands for each bin in dose arithmetic"
    )
    names: tuple[str, ...] = Field((), description="Of kind choice: the name of each action")
    sets: tuple[tuple[str, ...], ...] = Field(
        (), description="Of kind combination: the drugs of each action; [] is nothing, and comes first"
    )

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        needed = _KEYS[self.kind]
        said = {"unit"} & self.model_fields_set  # a dose without a unit is said to have none
        lacking = [key for key in needed if not getattr(self, key) and key not in said]
        if lacking:
            raise ValueError(f"actions of kind '{self.kind}' need {', '.join(lacking)}")
        allowed = {"kind", "drug", *needed, *(["amount"] if self.ordered else [])}
        given = [key for key in type(self).model_fields if key not in allowed and getattr(self, key)]
        if given:
            raise ValueError(f"actions of kind '{self.kind}' have no {', '.join(given)}: leave it out")
        return self

    @model_validator(mode="after")
    def _bins(self) -> Self:
        if not self.ordered:
            return self
        if len(self.upper) < 2 or len(self.upper) != len(self.representative):
            raise ValueError("actions: give at least two bins, and one representative dose per bin")
        if self.upper[0] != 0 or not all(low < high for low, high in pairwise(self.upper)):
            raise ValueError("actions: upper doses start at 0 (no drug) and increase strictly")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.ordered:
            return self
        if self.count < 2:
            raise ValueError("actions: give at least two")
        labels = self.labels
        doubled = sorted({label for label in labels if labels.count(label) > 1})
        if doubled or not all(labels):
            raise ValueError(f"actions: each needs a name of its own; given twice or empty: {', '.join(doubled)}")
        if any(not name.strip() for name in self.parts):
            raise ValueError("actions: each needs a name of its own; one is blank")
        if len({frozenset(one) for one in self.sets}) < len(self.sets):
            raise ValueError("actions: two sets hold the same drugs")
        if self.count > MOST:
            raise ValueError(f"actions: at most {MOST}, got {self.count}")
        if any(len(set(one)) != len(one) for one in self.sets) or NOTHING in self.parts:
            raise ValueError(f"actions: a set names each drug once, and none is called '{NOTHING}'")
        if () in self.sets[1:]:
            raise ValueError("actions: the empty set, nothing given, comes first")
        return self

    @property
    def count(self) -> int:
        return len(self.upper or self.names or self.sets)

    @property
    def ordered(self) -> bool:
        """True where each action is more of the same than the one before."""
        return self.kind == "dose"

    @property
    def has_nothing(self) -> bool:
        """True where action 0 gives nothing."""
        return self.ordered or (self.kind == "combination" and not self.sets[0])

    @property
    def word(self) -> str:
        """What one action is called: 'dose', 'choice', 'combination'."""
        return self.kind

    @property
    def labels(self) -> list[str]:
        """Readable names of all actions."""
        return [self.label(action) for action in range(self.count)]

    @property
    def words(self) -> str:
        return f"{self.kind}s"

    def said(self, text: str) -> str:
        """A text that speaks of doses, in the words of these actions: 'each dose' -> 'each choice'."""
        if self.ordered:
            return text
        return _DOSE.sub(lambda found: self.word.capitalize() if found[0] == "Dose" else self.word, text)

    def check(self, action: int) -> None:
        """`ConfigError` where the study has no such action."""
        if not 0 <= action < self.count:
            raise ConfigError(f"{self.word} {action} is not one of the {self.count} {self.words} of this study.")

    @property
    def title(self) -> str:
        """Of an axis or a legend: 'dose (U per 4 h)', 'choice'."""
        return f"{self.word} ({self.unit})" if self.unit else self.word

    @property
    def in_unit(self) -> str:
        """What is decided, with the unit where it has one: 'heparin (U per 4 h)', 'way'."""
        return f"{self.drug} ({self.unit})" if self.unit else self.drug

    @property
    def heading(self) -> str:
        """`in_unit` at the head of what can be chosen: 'Heparin (U per 4 h)', 'Way'."""
        return f"{self.in_unit[:1].upper()}{self.in_unit[1:]}"

    @property
    def parts(self) -> tuple[str, ...]:
        """What `given` counts: the drug, the choices, or the drugs that are given together."""
        if self.kind == "combination":
            return tuple(dict.fromkeys(drug for one in self.sets for drug in one))
        return (self.drug,) if self.ordered else self.names

    @property
    def given(self) -> np.ndarray:
        """What each action gives: (A,) doses; else (A, C) 1 where it gives the part, see `parts`."""
        if self.ordered:
            return np.asarray(self.representative, dtype=np.float64)
        if self.kind == "choice":
            return np.eye(self.count)
        return np.array([[float(drug in one) for drug in self.parts] for one in self.sets])

    def bin(self, dose: np.ndarray) -> np.ndarray:
        """Bin index of each dose; doses above the last bin fall into it. Same shape, int64; `ValueError` for NaN, and
        where actions are no doses."""
        if not self.ordered:
            raise ValueError(f"actions of kind '{self.kind}' are no doses; give the number of each action")
        if np.isnan(dose).any():
            raise ValueError("a missing dose has no bin: decide first whether it means no drug")
        index = np.searchsorted(np.asarray(self.upper), dose, side="left")
        return np.minimum(index, len(self.upper) - 1).astype(np.int64)

    def label(self, action: int) -> str:
        """Readable name of one action; of a dose its range."""
        if self.kind == "choice":
            return self.names[action]
        if self.kind == "combination":
            return " + ".join(self.sets[action]) or NOTHING
        if action == 0:
            return f"no {self.drug}"
        low, high = _short(self.upper[action - 1]), _short(self.upper[action])
        return f"> 0–{high}" if action == 1 else f"{low}–{high}"  # no drug is a bin of its own


def _short(dose: float) -> str:
    """A dose in few characters: 42,645 and 0.05, never 0 for a small one."""
    return f"{dose:,.0f}" if abs(dose) >= 100 else f"{dose:.3g}"
