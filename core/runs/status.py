"""What is true of a run now, told by its folder alone, and the list of all runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from core.base.errors import PhenoPolicyError
from core.runs.job import CANCELLED, read_record
from core.runs.lock import hold, is_held
from core.runs.manifest import MANIFEST, Manifest, read_manifest
from core.runs.progress import history_table, read_progress

State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class JobStatus:
    """What is true of a run now."""

    state: State
    stage: str = ""
    stage_fraction: float = 0.0
    overall_fraction: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    beside: tuple[str, ...] = ()  # further stages at work
    error: str = ""
    history: pd.DataFrame | None = None
    name: str = ""  # the name that people gave the run; the folder's where they gave none

    @property
    def active(self) -> bool:
        return self.state in ("waiting", "running")


@dataclass(frozen=True)
class RunInfo:
    """One line of the list of runs."""

    path: Path
    kind: str
    name: str
    state: State
    created: str
    data_hash: str
    simulated: bool
    n_patients: int
    owner: str
    shared: bool  # on purpose; one without an owner is seen by everybody too
    study: dict[str, Any]  # its definition, as it stands in the manifest


def read_job(run_dir: Path) -> JobStatus:
    """State of a run: one that says it is running but holds no lock was interrupted."""
    try:
        job = read_record(run_dir)
    except PhenoPolicyError:  # missing where the command line started the run, or damaged: the rest still tells
        job = None
    starting = job is not None and job.process.alive
    return replace(_state(run_dir, starting), name=(job.name if job else "") or run_dir.name)


def _state(run_dir: Path, starting: bool) -> JobStatus:
    record = read_progress(run_dir)
    held = is_held(run_dir)
    if not held and starting and (record is None or record.state != "done"):
        return JobStatus("waiting", message="Starting", history=history_table(record))
    if record is None:
        if held:  # the lock comes first, and a damaged file is written anew at the next step
            return JobStatus("running")
        return JobStatus("interrupted", error="The run ended before it began; see log.txt in its folder.")
    state: State = record.state if record.state in ("done", "failed", "cancelled") else "running"  # type: ignore[assignment]
    if state == "running":
        state = ("waiting" if record.state == "waiting" else "running") if held else "interrupted"
    if state == "interrupted" and (run_dir / CANCELLED).exists():
        state = "cancelled"
    return JobStatus(
        state=state,
        stage=record.stage,
        stage_fraction=record.stage_fraction,
        overall_fraction=record.overall_fraction,
        seconds_left=record.seconds_left,
        message=record.message,
        beside=record.beside if state == "running" else (),
        error=record.error,
        history=history_table(record),
    )


def list_runs(root: Path, *owners: str) -> list[RunInfo]:
    """Shared runs of every study in a folder and those of these owners, newest first; broken ones are left out."""
    found = []
    for path in root.glob(f"*/{MANIFEST}"):
        try:
            manifest = read_manifest(path.parent)
        except PhenoPolicyError:
            continue
        if manifest.shared or manifest.owner in ("", *owners):
            found.append(_line(path.parent, manifest))
    return sorted(found, key=lambda run: (run.created, run.path.name), reverse=True)


def seen_by(run_dir: Path, *owners: str) -> bool:
    """True where a run is shared or one of these owners', before its manifest is written too; False for no run."""
    try:
        if not (run_dir / MANIFEST).is_file():
            return read_record(run_dir).owner in ("", *owners)
        manifest = read_manifest(run_dir)
    except PhenoPolicyError:
        return False
    return manifest.shared or manifest.owner in ("", *owners)


def share(run_dir: Path, shared: bool) -> None:
    """Let everybody who opens the app see a run, or its owner alone again; `RunError` while it is at work."""
    with hold(run_dir):
        read_manifest(run_dir).model_copy(update={"shared": shared}).write(run_dir)


def _line(folder: Path, manifest: Manifest[dict[str, Any]]) -> RunInfo:
    return RunInfo(
        path=folder,
        kind=manifest.kind,
        name=manifest.name,
        state=read_job(folder).state,
        created=manifest.created,
        data_hash=manifest.data_hash,
        simulated=manifest.simulated,
        n_patients=manifest.n_patients,
        owner=manifest.owner,
        shared=manifest.shared,
        study=manifest.study,
    )
