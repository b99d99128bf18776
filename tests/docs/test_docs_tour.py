"""The notebook runs top to bottom on the package as it is installed, and what is kept of it shows no machine."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from core.packaging.wheel import write_package

ROOT = Path(__file__).resolve().parents[2]
TOUR = ROOT / "docs" / "tour.ipynb"


def run_tour(folder: Path) -> nbformat.NotebookNode:
    """The notebook, executed in a folder where only the package as it is installed is found."""
    (folder / "site").mkdir()
    (folder / "work").mkdir()
    write_package(ROOT, folder / "site")
    notebook = nbformat.read(TOUR, as_version=4)
    env = {**os.environ, "PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder / "work")}})
    client.execute(env=env)
    return notebook


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell shows as text, "" where it shows nothing."""
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown.append("".join(_text(output) for output in cell.outputs))
    return shown


def _text(output: nbformat.NotebookNode) -> str:
    return output["text"] if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    return run_tour(tmp_path_factory.mktemp("tour"))


def test_it_runs_and_shows_what_is_kept_of_it(executed: nbformat.NotebookNode) -> None:
    stored, found = texts(nbformat.read(TOUR, as_version=4)), texts(executed)
    assert [bool(text) for text in found] == [bool(text) for text in stored]
    assert found[0] == stored[0]  # simulated patients are the same everywhere
    assert found[1].startswith("Run 'tour-run': study thrombocytopenia, 160 simulated stays, K = 3, lambda = 15")
    assert found[-3].endswith("Every number comes out again.\n")


def test_what_is_kept_names_no_folder_of_a_machine() -> None:
    text = TOUR.read_text(encoding="utf-8")
    assert "/tmp" not in text
    assert "/home" not in text
    assert "Traceback" not in text
