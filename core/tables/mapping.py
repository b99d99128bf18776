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

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import ConfigError
from core.base.files import write_atomic

MOST_MAPPING = 60_000  # characters of a document: it travels in the metadata of a cohort file
EVERY = "*"  # stands for every state column
FIRST_ROW = "first row"
RULES = {"outcome": "outcome", "action": "action", "time": "step"}  # section: what of the study it makes
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
Aggregate = Literal["first", "last", "mean", "min", "max", "sum"]


class Factor(Config):
    """A unit that the study does not know: ours = factor * theirs + offset."""

    factor: float = Field(gt=0, description="ours = factor * theirs + offset")
    offset: float = Field(0.0, description="added after the factor")
    unit: str = Field("", description="the file's unit in words")


class OutcomeRule(Config):
    """What the file's outcome column says and where it stands: on every row of a stay, or on its last row alone. Of a
    study of survival: codes that mean died (all others that are filled in mean survived, unless `survived` names them);
    of one whose outcome is a number: that number, and no codes."""

    column: str = Field(description="column of the file that says who died, or holds the outcome as a number")
    died: tuple[str, ...] = Field((), description="codes that mean died; needed where the outcome is survival")
    survived: tuple[str, ...] = Field((), description="codes that mean survived; none named: every other code")
    place: Literal["every row", "last row"] = Field("every row", description="rows on which it stands")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.died) & set(self.survived))
        if both:
            raise ValueError(f"{', '.join(both)} cannot mean both died and survived")
        return self


class DoseRule(Config):
    """A column of raw doses a step, in the study's unit; an empty cell means no drug only where that is said."""

    dose: str = Field(description="column of the file with the dose of each row, in the study's unit")
    empty: Literal["refuse", "no drug"] = Field("refuse", description="what an empty cell means")


class TimeRule(Config):
    """A column of times. Steps count from `origin`: the first row of each stay, or a column that holds the time of
    onset on each row. Steps without a row are filled with empty states and no drug, or refused."""

    column: str = Field(description="column of the file with the time of each row")
    kind: Literal["datetime", "days", "hours", "minutes"] = Field("datetime", description="what the column holds")
    origin: str = Field("first row", description='hour 0: "first row" of each stay, or a column of onsets')
    gaps: Literal["fill", "refuse"] = Field("fill", description="steps without a row: filled with no drug, or refused")


class TableMapping(Config):
    """The whole document; see the module's text."""

    schema_version: Literal[1] = Field(1, description="version of this form")
    decimal: Literal[".", ","] = Field(".", description="decimal sign of the file's numbers")
    leave_out: tuple[str, ...] = Field((), description="study columns that the file lacks and the study goes without")
    too_long: Literal["refuse", "cut", "leave out"] = Field("refuse", description="stays beyond the study's horizon")
    columns: dict[str, str] = Field(default_factory=dict, description="the study's name = the file's name")
    units: dict[str, str | Factor] = Field(
        default_factory=dict, description="the study's name = the file's unit: one that the study knows, or a factor"
    )
    codes: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="for a column, under the study's name: text of the file = number"
    )
    missing: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='the study\'s name = values that mean "not measured"; "*" stands for every state column',
    )
    outcome: OutcomeRule | None = Field(
        None, description="the outcome, where the file tells it otherwise than the study"
    )
    action: DoseRule | None = Field(None, description="raw doses, put into the study's bins")
    time: TimeRule | None = Field(None, description="times, from which steps and hours follow")
    aggregate: dict[str, Aggregate] = Field(
        default_factory=dict, description="the study's name = how rows that share a step are put together"
    )

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        for section, target in RULES.items():
            if getattr(self, section) is not None and target in self.columns:
                raise ValueError(f"[columns] and [{section}] both make '{target}'")
        taken = [*self.columns.values(), *self.read_by_rules]
        doubled = sorted({name for name in taken if taken.count(name) > 1})
        if doubled:
            raise ValueError(f"file column '{doubled[0]}' is used twice; each column of the file serves once")
        both = sorted({*self.leave_out} & {*self.columns, *self.units, *self.codes, *self.missing})
        if both:
            raise ValueError(f"'{both[0]}' is left out, and mapped as well")
        return self

    @property
    def read_by_rules(self) -> tuple[str, ...]:
        """Columns of the file that the rules read."""
        names = [] if self.outcome is None else [self.outcome.column]
        names += [] if self.action is None else [self.action.dose]
        if self.time is not None:
            names += [self.time.column, *([] if self.time.origin == FIRST_ROW else [self.time.origin])]
        return tuple(names)

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
    return TableMapping() if path is None else read_mapping(mapping_document(path), f"mapping {path}")


def mapping_document(path: str | Path) -> str:
    """The text of a mapping's file; `ConfigError` where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"mapping {path} does not exist; give the path of a TOML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"mapping {path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise ConfigError(f"mapping {path} cannot be read: {error}.") from None


def read_mapping(text: str, where: str = "mapping") -> TableMapping:
    """A mapping from the text of its document; `ConfigError` names what is wrong."""
    if len(text) > MOST_MAPPING:
        raise ConfigError(f"{where} has {len(text):,} characters; at most {MOST_MAPPING:,} are read. Recode the file.")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}.") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{where} cannot be read: {str(error)[:200]}.") from None
    return parse_mapping(values, where)


def parse_mapping(values: object, where: str = "mapping") -> TableMapping:
    """A mapping from plain values; `ConfigError` names every wrong key."""
    try:
        return TableMapping.model_validate(_texts(values))
    except ValidationError as error:
        raise ConfigError(explain(error, where, TableMapping)) from None


def mapping_text(mapping: TableMapping, evidence: Mapping[str, str] = MappingProxyType({})) -> str:
    """The document as TOML, what it does not say left out; `load_mapping` reads it back as the same mapping.

    evidence: {study's column or role: why}, written as comments where the document first names it.
    """
    values = mapping.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    text = "\n".join(part for part in _parts(values, dict(evidence)) if part)
    if len(text) > MOST_MAPPING:
        raise ConfigError(
            f"the mapping has {len(text):,} characters; at most {MOST_MAPPING:,} are kept. Recode the file."
        )
    return text


def _parts(values: Mapping[str, Any], evidence: dict[str, str]) -> Iterator[str]:
    """Section by section, each behind a comment with what is known of it; a comment stands once."""

    def why(name: str) -> str:
        return f"# {CONTROL.sub(' ', evidence.pop(name))}\n" if name in evidence else ""

    for key, value in values.items():
        if key in RULES or not isinstance(value, dict):
            yield why(RULES.get(key, key)) + tomli_w.dumps({key: value})
            continue
        tables = {name: inner for name, inner in value.items() if isinstance(inner, dict)}
        lines = [why(name) + tomli_w.dumps({name: inner}) for name, inner in value.items() if name not in tables]
        yield "".join([f"[{key}]\n", *lines]) if lines else ""
        for name, inner in tables.items():
            yield why(name) + tomli_w.dumps({key: {name: inner}})


def save_mapping(mapping: TableMapping, path: Path, evidence: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write the document as TOML, with its evidence as comments."""
    write_atomic(path, lambda file: file.write(mapping_text(mapping, evidence).encode()))


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
