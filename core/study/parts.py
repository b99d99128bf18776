"""The parts of a study: its columns, the dose bins of its drug, the terms of its reward."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from core.base.config import Config

TERMINAL = "terminal_coeff"  # the weight of the outcome, beside those of the reward terms
FILE = r"^[A-Za-z0-9_-]+\.csv$|^$"


class OtherUnit(Config):
    """A unit that a file may use instead of the study's: ours = factor * theirs + offset."""

    unit: str = Field(description="Name of the unit")
    factor: float = Field(gt=0, allow_inf_nan=False, description="Ours = factor × theirs + offset")
    offset: float = Field(0.0, allow_inf_nan=False, description="See factor")

    def ours(self, value: float) -> float:
        """A value in this unit as the study holds it."""
        return self.factor * value + self.offset


class Column(Config):
    """One state column."""

    name: str = Field(description="Name of the column in a file")
    label: str = Field("", description="Name on pages; empty: the column's")
    unit: str = Field(description='Unit of its values; "1" for none; of a 0/1 column what the numbers mean')
    kind: Literal["static", "temporal"] = Field(
        description="static: one value a stay, first among the columns; temporal: one a step"
    )
    binary: bool = Field(False, description="Holds 0 and 1 alone")
    plausible: tuple[float, float] = Field(description="What a record may hold; values outside are refused")
    reference: tuple[float, float] | None = Field(None, description="Healthy range, for display")
    target: tuple[float, float] | None = Field(None, description="Range to steer to, shown apart from the healthy one")
    decimals: int | None = Field(None, ge=0, le=6, description="Decimals on pages; none: four digits")
    usual: tuple[float, float] | None = Field(
        None, description="Holds the mean of nearly every stay, to tell a column in another unit by"
    )
    other_units: tuple[OtherUnit, ...] = Field((), description="Units that files may be converted from")
    behavior_weight: float = Field(
        1.0, gt=0, description="Multiplies the scaled column in the clinician policy's distance"
    )

    def word(self, value: float) -> str:
        """The word of a value where the unit spells out its codes ('0 = male, 1 = female'); empty where it does not."""
        codes = dict(part.strip().split(" = ", 1) for part in self.unit.split(",") if " = " in part)
        return codes.get(f"{value:.0f}", "")

    def text(self, value: float) -> str:
        """A value with the column's decimals."""
        return f"{value:.4g}" if self.decimals is None else f"{value:,.{self.decimals}f}"

    def flag(self, value: float) -> str:
        """'L' below and 'H' above the healthy range, as it reads with the column's decimals; empty within or without
        one."""
        if self.reference is None:
            return ""
        read = value if self.decimals is None else round(value, self.decimals)
        return "L" if read < self.reference[0] else "H" if read > self.reference[1] else ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for key in ("plausible", "reference", "target", "usual"):
            pair = getattr(self, key)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"column '{self.name}': {key} must be (low, high) with low < high")
        return self


class RewardTerm(Config):
    """One term of the reward; see `core.rewards` for the equation of each kind."""

    name: str = Field(
        pattern=r"^[^\W_][\w -]*$", max_length=60, description="Name by which its weight is set, swept and shown"
    )
    kind: Literal["stagnation", "difference", "tanh_difference", "range"] = Field(
        description="Its equation; see `core/rewards.py`"
    )
    column: str = Field(description="The temporal column that it looks at")
    coefficient: float = Field(description="Its weight, set as `rewards.<name>`")
    low: float | None = Field(None, description="Of a range, in the column's unit")
    high: float | None = Field(None, description="Of a range, in the column's unit")

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.kind == "range" and (self.low is None or self.high is None or not self.low < self.high):
            raise ValueError(f"reward '{self.name}': a range term needs low < high in the column's unit")
        if self.name == TERMINAL:
            raise ValueError(f"a reward term cannot be called {TERMINAL}, which is the weight of the outcome")
        return self


class Indication(Config):
    """Where the drug is indicated at all."""

    column: str = Field(description="The column that decides")
    at_least: float = Field(description="Indicated at or above it, in the column's unit")


class Published(Config):
    """Published numbers about this very study, drawn beside its runs: names of files in `data/reference`."""

    policies: str = Field("", pattern=FILE, description="Values of policies: cohort, policy, phwis_mean, phwis_sd, ...")
    columns: str = Field("", pattern=FILE, description="Mean and SD of the columns in two cohorts")
