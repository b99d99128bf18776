"""The keys of a study's TOML file as a table, from the model itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo

from core.base.config import Config
from core.study import StudySpec

HEAD = "| key | value | default | meaning |\n|---|---|---|---|"


def key_table() -> str:
    """One line a key, as Markdown: its place, type, default and meaning."""
    return "\n".join((HEAD, *(f"| {' | '.join(cells)} |" for cells in _rows(StudySpec, ""))))


def _rows(model: type[Config], place: str) -> Iterator[tuple[str, str, str, str]]:
    """Keys of a table, and after them those of the tables in it."""
    inner: list[tuple[str, type[Config]]] = []
    for name, field in model.model_fields.items():
        table = _table(field.annotation)
        if table is None:
            key = f"`[{place}{name}]`" if "dict" in str(field.annotation) else f"`{place}{name}`"
            yield key, _kind(field.annotation), _default(field), field.description or ""
            continue
        several = "tuple" in str(field.annotation)
        header = f"`[[{place}{name}]]`" if several else f"`[{place}{name}]`"
        inner.append((f"{place}{name}.", table))
        kind = "any number of tables" if several else "a table"
        yield header, kind, _default(field), field.description or ""
    for prefix, table in inner:
        yield from _rows(table, prefix)


def _table(annotation: Any) -> type[Config] | None:
    """The settings class in a type, None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table(part)) is not None), None)


def _kind(annotation: Any) -> str:
    """A type in a few words."""
    text = str(annotation).replace("typing.", "")
    choices = re.findall(r"Literal\[(.*?)\]", text)
    if choices:
        return str(choices[0].replace("'", '"').replace(", ", " or "))
    for pattern, words in (
        ("dict", "a table"),
        ("tuple[tuple[str", "list of lists of texts"),
        ("tuple[float, float]", "[low, high]"),
        ("tuple[float", "list of numbers"),
        ("tuple[str", "list of texts"),
        ("bool", "true or false"),
        ("int", "whole number"),
        ("float", "number"),
    ):
        if pattern in text:
            return words
    return "text"


def _default(field: FieldInfo) -> str:
    """What stands where the key is left out."""
    if field.is_required():
        return "needed"
    value = field.default
    if value is None or value == "" or value == () or value == {}:
        return "none"
    return (
        str(value).lower() if isinstance(value, bool) else ", ".join(value) if isinstance(value, tuple) else str(value)
    )
