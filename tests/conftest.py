"""Fixtures that several test packages share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from filelock import FileLock

# No example has a time limit: on a busy machine any of them may take long, which says nothing about the code.
hypothesis.settings.register_profile("phenopolicy", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("phenopolicy")
if TYPE_CHECKING:
    from core.cohort import Cohort

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "encoder.epochs": "2",
    "phenotypes.k_max": "4",
    "phenotypes.n_bootstrap": "2",
    "agents.epochs": "1",
    "fqi.n_trees": "4",
    "fqe.n_trees": "4",
    "baselines.batch_size": "16",
    "baselines.boosting_rounds": "4",
    "baselines.boosting_iterations": "4",
    "evaluation.n_bootstrap": "40",
    "evaluation.n_neighbors": "40",
    "evaluation.truth_patients": "60",
}
TINY_PATIENTS = 160
TINY_REGISTRY = {
    "run.threads": "1",
    "screening.epochs": "3",
    "dqn.updates": "60",
    "forest.n_trees": "4",
    "reward_model.epochs": "2",
    "evaluation.n_bootstrap": "40",
    "evaluation.ope_bootstrap": "40",
    "evaluation.truth_patients": "60",
}


@pytest.fixture(scope="session", autouse=True)
def checked_figures() -> None:
    """Let plotly check every figure that a test draws; the app, which shows the same ones, does without."""
    from core.figures import draft

    draft.CHECKED = True


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Open clinical data for tests; skipped where the folder is not there."""
    folder = Path(os.environ.get("PHENOPOLICY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"open clinical data not found in {folder}; set PHENOPOLICY_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def late_cohort() -> Cohort:
    """Simulated stays of which more than half start late, with recorded hours: what counts steps gets them wrong."""
    from core.cohort import simulate_cohort

    return simulate_cohort("mimic-iv", 300, seed=4, late_starts=0.6)[0]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder of a small complete run on simulated patients, made once for all workers; read only."""
    from core.cohort import simulate_cohort
    from core.icu.config import load_preset
    from core.icu.study import run_study

    def make(folder: Path) -> None:
        cohort, _ = simulate_cohort("mimic-iv", TINY_PATIENTS, seed=3)
        for _ in run_study(cohort, load_preset("quick", TINY), folder, name="Tiny run"):
            pass

    return _once(tmp_path_factory, worker_id, "tiny_run", make)


@pytest.fixture(scope="session")
def late_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str, late_cohort: Cohort) -> Path:
    """Folder of a small complete run on stays that start late, made once for all workers; read only."""
    from core.icu.config import load_preset
    from core.icu.study import run_study

    def make(folder: Path) -> None:
        for _ in run_study(late_cohort, load_preset("quick", TINY), folder, name="Late run"):
            pass

    return _once(tmp_path_factory, worker_id, "late_run", make)


@pytest.fixture(scope="session")
def numbered_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as if its study's outcome were any number, which says nothing of survival."""
    return _as_of_another_study(tiny_run, tmp_path_factory.mktemp("numbered") / "numbered", {"outcome": "number"})


@pytest.fixture(scope="session")
def unordered_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as if its actions were sets of drugs, none of them more than another."""
    sets = [[], ["heparin"], ["citrate"], ["argatroban"], ["heparin", "citrate"]]
    changes = {"actions": {"kind": "combination", "drug": "anticoagulation", "sets": sets}}
    nothing_of_doses = {"hazards": [], "warnings": [], "indication": None}
    folder = tmp_path_factory.mktemp("unordered") / "unordered"
    return _as_of_another_study(tiny_run, folder, changes | nothing_of_doses)


def _as_of_another_study(run: Path, folder: Path, changes: dict[str, Any]) -> Path:
    """A run whose manifest tells of a changed study; all else is the run's own."""
    from core.runs.manifest import read_manifest

    folder.mkdir()
    for part in run.iterdir():
        (folder / part.name).symlink_to(part)
    manifest = read_manifest(run)
    (folder / "manifest.json").unlink()
    manifest.model_copy(update={"study": {**manifest.study, **changes}}).write(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_registry(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder of a small complete run on a simulated registry, made once for all workers; read only."""
    from core.registry import simulate_registry
    from core.registry.config import registry_config
    from core.registry.study import train_registry

    def make(folder: Path) -> None:
        cohort, _ = simulate_registry(300, seed=0)
        for _ in train_registry(cohort, registry_config(TINY_REGISTRY), folder, name="Tiny registry"):
            pass

    return _once(tmp_path_factory, worker_id, "tiny_registry", make)


def _once(factory: pytest.TempPathFactory, worker_id: str, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` that all workers share; the first that asks makes it."""
    base = factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            make(folder)
            (folder / "complete").touch()
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that drive a browser come first: they take longest, and none shall be left for one worker at the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
