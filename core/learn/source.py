"""The engine's own source, shown beside the idea that it implements."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from core.base.shipped import ENGINE


@cache
def source_of(path: str, name: str) -> str:
    """Source of a function, method ("Class.method") or class in a file of this project, read without importing it.

    path is relative to the project, as in "core/fusion/weights.py". Raises `LookupError` where there is no such name.
    """
    text = (ENGINE / Path(path).relative_to("core")).read_text(encoding="utf-8")
    nodes: list[ast.stmt] = ast.parse(text).body
    found: ast.stmt | None = None
    for part in name.split("."):
        kinds = (ast.FunctionDef, ast.ClassDef)
        found = next((node for node in nodes if isinstance(node, kinds) and node.name == part), None)
        if not isinstance(found, kinds):
            raise LookupError(f"{path} has no '{name}'")
        nodes = found.body
    lines = text.splitlines()[found.lineno - 1 : found.end_lineno] if found is not None else []
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return "\n".join(line[indent:] for line in lines)
