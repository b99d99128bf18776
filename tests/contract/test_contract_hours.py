"""One place knows when a step was: no figure, question, report or page counts hours from a step's number."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("core/figures", "core/icu", "core/report", "core/cohort/describe.py", "pages")


def sources() -> list[Path]:
    found = [
        path
        for place in SHOWN
        for path in ((ROOT / place).rglob("*.py") if (ROOT / place).is_dir() else [ROOT / place])
    ]
    return sorted(found)


def counted(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and kind of every place that makes hours out of step numbers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "hours":
            yield node.lineno, "hours of step numbers"
        if isinstance(node, ast.Attribute) and node.attr == "start_hours":
            yield node.lineno, "the window's start"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (node.left, node.right)
            length = any(getattr(side, "attr", getattr(side, "id", "")) == "step_hours" for side in sides)
            plain = [side.operand if isinstance(side, ast.UnaryOp) else side for side in sides]
            if length and not any(isinstance(side, ast.Constant) for side in plain):  # a width is a share of a step
                yield node.lineno, "multiples of a step"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_counts_hours_from_the_number_of_a_step(path: Path) -> None:
    found = list(counted(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, f"{path.relative_to(ROOT)} {found}: ask Cohort.hours, Cohort.axis or RunView.hours instead"


@pytest.mark.parametrize(
    "line",
    ["run.study.hours(np.arange(n))", "study.start_hours + t", "step_hours * np.arange(n)", "ahead * study.step_hours"],
)
def test_the_sweep_finds_what_it_is_for(line: str) -> None:
    assert list(counted(ast.parse(line)))


@pytest.mark.parametrize("line", ["run.hours[patient]", "-0.8 * step_hours", "cohort.axis.hours", "study.window"])
def test_the_sweep_lets_pass_what_is_right(line: str) -> None:
    assert not list(counted(ast.parse(line)))
