"""Settings of an extraction, and the steps around onset that they make; the command line and the page share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from core.base.config import Config
from core.base.errors import ExtractError
from core.study import StudySpec

SOFA_HOURS = 24.0
HEPARIN_KINDS = ("drip", "bolus", "subcutaneous", "flush", "circuit", "emar")
Population = Literal["sepsis-3", "codes", "platelets"]


class ExtractOptions(Config):
    """What to extract; what is left empty is decided by the study or the database, as each description says."""

    population: Population | None = Field(
        default=None,
        description="sepsis-3: suspected infection with a SOFA of 2 or more, and low platelets; codes: a diagnosis of "
        "sepsis, and low platelets; platelets: low platelets alone. Empty: sepsis-3 where the source has antibiotics "
        "and cultures, else codes",
    )
    onset: Literal["platelets", "infection", "later"] = Field(
        default="platelets",
        description="hour 0: first low platelets, suspected infection (sepsis-3 only), or the later of both",
    )
    as_of: Literal["start", "end"] = Field(
        default="start",
        description="what a state may know: start: values measured before the step and so before its dose; end: values "
        "measured within the step, as published, so that some follow the dose they are judged with",
    )
    step_hours: Literal[1, 2, 4, 8] | None = Field(
        default=None,
        description="hours of a step (published: 4). Empty: the study's; else the study's dose bins and horizon are "
        "scaled to it",
    )
    min_age: int = Field(default=18, ge=0, description="youngest age in years at admission to the unit")
    platelet_threshold: float = Field(default=150.0, gt=0, description="platelets below this (10^9/L) are low")
    lookback_hours: float = Field(
        default=24.0,
        ge=0,
        description="hours before admission to the unit in which low platelets count, and before the first step for "
        "values",
    )
    start_hours: float | None = Field(default=None, description="start of the window from onset; empty: the study's")
    end_hours: float | None = Field(
        default=None, description="end of the window from onset; empty: the study's horizon"
    )
    min_steps: int = Field(default=2, ge=1, description="stays with fewer steps are left out")
    first_stay_only: bool = Field(default=False, description="only a person's first stay that meets the criteria")
    outcome: Literal["days", "icu", "hospital"] | None = Field(
        default=None,
        description="death within mortality_days of admission to the unit, in the unit, or in hospital. Empty: days "
        "where the database follows patients (MIMIC-IV, MEDS), icu in eICU, hospital in CLIF",
    )
    mortality_days: float = Field(
        default=90.0, gt=0, description="days from admission to the unit in which death counts"
    )
    heparin_drip: bool = Field(default=True, description="heparin by continuous infusion is the drug")
    heparin_bolus: bool = Field(default=True, description="heparin pushed into a vein is the drug")
    heparin_subcutaneous: bool = Field(default=False, description="subcutaneous prophylaxis is the drug")
    heparin_flush: bool = Field(default=False, description="heparin that flushes or locks a line is the drug")
    heparin_circuit: bool = Field(default=False, description="heparin of a dialysis circuit is the drug")
    heparin_emar: bool = Field(
        default=False,
        description="heparin of the medication record (eMAR) is the drug; it repeats what the unit charted as given",
    )
    prophylaxis_units: float = Field(default=5000.0, gt=0, description="units of a subcutaneous dose charted as 1 dose")
    heparin_units_per_ml: float | None = Field(
        default=None,
        gt=0,
        description="concentration for heparin charted in mL. Empty: such entries are unresolved, and their stays left "
        "out",
    )
    sofa: Literal["standard", "reference", "sofa-2"] = Field(
        default="standard",
        description="standard: phenylephrine and vasopressin count as norepinephrine equivalents; reference: they do "
        "not, as in the public reference concepts; sofa-2: the score of 2025",
    )
    memory_gb: float = Field(
        default=1.5, gt=0, description="memory the database engine may use before it spills to disk"
    )
    threads: int = Field(default=2, ge=1, description="threads the database engine may use")

    @field_validator("step_hours", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """The command line gives text."""
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.onset != "platelets" and self.population in ("codes", "platelets"):
            raise ValueError(f"onset by {self.onset} needs the population sepsis-3")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of heparin that count as the drug."""
        return tuple(kind for kind in HEPARIN_KINDS if getattr(self, f"heparin_{kind}"))


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


def scaled_study(study: StudySpec, step_hours: float | None) -> StudySpec:
    """The study with steps of another length: horizon and dose bins keep their hours and their dose an hour."""
    if step_hours is None or step_hours == study.step_hours:
        return study
    ratio = step_hours / study.step_hours
    actions = study.actions
    unit = actions.unit.replace(f"per {study.step_hours:g} h", f"per {step_hours:g} h")
    bins = {
        "unit": unit,
        "upper": tuple(dose * ratio for dose in actions.upper),
        "representative": tuple(dose * ratio for dose in actions.representative),
    }
    changed = {
        "name": f"{study.name}-{step_hours:g}h",
        "step_hours": float(step_hours),
        "horizon": max(round(study.horizon / ratio), 2),
        "actions": actions.model_copy(update=bins),
    }
    return study.model_copy(update=changed)


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
    lead = -int(-max(SOFA_HOURS, options.lookback_hours) // study.step_hours) + 1
    return Window(start=start, step=study.step_hours, n_steps=n_steps, lead=lead)
