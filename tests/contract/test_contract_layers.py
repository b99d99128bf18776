"""Imports run one way. Every package is named with what it may import; there is no exemption.

Imports inside functions and under TYPE_CHECKING count like all others: to name a thing is to know it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOW = ("cohort", "trajectories", "encoder", "phenotypes", "agents")
BELOW = {"base", "hazard", "study"}
STAGES = {*FLOW, "fusion", "evaluation"}
STUDIES = {"icu", "registry"}
ENGINE = {*STAGES, *BELOW, "tables", "rewards", "policies", "runs"}
# A package may import itself and these. Stages know only what is left of them in the flow; fusion, evaluation and
# figures take arrays; a study knows no other study; what compares studies stands above them.
MAY: dict[str, set[str]] = {
    "base": set(),
    "hazard": {"base"},
    "study": {"base", "hazard"},
    "rewards": {*BELOW},
    "tables": {*BELOW},
    "cohort": {*BELOW, "tables", "rewards"},
    "trajectories": {*BELOW, "rewards", *FLOW[:1]},
    "encoder": {*BELOW, *FLOW[:2]},
    "phenotypes": {*BELOW, *FLOW[:3]},
    "agents": {*BELOW, *FLOW[:4]},
    "fusion": {"base"},
    "evaluation": {"base"},
    "policies": {*BELOW, *STAGES, "figures"},
    "runs": {*BELOW, "tables"},
    "keep": {*BELOW, "tables", "runs"},
    "access": {*BELOW, "tables", "runs", "keep"},
    "figures": {*BELOW},
    "icu": {*ENGINE, "figures"},
    "registry": {*ENGINE, "figures"},
    "pipeline": {"icu"},
    "bring": {*ENGINE, *STUDIES},
    "environments": {*ENGINE, "registry"},
    "sites": {*ENGINE, "icu", "figures"},
    "api": {*ENGINE, *STUDIES, "figures", "bring", "report"},
    "packaging": {"base"},
    "experiments": {*ENGINE, *STUDIES, "bring"},
    "report": {*ENGINE, *STUDIES, "figures", "experiments", "sites", "bring"},
    "learn": {*STAGES, *BELOW},
    "teaching": {*ENGINE, "icu"},
    "cli": {*ENGINE, *STUDIES, "experiments", "report", "bring", "sites", "keep", "access", "environments", "teaching"},
    "__main__": {"cli"},
}
# Libraries that a layer must do without: pages and figures compute nothing, and array stages run without torch.
HEAVY = {"sklearn", "scipy", "torch", "umap", "duckdb", "xgboost"}
WITHOUT: dict[str, set[str]] = {
    "pages": {*HEAVY, "app"},
    "core": {"streamlit", "pages", "app"},
    "core.figures": {*HEAVY, "streamlit"},
    "core.fusion": {"torch"},
    "core.evaluation": {"torch"},
    "core.policies": {"torch"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of core and pages by its full name, packages by the name of their folder."""
    files = [path for folder in ("core", "pages") for path in (ROOT / folder).rglob("*.py")]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files)
    return dict(zip(names, files, strict=True)) | {"app": ROOT / "app.py"}


def imported(source: str, module: str, known: Mapping[str, object]) -> set[str]:
    """Full names of what a module imports, anywhere in it; a name taken from a package is a module where there is one.

    Relative imports would go uncounted, so they are refused.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module} imports relatively; write the full name"
            assert not node.level, f"{module} imports relatively; write the full name"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in known else node.module for name in whole}
    return names


@cache
def imports() -> dict[str, set[str]]:
    return {name: imported(path.read_text(encoding="utf-8"), name, modules()) for name, path in modules().items()}


def package(module: str) -> str:
    """ "icu" for core.icu.view, "pipeline" for core.pipeline, "" for core itself."""
    return module.partition(".")[2].partition(".")[0]


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Sets of modules that import each other, by Tarjan's strongly connected components."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        path.append(name)
        for other in graph[name] & graph.keys():
            if other not in order:
                visit(other)
            if other in path:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            place = path.index(name)
            circle = set(path[place:])
            del path[place:]
            if len(circle) > 1 or name in graph[name]:
                found.append(circle)

    for name in graph:
        if name not in order:
            visit(name)
    return found


def layers(may: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Packages from the bottom up: each layer imports only what lies below it."""
    left, below = dict(may), set[str]()
    while left:
        layer = sorted(name for name, allowed in left.items() if allowed - {name} <= below)
        assert layer, f"the contract itself runs in a circle among {sorted(left)}"
        yield layer
        below |= set(layer)
        left = {name: allowed for name, allowed in left.items() if name not in below}


def test_the_contract_names_every_package_and_runs_one_way() -> None:
    packages = {package(name) for name in modules() if name.startswith("core.")}
    assert packages == set(MAY)
    order = list(layers(MAY))
    print(*(" ".join(layer) for layer in reversed(order)), sep="\n")
    assert order[0] == ["base"]
    assert order[-1] == ["__main__"]


@pytest.mark.parametrize("own", sorted(MAY))
def test_a_package_imports_only_what_the_contract_allows(own: str) -> None:
    allowed = {own, *MAY[own]}
    upward = [
        f"{name} -> {other}"
        for name, others in imports().items()
        if name.startswith("core.") and package(name) == own
        for other in sorted(others)
        if other.startswith("core.") and package(other) not in allowed
    ]
    assert not upward, f"core.{own} may import {', '.join(sorted(allowed))}; it imports\n" + "\n".join(upward)


def test_pages_act_through_the_engines_door_alone() -> None:
    past = {"core.runs.jobs", "core.keep.delete", "core.access.trail"}
    found = [f"{name} imports {other}" for name, others in imports().items() for other in others & past]
    assert not [line for line in found if line.startswith(("pages", "app"))]
    assert [line for line in found if line.startswith("core.access.acts")], "the door itself leads on"


@pytest.mark.parametrize("layer", sorted(WITHOUT))
def test_a_layer_does_without_the_libraries_that_are_not_its_own(layer: str) -> None:
    found = [
        f"{name} imports {other}"
        for name, others in imports().items()
        if name == layer or name.startswith(f"{layer}.")
        for other in others
        if other.split(".")[0] in WITHOUT[layer]
    ]
    assert not found, "\n".join(found)


def test_no_module_imports_itself_through_others() -> None:
    found = circles(imports())
    assert not found, "modules import each other in a circle: " + "; ".join(", ".join(sorted(c)) for c in found)


def test_circles_are_found_and_every_kind_of_import_is_counted() -> None:
    graph = {"a": {"b"}, "b": {"c", "x"}, "c": {"b", "d"}, "d": {"e"}, "e": set[str](), "f": {"f"}}
    assert sorted(map(sorted, circles(graph))) == [["b", "c"], ["f"]]
    source = (
        "from typing import TYPE_CHECKING\nimport core.a as a\nfrom core import b\nfrom core.c import thing\n"
        "if TYPE_CHECKING:\n    from core.d import e\ndef late():\n    import torch.nn\n"
    )
    known = dict.fromkeys(("core", "core.a", "core.b", "core.c", "core.d", "core.d.e"))
    assert imported(source, "m", known) == {"typing", "core.a", "core.b", "core.c", "core.d.e", "torch.nn"}
    with pytest.raises(AssertionError, match="imports relatively"):
        imported("from . import x", "m", known)
