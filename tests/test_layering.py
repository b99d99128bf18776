"""Imports run one way; the engine never imports the pages or streamlit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BOTTOM = {"base", "study", "rewards", "tables"}
FLOW = ["cohort", "trajectories", "encoder", "phenotypes", "agents", "fusion", "evaluation"]
TOP = {"tables", "runs", "icu", "pipeline", "cli", "figures", "experiments", "registry", "report", "learn", "__main__"}
# Stages that take arrays alone, so that they need no torch and can be tested in closed form.
ARRAYS_ONLY = {"fusion", "evaluation"}
MODULES = [*sorted(path for folder in ("core", "pages") for path in (ROOT / folder).rglob("*.py")), ROOT / "app.py"]


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it, except under TYPE_CHECKING."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            if node.module == "core":
                names.update(f"core.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return names


def package(module: str) -> str:
    """Second part of core.<package>..., the file's own name for modules at the top of core."""
    return module.split(".")[1] if module.startswith("core.") else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    names = imported(path)
    core = {package(name) for name in names if name.startswith("core.")} - {""}
    if parts[0] != "core":
        return
    assert not any(name == "streamlit" or name.startswith(("streamlit.", "pages", "app")) for name in names)
    own = parts[1] if len(parts) > 1 else ""
    if own in TOP:
        return
    allowed = set(BOTTOM)
    if own in FLOW:
        allowed |= {own} if own in ARRAYS_ONLY else set(FLOW[: FLOW.index(own) + 1])
    assert core <= allowed, f"{path.name} imports {sorted(core - allowed)}, which lies to its right in the flow"
    if own in ARRAYS_ONLY:
        assert not any(name.split(".")[0] == "torch" for name in names)


def test_figures_compute_nothing() -> None:
    """Figures draw numbers that they are given."""
    for path in (ROOT / "core" / "figures").rglob("*.py"):
        heavy = {name.split(".")[0] for name in imported(path)} & {"sklearn", "scipy", "torch", "umap", "streamlit"}
        assert not heavy, f"{path.name} imports {sorted(heavy)}"


def test_pages_reach_nothing_but_core_and_their_components() -> None:
    for path in (ROOT / "pages").rglob("*.py"):
        heavy = {name.split(".")[0] for name in imported(path)} & {"sklearn", "scipy", "torch", "umap", "duckdb"}
        assert not heavy, f"{path.name} computes with {sorted(heavy)}; put it in core"
