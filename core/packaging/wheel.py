"""How a wheel is built: the engine under its own name, with the app and the files that both read inside it.

The checkout keeps `core/`, `pages/`, `app.py`, `assets/` and `data/` side by side, names too common for a place that
all of a machine's packages share. So a wheel holds one package: `core` becomes `phenopolicy`, absolute imports with it,
and the rest lies within. What is imported, pickled or started with `-m` then carries the installed name alone.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "phenopolicy"
DATA = ("concepts", "presets", "reference", "studies")  # the rest of data/ is made on a machine and stays there
APP = ("app.py", "pages", "assets", ".streamlit")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "screenshots", "node_modules", Path(__file__).parent.name)
_PYTHON = {".py", ".j2"}


class PackageHook(BuildHookInterface[Any]):
    """Hand the renamed tree to the builder in place of the checkout's files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the tree to a wheel; RuntimeError for an editable one, in which nothing could be renamed."""
        if version == "editable":
            raise RuntimeError(
                f"{NAME} cannot be installed editable, since a wheel renames `core`; work in the checkout, where "
                f"`import core` and `python -m core` are the same thing, or leave out -e."
            )
        self._made = tempfile.TemporaryDirectory()
        tree = write_package(Path(self.root), Path(self._made.name))
        build_data["force_include"][str(tree)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._made.cleanup()


def write_package(checkout: Path, target: Path) -> Path:
    """Write the package as it is installed into the folder target; returns its own folder, named phenopolicy."""
    package = target / NAME
    shutil.copytree(checkout / "core", package, ignore=LEFT_OUT)
    for folder in DATA:
        shutil.copytree(checkout / "data" / folder, package / "data" / folder)
    (package / "app").mkdir()
    for name in APP:
        source, copy = checkout / name, package / "app" / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, copy)
    parts = sorted(path.stem for path in (checkout / "core").iterdir() if path.suffix in ("", ".py"))
    for path in package.rglob("*"):
        if path.suffix in _PYTHON:
            path.write_text(renamed(path.read_text(encoding="utf-8"), parts), encoding="utf-8")
    return package


def renamed(text: str, parts: list[str]) -> str:
    """A source text in which `core` is called phenopolicy, wherever it is imported, named or started.

    parts: names of core's own packages and modules, before which a "core." means the package and no other word.
    """
    own = "|".join(map(re.escape, parts))
    text = re.sub(rf"(?<![\w./])core(?=\.(?:{own})\b)", NAME, text)
    text = re.sub(r"^(\s*)from core import", rf"\1from {NAME} import", text, flags=re.MULTILINE)
    text = re.sub(r"^(\s*)import core\b(?!\.)", rf"\1import {NAME}", text, flags=re.MULTILINE)
    return re.sub(r"\bpython -m core\b(?!\.)", NAME, text)
