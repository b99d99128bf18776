"""How a simulated world is written down: what differs from the default one, in words a person can read.

    World(effect="none", confounding=-0.5, irregular=True)  ->  "effect=none confounding=-0.5 irregular"

A world is a frozen dataclass whose fields all have defaults and are text, numbers or flags; the default world is "".
"""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from core.base.errors import ConfigError


class Described(Protocol):
    """A dataclass that checks its own fields when it is built."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


World = TypeVar("World", bound=Described)


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
