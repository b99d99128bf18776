"""Settings and result of an extraction from an electronic health record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
from pydantic import Field

from core.base.config import Config
from core.base.errors import ExtractError
from core.study import StudySpec
from core.tables.report import Exclusion

SOFA_HOURS = 24.0


class ExtractOptions(Config):
    """What to extract; the window's None values follow the study."""

    population: Literal["sepsis", "platelets"] = Field(
        default="sepsis",
        description="sepsis: stays with a sepsis diagnosis and low platelets; platelets: all with low platelets",
    )
    min_age: int = Field(default=18, ge=0, description="youngest age in years at ICU admission")
    platelet_threshold: float = Field(default=150.0, gt=0, description="platelets below this (10^9/L) mark the onset")
    lookback_hours: float = Field(
        default=24.0,
        ge=0,
        description="hours before ICU admission in which low platelets count, and before step 0 for values",
    )
    start_hours: float | None = Field(
        default=None, description="start of the window relative to onset; empty: the study's"
    )
    end_hours: float | None = Field(
        default=None, description="end of the window relative to onset; empty: the study's horizon"
    )
    min_steps: int = Field(default=2, ge=1, description="stays with fewer steps are left out")
    first_stay_only: bool = Field(
        default=False, description="only the first ICU stay of a patient that meets the criteria"
    )
    mortality_days: float = Field(
        default=90.0, gt=0, description="death within this many days of ICU admission is the outcome"
    )
    prophylaxis_units: float = Field(
        default=5000.0, gt=0, description="heparin units of one subcutaneous prophylactic dose"
    )
    memory_gb: float = Field(default=4.0, gt=0, description="memory the database may use before it spills to disk")
    threads: int = Field(default=2, ge=1, description="threads the database may use")


@dataclass(frozen=True)
class Window:
    """Steps around onset: step k covers [start + k * step, start + (k + 1) * step) hours, k = 0..n_steps - 1.

    `lead` more steps before step 0 are read for the look-back and the 24 h of the SOFA score.
    """

    start: float
    step: float
    n_steps: int
    lead: int

    @property
    def end(self) -> float:
        return self.start + self.n_steps * self.step

    @property
    def read_from(self) -> float:
        """First hour relative to onset that is read."""
        return self.start - self.lead * self.step


def plan_window(options: ExtractOptions, study: StudySpec) -> Window:
    """The steps to extract; `ExtractError` where the window does not fit the study."""
    start = study.start_hours if options.start_hours is None else options.start_hours
    end = start + study.horizon * study.step_hours if options.end_hours is None else options.end_hours
    n_steps = int((end - start) / study.step_hours + 1e-9)
    if n_steps < options.min_steps or end <= 0:
        raise ExtractError(
            f"the window from {start:g} h to {end:g} h around onset leaves {max(n_steps, 0)} steps of "
            f"{study.step_hours:g} h; it must end after onset and hold at least {options.min_steps}. Widen it."
        )
    if n_steps > study.horizon:
        raise ExtractError(
            f"the window from {start:g} h to {end:g} h holds {n_steps} steps, the study at most {study.horizon}. "
            f"Narrow the window, or use a study with a longer horizon."
        )
    lead = -int(-max(SOFA_HOURS, options.lookback_hours) // study.step_hours)
    return Window(start=start, step=study.step_hours, n_steps=n_steps, lead=lead)


@dataclass(frozen=True, eq=False)
class Extraction:
    """Stays in the cohort layout, and how they were selected.

    frame: traj, step, <state columns of the study>, action, outcome, dose, hours; NaN where a value was not measured.
    attrition: what each criterion removed, in stays ("patients") and ICU steps ("rows").
    counts: totals of the source, to compare with known ones.
    implausible: values outside the study's plausible range, by column, readings or steps; missing in the frame.
    notes: the definitions used, one sentence each. database: where the stays come from.
    """

    frame: pd.DataFrame
    attrition: tuple[Exclusion, ...]
    counts: Mapping[str, int]
    implausible: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    database: str = "mimic-iv"
