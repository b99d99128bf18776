"""Background runs: subprocesses in a session of their own, one slot by default, seen through their run folder.

The child (`python -m core train ...`) waits for a slot, holds the folder's lock while it lives and writes its progress.
So a page needs only the folder: it can be reloaded, and a killed process shows as interrupted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd
from filelock import FileLock, Timeout

from core.base.errors import PhenoPolicyError, RunError
from core.base.files import read_json, write_json
from core.base.types import Progress
from core.runs.manifest import MANIFEST, Manifest, RunRecord, now, read_record
from core.runs.progress import ProgressFile, history_table, hold, is_held, read_progress

ROOT = Path(__file__).resolve().parents[2]
RUNS = Path(os.environ.get("PHENOPOLICY_DATA") or ROOT / "data") / "runs"  # where the app looks too
JOB = "job.json"
CANCELLED = "cancelled.json"
LOG = "log.txt"
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
    name: str
    state: State
    created: str
    data_hash: str
    simulated: bool
    n_patients: int
    owner: str


def start_run(
    cohort_path: Path,
    run_dir: Path,
    preset: str = "quick",
    overrides: Mapping[str, str] | None = None,
    owner: str = "",
    *,
    name: str = "",
    study: Path | None = None,
) -> JobStatus:
    """Start a run in the background; `RunError` where one is already at work in the folder.

    name: what people call the run (default: its folder). study: its TOML file (default: the ICU heparin study).
    """
    words = ["train", str(cohort_path), "--run", str(run_dir), "--preset", preset]
    for key, value in (overrides or {}).items():
        words += ["--set", f"{key}={value}"]
    given = {"--owner": owner, "--name": name, "--study": "" if study is None else str(study.resolve())}
    words += [f"{option}={text}" for option, text in given.items() if text]  # one word: a text may begin with a dash
    return start_command(run_dir, words, owner, name)


def start_command(run_dir: Path, words: Sequence[str], owner: str = "", name: str = "") -> JobStatus:
    """Start `python -m core WORDS --background` for a run folder; `RunError` where a run is at work in it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    if is_held(run_dir):
        raise RunError(f"a run is already at work in {run_dir.name}; wait for it or cancel it.")
    return _launch(run_dir, [sys.executable, "-m", "core", *words], owner, name)


def resume(run_dir: Path) -> JobStatus:
    """Start the same command again; finished stages and epochs are kept."""
    job = read_json(run_dir / JOB)
    if is_held(run_dir):
        raise RunError(f"a run is already at work in {run_dir.name}; wait for it or cancel it.")
    return _launch(run_dir, [str(part) for part in job["command"]], str(job.get("owner", "")), str(job.get("name", "")))


def _launch(run_dir: Path, command: list[str], owner: str, name: str) -> JobStatus:
    with (run_dir / LOG).open("ab") as log:
        process = subprocess.Popen(
            [*command, "--background"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    job = {"command": command, "owner": owner, "name": name, "pid": process.pid, "started": now()}
    write_json(run_dir / JOB, job)
    return JobStatus("waiting", message="Starting", name=name or run_dir.name)


def cancel(run_dir: Path) -> None:
    """End the run's process group; what it has finished is kept and can be resumed."""
    job = read_json(run_dir / JOB)
    if not is_held(run_dir):
        return
    write_json(run_dir / CANCELLED, {"at": now()})
    try:
        os.killpg(int(job["pid"]), signal.SIGTERM)
    except ProcessLookupError:
        return


def read_job(run_dir: Path) -> JobStatus:
    """State of a run from its folder alone: a run that says it is running but holds no lock was interrupted."""
    return replace(_read_state(run_dir), name=_name(run_dir))


def _read_state(run_dir: Path) -> JobStatus:
    record = read_progress(run_dir)
    held = is_held(run_dir)
    if not held and _alive(run_dir) and (record is None or record.state != "done"):
        return JobStatus("waiting", message="Starting", history=history_table(record))
    if record is None:
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
        error=record.error,
        history=history_table(record),
    )


def list_runs(owner: str = "", root: Path = RUNS, kind: type[RunRecord] = Manifest) -> list[RunInfo]:
    """Shared runs of a study and those of this owner, newest first; broken folders are left out."""
    found = []
    for manifest_path in sorted(root.glob(f"*/{MANIFEST}")):
        try:
            manifest = read_record(manifest_path.parent, kind)
        except PhenoPolicyError:
            continue
        if manifest.owner not in ("", owner):
            continue
        folder = manifest_path.parent
        found.append(
            RunInfo(
                path=folder,
                name=manifest.name,
                state=read_job(folder).state,
                created=manifest.created,
                data_hash=manifest.data_hash,
                simulated=manifest.simulated,
                n_patients=manifest.n_patients,
                owner=manifest.owner,
            )
        )
    return sorted(found, key=lambda run: run.created, reverse=True)


@contextmanager
def slot(
    root: Path = RUNS, n_slots: int = 1, poll_seconds: float = 0.5, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Wait for one of the slots in which background runs may work; `on_wait` is called once if none is free."""
    root.mkdir(parents=True, exist_ok=True)
    locks = [FileLock(root / f".slot-{index}.lock") for index in range(n_slots)]
    while True:
        for lock in locks:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield
            finally:
                lock.release()
            return
        if on_wait is not None:
            on_wait()
            on_wait = None
        time.sleep(poll_seconds)


@contextmanager
def background_run(run_dir: Path) -> Iterator[None]:
    """Body of a background process: hold the folder, wait for a slot, and leave the reason behind however it ends."""
    progress = ProgressFile(run_dir, {})
    with hold(run_dir):
        (run_dir / CANCELLED).unlink(missing_ok=True)
        say = "Another run is at work; this one starts when it ends"
        progress.write("waiting", Progress("waiting", 0, 1, "Starting"))
        try:
            with slot(on_wait=lambda: progress.write("waiting", Progress("waiting", 0, 1, say))):
                yield
        except PhenoPolicyError as error:
            progress.write("failed", error=str(error))
            raise
        except Exception:
            traceback.print_exc()
            progress.write("failed", error="The run stopped on a fault of ours; log.txt in its folder says where.")
            raise


def _name(run_dir: Path) -> str:
    """What people call the run, from the record of its start (its manifest comes later)."""
    given = read_json(run_dir / JOB).get("name") if (run_dir / JOB).is_file() else ""
    return str(given or run_dir.name)


def _alive(run_dir: Path) -> bool:
    """True while the started process exists (it may not have taken the lock yet)."""
    if not (run_dir / JOB).exists():
        return False
    pid = int(read_json(run_dir / JOB)["pid"])
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        pass
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return not Path("/proc").is_dir()
