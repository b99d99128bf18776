"""Every key of mapping.toml in words, from the model itself; the table in docs/format.md is this one."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from core.base.config import Config
from core.tables.mapping import RULES, Aggregate, DoseRule, Factor, OutcomeRule, TableMapping, TimeRule

SECTIONS: dict[str, type[Config]] = {"outcome": OutcomeRule, "action": DoseRule, "time": TimeRule}
BY_COLUMN = {"columns": "text", "units": "text or table", "codes": "table", "missing": "list", "aggregate": ""}


def mapping_keys() -> list[tuple[str, str, str, str]]:
    """(key, what it takes, default, meaning) of each key, in the order of the document."""
    rows = []
    for name, field in TableMapping.model_fields.items():
        if name in RULES:
            rows += _rows(SECTIONS[name], f"[{name}] ")
        elif name in BY_COLUMN:
            takes = BY_COLUMN[name] or _choices(Aggregate)
            rows.append((f"[{name}] COLUMN", takes, "none", str(field.description)))
            rows += _rows(Factor, "[units] COLUMN.") if name == "units" else []
        else:
            rows += _rows(TableMapping, "", name)
    return rows


def mapping_keys_table() -> str:
    """The keys as a Markdown table."""
    lines = ["| key | takes | where nothing is said | meaning |", "|---|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| `{key}` | {takes} | {usual} | {says} |" for key, takes, usual, says in mapping_keys())]
    )


def _rows(model: type[Config], prefix: str, only: str = "") -> list[tuple[str, str, str, str]]:
    return [
        (f"{prefix}{name}", _choices(field.annotation), _default(field.get_default()), str(field.description))
        for name, field in model.model_fields.items()
        if only in ("", name)
    ]


def _choices(kind: Any) -> str:
    """What a key takes: its choices, or what kind of value."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return {str: "text", float: "number"}.get(kind, "list")


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    return f"`{value}`" if value not in ((), "") else "none"
