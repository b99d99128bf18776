"""What the JSON of `evaluate` holds whatever the study: frozen models, in which a number that is not known is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Self

import pandas as pd

from core.base.config import Config
from core.runs.study import Data

SMALL = 100  # fewer patients than this are called few
INTERVAL = ("value", "low", "high")
MIX = {"value": "mix", "low": "mix_low", "high": "mix_high"}  # columns of a table of judgments
DIFFERENCE = {"value": "difference", "low": "difference_low", "high": "difference_high", "se": "difference_se"}


class Interval(Config):
    """A number with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, row: Mapping[str, float] | pd.Series, columns: Mapping[str, str] | None = None) -> Self:
        """From a row that holds these numbers, NaN where unknown; columns: where each stands (None: under its name)."""
        names = columns or {name: name for name in cls.model_fields}
        return cls(**{name: number(row[names[name]]) for name in cls.model_fields})


class Weighed(Interval):
    """An estimate from weighted stays, with the effective sample size that it rests on."""

    ess: float | None


class Difference(Interval):
    """A difference to those who treated with its standard error, which holds the disagreement between memories."""

    se: float | None


class Against(Config):
    """A policy against those who treated, by the mix: its value, the same less theirs, and how far to believe that."""

    mix: Interval
    difference: Difference
    grade: str
    grade_reasons: str

    def text(self, who: str) -> str:
        """Difference with interval and grade."""
        gain = self.difference
        value, low, high = (math.nan if n is None else n for n in (gain.value, gain.low, gain.high))
        return f"{value:+7.3f} [{low:+7.3f}, {high:+7.3f}] against {who}, {self.grade:<13}"


def against(row: pd.Series) -> Against:
    """From a row of judgments (`core.evaluation.judging.grade.judged_row`)."""
    return Against(
        mix=Interval.of(row, MIX),
        difference=Difference.of(row, DIFFERENCE),
        grade=str(row["grade"]),
        grade_reasons=str(row["doubts"]),
    )


class EvaluatedOn(Config):
    """Which patients of which data the estimates rest on, with a plain sentence."""

    patients: int
    data_hash: str
    simulated: bool
    like: str
    evaluated_patients: int
    split: Literal["test", "all"]
    note: str


def evaluated_on(cohort: Data, used: int, own: bool, kind: str) -> EvaluatedOn:
    """How many patients of which data the estimates rest on; `kind` is what the note calls the data."""
    note = f"{used:,} test patients of the run's own {kind}" if own else f"all {used:,} patients of another {kind}"
    note += ", simulated" if cohort.origin.simulated else ""
    note += "; too few for any conclusion" if used < SMALL else ""
    return EvaluatedOn(
        patients=cohort.n_patients,
        data_hash=cohort.data_hash,
        simulated=cohort.origin.simulated,
        like=cohort.origin.like,
        evaluated_patients=used,
        split="test" if own else "all",
        note=f"{note}. Research and teaching only.",
    )


def number(value: float) -> float | None:
    """A JSON number, or null where there is none."""
    return float(value) if math.isfinite(value) else None
