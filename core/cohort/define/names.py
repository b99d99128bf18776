"""What names say: the drug, the unit, and that a column is known only once a stay has ended."""

from __future__ import annotations

import tomllib
from functools import cache

from pydantic import Field

from core.base.config import Config
from core.base.shipped import shipped
from core.hazard import Hazard
from core.tables.known_names import loose

PATH = shipped("reference", "drug_names.toml")


class Drug(Config):
    """What is known of a drug; columns are those of the ICU heparin study."""

    names: tuple[str, ...]
    unit: str
    targets: tuple[str, ...] = ()
    hazards: tuple[Hazard, ...] = ()


class Words(Config):
    """Parts of names, and codes, that tell how a stay ended."""

    outcome: tuple[str, ...]
    good: tuple[str, ...]
    known_late: tuple[str, ...]
    died: tuple[str, ...]
    survived: tuple[str, ...]


class Names(Config):
    """The whole file."""

    drugs: dict[str, Drug]
    units: dict[str, tuple[str, ...]] = Field(description="Endings of names by unit")
    after: Words


@cache
def names() -> Names:
    """`data/reference/drug_names.toml`."""
    return Names.build(tomllib.loads(PATH.read_text(encoding="utf-8")), where=PATH.name)


def drug_of(column: str) -> str:
    """The drug whose dose a column's name tells of; "" for none."""
    plain = loose(column)
    return next((d for d, known in names().drugs.items() if any(loose(n) in plain for n in known.names)), "")


def unit_of(column: str) -> str:
    """The unit that a column's name ends with; "" for none. The longest ending wins: mg_dl before dl."""
    plain = "_" + "_".join(part for part in _parts(column) if part)
    endings = [(f"_{ending}", unit) for unit, known in names().units.items() for ending in known]
    found = [(len(ending), unit) for ending, unit in endings if plain.endswith(ending)]
    return max(found)[1] if found else ""


def tells_the_outcome(column: str) -> bool:
    """True for the name of a column that holds how a stay ended."""
    plain = loose(column)
    return any(loose(word) in plain for word in names().after.outcome)


def tells_survival(column: str) -> bool:
    """True where 1 of such a column means survived."""
    plain = loose(column)
    return any(loose(word) in plain for word in names().after.good)


def known_late(column: str) -> bool:
    """True for the name of a column that is known only once a stay has ended."""
    plain = loose(column)
    return tells_the_outcome(column) or any(loose(word) in plain for word in names().after.known_late)


def _parts(column: str) -> list[str]:
    """Lower-case words and numbers of a name: "NE (mcg/kg/min)" as ne, mcg, kg, min."""
    return "".join(char if char.isalnum() else " " for char in column.casefold()).split()
