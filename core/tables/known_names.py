"""The names by which the field knows columns, keys and roles; `data/reference/column_names.toml` lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache

from core.base.shipped import shipped

NAMES = shipped("reference", "column_names.toml")


@cache
def known_names() -> dict[str, dict[str, tuple[str, ...]]]:
    """The table of the field's names, by section."""
    stored = tomllib.loads(NAMES.read_text(encoding="utf-8"))
    return {section: {key: tuple(names) for key, names in found.items()} for section, found in stored.items()}


def known_as(target: str, names: Iterable[str]) -> list[str]:
    """Those of a file's names by which the field knows a column or a role of the study, the best first."""
    known = known_names()
    usual = [target, *known["columns"].get(target, ()), *known["keys"].get(target, ())]
    usual += [*known["roles"].get("dose" if target == "action" else target, ())]
    rank = {loose(name): place for place, name in reversed(list(enumerate(usual)))}
    return sorted((name for name in names if loose(name) in rank), key=lambda name: rank[loose(name)])


def loose(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return "".join(char for char in name.casefold() if char.isalnum())
