"""Base of every configuration: frozen, checked when built, unknown keys refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core.base.errors import ConfigError

MOST_THREADS = 1024  # of the networks: more are a slip, and can take a machine down


class Config(BaseModel):
    """A frozen group of settings; subclass it in the package that reads them."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @classmethod
    def build(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Build from outside values; a `ConfigError` names every wrong key and why."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(explain(error, where or cls.__name__)) from None


def explain(error: ValidationError, where: str) -> str:
    """One sentence per wrong key: which, what was given, what is expected."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole)"
        if item["type"] == "extra_forbidden":
            lines.append(f"{where}: unknown key '{key}'; remove it or correct its spelling.")
        elif item["type"] == "missing":
            lines.append(f"{where}: key '{key}' is missing; add it.")
        else:
            given = str(item.get("input"))[:60]
            lines.append(f"{where}: '{key}' = {given} is not usable: {item['msg']}.")
    return "\n".join(lines)


def parse_value(text: str) -> Any:
    """Numbers, true/false, null and lists as JSON; anything else is the text itself."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text
