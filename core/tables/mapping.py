"""How a file's table becomes the study's: one document, by hand or from the app, accepted wherever a file is read.

[columns]                      # the study's name = the file's
Platelets = "Platelets_count"
[units]                        # the file's unit, known to the study, or ours = factor * theirs + offset
Platelets = "10^4/uL"
Age = { factor = 0.00273791, unit = "days" }
[codes.Gender]                 # text of the file -> number
M = 0
F = 1
[missing]                      # values that mean "not measured"; "*" is every state column
"*" = ["-1", "9999"]
[outcome]                      # which code means died, and on which rows it stands
column = "mortality_90d"
died = ["1"]
[action]                       # a raw dose, put into the study's bins
dose = "heparin_units"
[time]                         # a time, from which steps and hours follow
column = "charttime"
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import ConfigError
from core.base.files import write_atomic

MOST_MAPPING = 60_000  # characters of a document: it travels in the metadata of a cohort file
EVERY = "*"  # stands for every state column
Aggregate = Literal["first", "last", "mean", "min", "max", "sum"]


class Factor(Config):
    """A unit that the study does not know: ours = factor * theirs + offset."""

    factor: float = Field(gt=0)
    offset: float = 0.0
    unit: str = ""


class OutcomeRule(Config):
    """What the file's outcome column says: codes that mean died (all others that are filled in mean survived, unless
    `survived` names them) and where they stand: on every row of a stay, or on its last row alone."""

    column: str
    died: tuple[str, ...] = Field(min_length=1)
    survived: tuple[str, ...] = ()
    place: Literal["every row", "last row"] = "every row"

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.died) & set(self.survived))
        if both:
            raise ValueError(f"{', '.join(both)} cannot mean both died and survived")
        return self


class DoseRule(Config):
    """A column of raw doses a step, in the study's unit; an empty cell means no drug only where that is said."""

    dose: str
    empty: Literal["refuse", "no drug"] = "refuse"


class TimeRule(Config):
    """A column of times. Steps count from `origin`: the first row of each stay, or a column that holds the time of
    onset on each row. Steps without a row are filled with empty states and no drug, or refused."""

    column: str
    kind: Literal["datetime", "days", "hours", "minutes"] = "datetime"
    origin: str = "first row"
    gaps: Literal["fill", "refuse"] = "fill"


class TableMapping(Config):
    """The whole document; see the module's text. `leave_out`: study columns that the file lacks and the study goes
    without; `too_long`: stays beyond the horizon; `aggregate`: rule by column where rows share a step."""

    schema_version: Literal[1] = 1
    columns: dict[str, str] = Field(default_factory=dict)
    units: dict[str, str | Factor] = Field(default_factory=dict)
    codes: dict[str, dict[str, float]] = Field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    decimal: Literal[".", ","] = "."
    leave_out: tuple[str, ...] = ()
    too_long: Literal["refuse", "cut", "leave out"] = "refuse"
    outcome: OutcomeRule | None = None
    action: DoseRule | None = None
    time: TimeRule | None = None
    aggregate: dict[str, Aggregate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        for rule, target in ((self.outcome, "outcome"), (self.action, "action"), (self.time, "step")):
            if rule is not None and target in self.columns:
                raise ValueError(f"[columns] and [{target if target != 'step' else 'time'}] both make '{target}'")
        taken = list(self.columns.values())
        doubled = sorted({name for name in taken if taken.count(name) > 1})
        if doubled:
            raise ValueError(f"file column '{doubled[0]}' is given to two of the study's columns")
        return self

    @property
    def empty(self) -> bool:
        """True where the document asks for nothing."""
        return self == TableMapping()

    def without_lacking(self, names: Collection[str]) -> TableMapping:
        """Without what it says of leaving out columns that are not among these: a run's study lacks them already."""
        return self.model_copy(update={"leave_out": tuple(name for name in self.leave_out if name in names)})

    def merged(self, columns: Mapping[str, str], units: Mapping[str, str]) -> TableMapping:
        """With single columns {ours: the file's} and units {ours: the file's unit} put in, which win."""
        values = self.model_dump()
        values["columns"] = {**self.columns, **columns}
        values["units"] = {**values["units"], **units}
        return TableMapping.build(values, where="mapping")


def load_mapping(path: str | Path | None) -> TableMapping:
    """Read a mapping from a TOML file; None is the empty one. `ConfigError` names what is wrong."""
    if path is None:
        return TableMapping()
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"mapping {path} does not exist; give the path of a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping {path} is not valid TOML: {error}.") from None
    except (OSError, RecursionError) as error:
        raise ConfigError(f"mapping {path} cannot be read: {error}.") from None
    return parse_mapping(values, str(path))


def parse_mapping(values: object, where: str = "mapping") -> TableMapping:
    """A mapping from plain values; `ConfigError` names every wrong key."""
    try:
        return TableMapping.model_validate(_texts(values))
    except ValidationError as error:
        raise ConfigError(explain(error, where)) from None


def mapping_text(mapping: TableMapping) -> str:
    """The document as TOML, what it does not say left out; `load_mapping` reads it back as the same mapping."""
    text = tomli_w.dumps(mapping.model_dump(mode="json", exclude_defaults=True, exclude_none=True))
    if len(text) > MOST_MAPPING:
        raise ConfigError(
            f"the mapping has {len(text):,} characters; at most {MOST_MAPPING:,} are kept. Recode the file."
        )
    return text


def save_mapping(mapping: TableMapping, path: Path) -> None:
    """Write the document as TOML."""
    write_atomic(path, lambda file: file.write(mapping_text(mapping).encode()))


def _texts(values: object) -> object:
    """Numbers where codes stand as text, so that `died = [1]` says the same as `died = ["1"]`."""
    if not isinstance(values, dict):
        return values
    values = dict(values)
    if isinstance(values.get("missing"), dict):
        values["missing"] = {name: _codes(codes) for name, codes in values["missing"].items()}
    if isinstance(values.get("outcome"), dict):
        outcome = dict(values["outcome"])
        for key in ("died", "survived"):
            if key in outcome:
                outcome[key] = _codes(outcome[key])
        values["outcome"] = outcome
    return values


def _codes(codes: object) -> object:
    if isinstance(codes, list):
        return [
            f"{code:g}" if isinstance(code, (int, float)) and not isinstance(code, bool) else code for code in codes
        ]
    return codes
