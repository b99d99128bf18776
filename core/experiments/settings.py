"""Settings of an experiment: which cohorts, presets and repeats; TOML files under data/presets/experiments."""

from __future__ import annotations

import json
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.base.config import Config
from core.base.errors import ConfigError
from core.cohort import Cohort, load_cohort, simulate_cohort
from core.icu.config import PRESETS, Clinicians, Mode, RunConfig, load_preset
from core.runs.folders import data_root

EXPERIMENTS = data_root() / "experiments"  # beside the runs
SETTINGS = PRESETS / "experiments"
Preset = Literal["quick", "standard", "published"]


class CohortSource(Config):
    """Where a cohort comes from: the simulator, or a file."""

    like: Literal["mimic-iv", "eicu"] = Field("mimic-iv", description="Published cohort that the simulator resembles")
    patients: int = Field(0, ge=0, description="Simulated patients")
    seed: int = Field(0, ge=0, description="Seed of the simulated patients")
    file: str = Field("", description="Cohort file to use instead of the simulator")
    outcome_label: str = Field("outcome", description="Outcome column of that file, as rewards_icu")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.file) == bool(self.patients):
            raise ValueError("give either `patients` (simulated) or `file`")
        return self

    def cohort(self) -> Cohort:
        """The cohort itself; simulated ones are made anew, the same each time."""
        if not self.file:
            return simulate_cohort(self.like, self.patients, self.seed)[0]
        label = self.outcome_label
        return load_cohort(self.file, columns=None if label == "outcome" else {label: "outcome"})


class ExternalSource(CohortSource):
    """The external cohort; lambda is another one there, as published."""

    lambda_: float = Field(9.0, ge=0, description="Sharpness of fusion on this cohort")
    truth_patients: int = Field(0, ge=0, description="Simulated patients behind each true value there; 0: no truth")
    clinicians: Clinicians = Field("auto", description="Whose habits the estimates there divide by")


class LabSettings(Config):
    """Estimators against the truth (see `core.experiments.estimators`): one cohort a seed, none of development."""

    seeds: tuple[int, ...] = Field((), description="Seeds of the cohorts; none: the lab is left out")
    studies: tuple[str, ...] = Field(("simulated",), description="simulated, and icu-sepsis where it is installed")
    patients: int = Field(2000, ge=30, description="Patients of each cohort")
    truth_patients: int = Field(3000, ge=10, description="Simulated patients behind each true value")
    n_bootstrap: int = Field(400, ge=2, description="Bootstrap samples behind each interval")
    epochs: int = Field(5, ge=1, description="Epochs of the agents")


class ChoiceSettings(Config):
    """The standard preset's defaults by true values, on tuning seeds."""

    seeds: tuple[int, ...] = Field((), description="Seeds of the tuning cohorts; none: the choice is left out")
    patients: int = Field(1000, ge=30, description="Patients of each tuning cohort")
    preset: Preset = Field("standard", description="Settings that are varied")
    epochs: tuple[int, ...] = Field((10,), min_length=1, description="Epochs of the agents")
    batch_sizes: tuple[int, ...] = Field((256,), min_length=1, description="Transitions per update of the agents")
    lambdas: tuple[float, ...] = Field((0.0, 1.0, 4.0, 15.0), min_length=1, description="Sharpness of fusion")
    temperatures: tuple[float, ...] = Field((0.1, 0.3, 1.0), min_length=1, description="Softmax temperatures")
    epsilons: tuple[float, ...] = Field((0.0, 0.1), description="Epsilon-soft versions; 0 is greedy")
    truth_patients: int = Field(2000, ge=10, description="Simulated patients behind each true value")
    overrides: dict[str, Any] = Field({}, description="Settings of the runs, as in `--set`")


class ExperimentSettings(Config):
    """Development cohort and external cohort, presets x repeats, and what else is measured."""

    title: str = Field("", description="One line for people")
    presets: tuple[Preset, ...] = Field(("published", "standard"), min_length=1)
    repeats: tuple[int, ...] = Field((1, 2, 3, 4, 5), min_length=1, description="Seeds of the splits and the agents")
    development: CohortSource
    external: ExternalSource | None = None
    modes: tuple[Mode, ...] = Field(("prospective", "retrospective"), min_length=1)
    overrides: dict[str, Any] = Field({}, description="Settings of all runs, as in `--set`")
    preset_overrides: dict[Preset, dict[str, Any]] = Field({}, description="Settings of one preset's runs")
    lab: LabSettings = LabSettings()
    choice: ChoiceSettings = ChoiceSettings()

    @field_validator("presets", "repeats", "modes")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) != len(values):
            raise ValueError("name each only once")
        return values

    @model_validator(mode="after")
    def _fresh_seeds(self) -> Self:
        """A tuning or laboratory cohort that is the reported one would let the report choose its own settings; so would
        a tuning run with the seed of a repeat, since a run's seed draws the patients behind its true values."""
        reported = {source.seed for source in (self.development, self.external) if source is not None}
        if reported & {*self.lab.seeds, *self.choice.seeds} or set(self.lab.seeds) & set(self.choice.seeds):
            raise ValueError("seeds of the cohorts, of the lab and of the choice must all differ")
        if set(self.repeats) & set(self.choice.seeds):
            raise ValueError("seeds of the choice must differ from the repeats: equal ones share their true values")
        return self

    def config(self, preset: str, repeat: int) -> RunConfig:
        """Settings of one cell: the preset, changed where the experiment says so, under the repeat's seed."""
        own = self.preset_overrides.get(preset, {})  # type: ignore[call-overload]
        return load_preset(preset, as_text({**self.overrides, **own, "run.seed": repeat}))

    def changed(self, preset: str) -> dict[str, Any]:
        """What the experiment changes in the preset; tables state it."""
        return {**self.overrides, **self.preset_overrides.get(preset, {})}  # type: ignore[call-overload]


def as_text(overrides: dict[str, Any]) -> dict[str, str]:
    """Overrides as `--set` gives them: {"encoder.epochs": 5} -> {"encoder.epochs": "5"}."""
    try:
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in overrides.items()}
    except TypeError:  # TOML knows dates and times
        dates = [key for key, value in overrides.items() if isinstance(value, date | time)]
        raise ConfigError(
            f"overrides: {', '.join(dates) or 'a setting'} is given a date or a time; no setting is one."
        ) from None


def load_settings(name: str) -> ExperimentSettings:
    """Settings by the name of a file in data/presets/experiments, or by the path of a TOML file."""
    path = SETTINGS / f"{name}.toml" if "/" not in name and not name.endswith(".toml") else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SETTINGS.glob("*.toml")))
        raise ConfigError(f"experiment '{name}' is not known; choose one of {known}, or give the path of a TOML file.")
    return ExperimentSettings.build(read_toml(path), where=str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Parsed TOML; `ConfigError` where the file is missing or broken."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give the path of a TOML file.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}); correct it.") from None
