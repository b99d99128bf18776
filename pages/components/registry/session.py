"""What the visitor has chosen in the registry study (run, file, patient, stage, screen), and its runs on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.files import read_json
from core.registry import RegistryCohort, load_registry, load_registry_spec, save_registry
from core.runs.manifest import MANIFEST
from pages.components.shell.frame import Subject, empty, may_see
from pages.components.shell.jobs import Desk
from pages.components.shell.places import NAME, registry_path, registry_root, uploads_root
from pages.components.shell.session import get_session
from pages.components.study.cohorts import StoredCohort, write_facts

if TYPE_CHECKING:
    from core.registry.view import RegistryView

VIEWS = ("Cohort", "Expert predictions", "Values", "Patient")
OVERRIDES = "registry-overrides"


def mark(name: str) -> str:
    """A choice of this page as the URL has it, "" where none was made."""
    return get_session().marks.get(f"registry-{name}", "")


def set_mark(name: str, value: object = "") -> None:
    """Keep a choice of this page in the session and the URL."""
    get_session().mark(f"registry-{name}", value)


def number_mark(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the URL within bounds; the default for anything else."""
    text = mark(name)
    return min(max(int(text), low), high) if text.isdecimal() and len(text) < 10 else default


def overrides() -> dict[str, Any]:
    """Changed settings of the run to be started, by path."""
    found: dict[str, Any] = st.session_state.setdefault(OVERRIDES, {})
    return found


def in_text(label: str) -> str:
    """A label inside a sentence: 'Donor relationship' begins small, 'HLA matching' does not."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


# Runs


@dataclass(frozen=True)
class RunLine:
    """One finished or unfinished run in the list."""

    path: Path
    name: str
    created: str
    state: str
    n_patients: int


def visible_registry_runs() -> list[RunLine]:
    """Runs of this study that the session may see, newest first; broken folders are left out."""
    from core.runs.jobs import read_job

    found = []
    for manifest in registry_root().glob(f"*/{MANIFEST}"):
        folder = manifest.parent
        if not may_see(folder):
            continue
        try:
            facts = read_json(manifest)
            found.append(
                RunLine(folder, str(facts["name"]), str(facts["created"]), read_job(folder).state, facts["n_patients"])
            )
        except (PhenoPolicyError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda run: run.created, reverse=True)


@st.cache_resource(max_entries=3, ttl="6h", show_spinner="Opening the run ...")
def _open(path: str, stamp: tuple[int, int]) -> RegistryView:
    """One read-only view per version of a run, shared by all who may see it."""
    from core.registry.view import RegistryView

    return RegistryView(Path(path))


def _open_finished(folder: Path) -> RegistryView | None:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    stat = manifest.stat()
    try:
        run = _open(str(folder), (stat.st_mtime_ns, stat.st_size))
        return run if run.complete else None
    except PhenoPolicyError:
        return None


def current_registry() -> RegistryView | None:
    """The run that this page shows: the one in the URL, else the newest finished one; None where there is none."""
    folder = registry_path(mark("run")) if mark("run") else None
    run = _open_finished(folder) if folder is not None and may_see(folder) else None
    if run is None:
        finished = (_open_finished(line.path) for line in visible_registry_runs())
        run = next((found for found in finished if found is not None), None)
    if run is not None:
        set_mark("run", run.path.name)
    return run


def subject() -> Subject | None:
    """The run on show for the head of the page."""
    run = current_registry()
    if run is None:
        return None
    facts = run.manifest
    settings = f"screened to the {run.screen.n} likeliest combinations"
    return Subject(facts.name, facts.n_patients, facts.simulated, settings, facts.data_hash, run.spec.population)


def show_run(name: str) -> None:
    """Show another run; the patient belongs to the run before."""
    if name != mark("run"):
        set_mark("patient")
    set_mark("run", name)


DESK = Desk(
    folder=registry_path,
    on_show=lambda: mark("run"),
    show=show_run,
    close=lambda: set_mark("job"),
    kept="What was finished is kept: resuming loses at most the stage at work.",
    shown="The other parts of this page show this run now.",
)


def require_registry() -> RegistryView:
    """The run on show, or an empty state that says how to get one (and the page stops there)."""
    run = current_registry()
    if run is None:
        empty(
            "No finished run of the registry study yet",
            "This part shows what a run has learned. Choose **Cohort** above: one button there simulates a registry "
            "and trains on it.",
            icon=":material/hourglass_empty:",
        )
        st.stop()
    return run


# Registries on disk


def _folder() -> Path:
    return uploads_root(get_session().owner) / "registry"


def store_registry(cohort: RegistryCohort, label: str, spec_file: Path | None = None) -> StoredCohort:
    """Save a checked registry under its hash (never under a user's file name), with its label and spec beside it."""
    path = _folder() / f"{cohort.data_hash}.parquet"
    save_registry(cohort, path)
    write_facts(path, cohort, label, spec_file)
    set_mark("cohort", cohort.data_hash)
    return _stored(path)


def stored_registries() -> list[StoredCohort]:
    """The session's own registries, newest first, then those of the runs that it may see."""
    own = []
    for path in _folder().glob("*.parquet"):
        try:
            own.append(_stored(path))
        except (PhenoPolicyError, KeyError, TypeError):
            continue
    own.sort(key=lambda cohort: cohort.created, reverse=True)
    seen, shipped = {cohort.key for cohort in own}, load_registry_spec().model_dump(mode="json")
    for line in visible_registry_runs():
        path, facts = line.path / "cohort.parquet", read_json(line.path / MANIFEST)
        key = str(facts.get("data_hash", ""))
        # A run under another definition has its registry among its owner's own, with the TOML file to train on.
        if key in seen or not NAME.fullmatch(key) or not path.is_file() or facts.get("spec") != shipped:
            continue
        seen.add(key)
        simulated = facts.get("origin", {}).get("kind") == "simulated"
        own.append(StoredCohort(key, path, line.name, line.n_patients, simulated, line.created))
    return own


def chosen_registry() -> StoredCohort | None:
    """The registry on show in the cohort part: the chosen one, else that of the run on show, else the newest."""
    cohorts, run = stored_registries(), current_registry()
    wanted = [mark("cohort"), run.manifest.data_hash if run is not None else ""]
    found = (next((cohort for cohort in cohorts if cohort.key == key), None) for key in wanted)
    return next((cohort for cohort in found if cohort is not None), cohorts[0] if cohorts else None)


def open_registry(stored: StoredCohort) -> RegistryCohort:
    """The checked registry of a stored file."""
    return _load(str(stored.path), stored.path.stat().st_mtime_ns, stored.study_file)


@st.cache_resource(scope="session", max_entries=3, ttl="2h", show_spinner="Reading the registry ...")
def _load(path: str, stamp: int, spec_file: Path | None) -> RegistryCohort:
    """Cached for this session only: patient data is never shared between sessions by a cache."""
    return load_registry(path, load_registry_spec(spec_file))


def _stored(path: Path) -> StoredCohort:
    facts = read_json(path.with_suffix(".json"))
    spec_file = path.with_suffix(".toml")
    return StoredCohort(
        key=path.stem,
        path=path,
        label=str(facts["label"]),
        n_patients=int(facts["n_patients"]),
        simulated=bool(facts["simulated"]),
        created=str(facts["created"]),
        study_file=spec_file if spec_file.is_file() else None,
    )
