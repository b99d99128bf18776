"""Before a page is drawn for the first time, what it needs is imported, and nobody imports beside it.

Visitors who come at once to a fresh server would import the same modules in several threads, and one of them may find
a module half there. Drawing itself is nobody's turn: a first visit that takes long holds up no other page.
"""

from __future__ import annotations

import ast
import importlib
import threading
from pathlib import Path

# What is imported only while a page is drawn, so that others need not wait for it.
LATER = ("PIL.Image", "pyarrow.parquet")
_TURN = threading.Lock()
_IMPORTED: set[Path] = set()  # pages


def import_alone(page: Path) -> None:
    """Import what the script of a page imports, one page after another; the second visit finds it done."""
    if page in _IMPORTED:
        return
    with _TURN:
        exec(compile(head(page), page, "exec"), {"__name__": "head"})
        for name in LATER:
            importlib.import_module(name)
        _IMPORTED.add(page)


def head(page: Path) -> ast.Module:
    """The imports of a script, without the rest: a page is no module, and to import it would draw it."""
    body = ast.parse(page.read_text(encoding="utf-8")).body
    return ast.Module([node for node in body if isinstance(node, ast.Import | ast.ImportFrom)], [])
