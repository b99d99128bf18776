"""How another table becomes a registry's: one document, given wherever a file is read.

[columns]                            # the registry's name = the file's
patient = "pseudoid"
[codes.donor_relation]               # code of the file = category (or number) of the registry
1 = "sibling"
2 = "unrelated"
[missing]                            # codes that mean "not recorded"; "*" is every feature, event and drug column
"*" = ["99", "-2"]
[units]                              # ours = factor * theirs + offset
age = { factor = 0.0833, unit = "months" }
[drugs.prophylaxis]                  # where a decision's drugs stand, and how they are written
column = "gvhdgp"
separators = ["/", " and "]
[drugs.prophylaxis.names]            # text or code of the file = drugs of the registry; "" is no drug
1 = "tacrolimus + MTX"
FK = "tacrolimus"

[follow_up]                          # one row a patient: to the death or the last contact; makes stages of it
column = "dead"
time = "intxsurv"
unit = "months"                      # of all times: days, weeks, months, years
[events.acute_gvhd]                  # an indicator of the registry: whether it happened, and when
column = "agvhd"
time = "intxagvhd"
lasts = 180                          # days; nothing said: to the end
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

import tomli_w
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from core.base.config import Config, explain
from core.base.errors import ConfigError
from core.registry.cohort.drug_names import Words
from core.tables.mapping import MOST_MAPPING, Factor, mapping_document


def _as_text(codes: object) -> object:
    """Codes as text, so that `happened = [1]` says the same as `happened = ["1"]`."""
    if not isinstance(codes, (list, tuple)):
        return codes
    return [f"{code:g}" if isinstance(code, (int, float)) and not isinstance(code, bool) else code for code in codes]


Codes = Annotated[tuple[str, ...], BeforeValidator(_as_text)]


class DrugRule(Config):
    """Drugs of one decision: the file's column (default: the decision's own name), separators beside the registry's,
    and names: a text or code of the file = drugs of the registry, joined by its separator."""

    column: str = ""
    separators: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    names: dict[str, str] = Field(default_factory=dict)


class EventRule(Config):
    """Whether something happened, and when: the time to it, or to the end of observation for it.

    lasts: days for which it is there, at the least at the first stage after it; None: to the end of follow-up.
    """

    column: str
    time: str
    happened: Codes = Field(("1",), min_length=1)
    not_happened: Codes = Field(("0",), min_length=1)
    lasts: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.happened) & set(self.not_happened))
        if both:
            raise ValueError(f"{', '.join(both)} cannot mean both")
        return self


class FollowUpRule(EventRule):
    """Death (`happened`) or last contact alive, and the unit of all times of the table."""

    unit: Literal["days", "weeks", "months", "years"]


class RegistryMapping(Config):
    """The whole document; see the module's text."""

    schema_version: Literal[1] = 1
    columns: dict[str, str] = Field(default_factory=dict)
    codes: dict[str, dict[str, str | float]] = Field(default_factory=dict)
    missing: dict[str, Codes] = Field(default_factory=dict)
    units: dict[str, Factor] = Field(default_factory=dict)
    decimal: Literal[".", ","] = "."
    drugs: dict[str, DrugRule] = Field(default_factory=dict)
    follow_up: FollowUpRule | None = None
    events: dict[str, EventRule] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        taken = list(self.columns.values())
        doubled = sorted({name for name in taken if taken.count(name) > 1})
        if doubled:
            raise ValueError(f"file column '{doubled[0]}' is given to two of the registry's columns")
        if self.events and self.follow_up is None:
            raise ValueError(
                "[events] needs [follow_up]: the column of death and the time to it or to the last contact"
            )
        return self

    @property
    def empty(self) -> bool:
        """True where the document asks for nothing."""
        return self == RegistryMapping()

    @property
    def words(self) -> dict[str, Words]:
        """What is said of the drugs' names, by decision."""
        return {name: Words(rule.separators, rule.names) for name, rule in self.drugs.items()}

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The file's columns that the rules read beside [columns]."""
        rules = [rule for rule in (self.follow_up, *self.events.values()) if rule is not None]
        named = [name for rule in rules for name in (rule.column, rule.time)]
        return tuple(dict.fromkeys([*named, *(rule.column for rule in self.drugs.values() if rule.column)]))


def load_registry_mapping(path: str | Path | None) -> RegistryMapping:
    """Read a mapping from a TOML file; None is the empty one. `ConfigError` names what is wrong."""
    return RegistryMapping() if path is None else parse_registry_mapping(mapping_document(path), f"mapping {path}")


def parse_registry_mapping(text: str, where: str = "mapping") -> RegistryMapping:
    """A mapping from the text of a TOML file; `ConfigError` names every wrong key."""
    try:
        return RegistryMapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{where} is nested too deeply.") from None
    except ValidationError as error:
        raise ConfigError(explain(error, where)) from None


def registry_mapping_text(mapping: RegistryMapping) -> str:
    """The document as TOML, what it does not say left out; it is read back as the same mapping."""
    text = tomli_w.dumps(mapping.model_dump(mode="json", exclude_defaults=True, exclude_none=True))
    if len(text) > MOST_MAPPING:
        raise ConfigError(
            f"the mapping has {len(text):,} characters; at most {MOST_MAPPING:,} are kept. Recode the file."
        )
    return text
