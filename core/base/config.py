"""Base of every configuration: frozen, checked when built, unknown keys refused."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from core.base.errors import ConfigError
from core.base.text import check_plain

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
            raise ConfigError(explain(error, where or cls.__name__, cls)) from None


class Definition(Config):
    """What a study is, as read from a file: a text of it that is more than text is refused."""

    @model_validator(mode="before")
    @classmethod
    def _texts_are_plain(cls, values: Any) -> Any:
        check_plain(values)
        return values


def explain(error: ValidationError, where: str, model: type[BaseModel] | None = None) -> str:
    """One sentence per wrong key: which, what was given, what is expected, and a key of the model that is near."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole)"
        if item["type"] == "extra_forbidden":
            near = did_you_mean(str(item["loc"][-1]), _keys_at(model, item["loc"][:-1]))
            lines.append(f"{where}: unknown key '{key}'; remove it or correct its spelling.{near}")
        elif item["type"] == "missing":
            lines.append(f"{where}: key '{key}' is missing; add it.")
        else:
            given = str(item.get("input"))[:60]
            lines.append(f"{where}: '{key}' = {given} is not usable: {item['msg']}.")
    return "\n".join(lines)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ " Did you mean 'epochs'?", with a space before it; "" where nothing that is known is near."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), names, n=1)
    return f" Did you mean '{names[near[0]]}'?" if near else ""


def _keys_at(model: type[BaseModel] | None, place: Sequence[int | str]) -> list[str]:
    """Keys that a model knows at a place of its values; none where that is no group of named keys."""
    for part in place:
        field = None if model is None else model.model_fields.get(str(part))
        if field is not None:
            model = _model_in(field.annotation)
        elif not isinstance(part, int):  # a number is one of several of the same kind
            return []
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, by itself, or in a tuple, a list or a mapping, or next to None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def parse_value(text: str) -> Any:
    """Numbers, true/false, null and lists as JSON; anything else is the text itself."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text
