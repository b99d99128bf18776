"""A finished run is opened through its checksums, whichever door one comes by: no other code makes a view of one."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VIEWS, STUDIES = {"RunView", "RegistryView"}, {"ICU", "REGISTRY", "study"}
MAY = {
    "core/icu/study.py": "what `core.runs.integrity.open_run` calls when the files were compared",
    "core/registry/study.py": "the same",
    "core/runs/integrity.py": "compares them",
    "core/runs/beside.py": "the stages at work, on files that were compared when the run was taken up",
    "core/runs/stages.py": "the same",
    "pages/components/shell/frame.py": "compares them, and remembers the view for all who see the same of it",
    "pages/components/registry/session.py": "the same",
}


def opened_in(path: Path) -> bool:
    """Whether code makes a view of a run: `RunView(...)`, or `open` of a study."""
    text = path.read_text(encoding="utf-8")
    if not any(word in text for word in (*VIEWS, ".open(")):
        return False
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id in VIEWS:
            return True
        if isinstance(function, ast.Attribute) and function.attr == "open":
            value = function.value
            named = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
            if named in STUDIES:
                return True
    return False


def test_runs_are_opened_through_their_checksums_alone() -> None:
    files = [ROOT / "app.py", *(path for top in ("core", "pages") for path in (ROOT / top).rglob("*.py"))]
    assert {path.relative_to(ROOT).as_posix() for path in files if opened_in(path)} == set(MAY)
