"""What the simulated worlds of all studies share: what a drug can do, and how a world is written down.

The text says what differs from the default world, in words a person can read:

    World(effect="none", confounding=-0.5, irregular=True)  ->  "effect=none confounding=-0.5 irregular"

A world is a frozen dataclass whose fields all have defaults and are text, numbers or flags; the default world is "".
"""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args

from core.base.errors import ConfigError

Effect = Literal["full", "weak", "no-benefit", "none"]
EFFECTS: tuple[str, ...] = get_args(Effect)
Phenotypes = Literal["full", "equally-restless", "slow-drift"]  # of the ICU simulator: what sets them apart
PHENOTYPES: tuple[str, ...] = get_args(Phenotypes)
WEAK = 0.5  # share of the full effect that a weak drug keeps
MOST_CONFOUNDING = 3.0


class Described(Protocol):
    """A dataclass that checks its own fields when it is built."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


World = TypeVar("World", bound=Described)


def check_world(effect: str, confounding: float) -> None:
    """`ConfigError` where no world has such an effect or a confounding of this strength."""
    if effect not in EFFECTS:
        raise ConfigError(f"effect = '{effect}' is unknown; choose one of {', '.join(EFFECTS)}.")
    if not -MOST_CONFOUNDING <= confounding <= MOST_CONFOUNDING:
        limits = f"-{MOST_CONFOUNDING:g} and {MOST_CONFOUNDING:g}"
        raise ConfigError(f"confounding = {confounding} is not usable; give a number between {limits}.")


def world_text(world: Described) -> str:
    """The fields that differ from their defaults; read back exactly by `read_world`."""
    parts = []
    for field in fields(world):
        value = getattr(world, field.name)
        if value != field.default:
            parts.append(field.name if value is True else f"{field.name}={value}")
    return " ".join(parts)


def read_world(kind: type[World], text: str) -> World:
    """The world that `world_text` wrote; `ConfigError` where the text names no world of this kind."""
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for part in text.split():
        name, _, value = part.partition("=")
        if name not in known or name in given:
            raise ConfigError(f"'{part}' says nothing about a simulated world; it knows {', '.join(known)}.")
        given[name] = _value(name, value, known[name].default)
    return kind(**given)


def _value(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text:
            raise ConfigError(f"'{name}={text}' is not usable; '{name}' stands alone or is left out.")
        return True
    if isinstance(default, str):
        return text
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"'{name}={text}' is not usable; give a number.") from None
