"""Background runs: subprocesses in a session of their own, one slot by default, seen through their run folder.

The child (`python -m core work DIR`) reads what it was asked to do from the folder, waits for a slot, holds the
folder's lock while it lives and writes its progress. So a page needs only the folder: it can be reloaded, and a killed
process shows as interrupted. No argument of the child tells anything but the folder.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from core.base.errors import PhenoPolicyError, RunError, refused
from core.base.files import write_json
from core.base.priority import give_way
from core.base.shipped import ENGINE, NAME
from core.base.types import Progress
from core.runs.folders import private_files
from core.runs.job import CANCELLED, LOG, JobRecord, read_record
from core.runs.lock import hold, is_held
from core.runs.manifest import now
from core.runs.process import ProcessId
from core.runs.progress import ProgressFile
from core.runs.queue import slot
from core.runs.run import run
from core.runs.status import JobStatus
from core.runs.study import AnyStudy, study_of

WORK = "work"  # the verb of the child
START = ".start.lock"  # in the run folder, while its child is started


def start_run(
    study: AnyStudy,
    file: Path,
    run_dir: Path,
    preset: str = "",
    overrides: Mapping[str, str] | None = None,
    owner: str = "",
    *,
    name: str = "",
    definition: Path | None = None,
    mapping: str = "",
) -> JobStatus:
    """Start a run of a study in the background; `RunError` where one is already at work in the folder.

    preset: "" for the study's usual one. owner: see `owner_of`. name: what people call the run (default: its folder).
    definition: the TOML file of the data's study (default: the study's own). mapping: the TOML text that brings the
    file into the study's form. `ConfigError` for unusable settings.
    """
    asked = {
        "kind": study.kind,
        "file": str(file.resolve()),
        "definition": "" if definition is None else str(definition.resolve()),
        "mapping": mapping,
        "preset": preset or study.preset,
        "overrides": dict(overrides or {}),
        "name": name,
        "owner": owner,
    }
    return _launch(run_dir, JobRecord.build(asked, where="background run"))


def resume(run_dir: Path) -> JobStatus:
    """Start a run again as it was asked for; finished stages and epochs are kept."""
    return _launch(run_dir, read_record(run_dir))


@private_files()
def _launch(run_dir: Path, asked: JobRecord) -> JobStatus:
    """Start the child that works on a folder; it inherits that its files are for this user alone."""
    study_of(asked.kind).config(asked.preset, asked.overrides)  # refuse here what the child could only fail on
    run_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(run_dir / START):  # two servers, or two tabs, may ask for the same at once
        if is_held(run_dir) or _is_starting(run_dir):
            raise RunError(f"a run is already at work in {run_dir.name}; wait for it or cancel it.")
        _start_child(run_dir, asked)
    return JobStatus("waiting", message="Starting", name=asked.name or run_dir.name)


def _is_starting(run_dir: Path) -> bool:
    """True where a child was started that may not hold the folder yet."""
    try:
        return read_record(run_dir).process.alive
    except PhenoPolicyError:
        return False


def _start_child(run_dir: Path, asked: JobRecord) -> None:
    asked = asked.model_copy(update={"process": ProcessId(), "started": now()})
    asked.write(run_dir)  # the child reads it
    with (run_dir / LOG).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", NAME, WORK, str(run_dir.resolve())],
            cwd=ENGINE.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    give_way(child.pid)
    asked.model_copy(update={"process": ProcessId.of(child.pid)}).write(run_dir)


def work(run_dir: Path) -> None:
    """The child: make the run that its folder asks for."""
    with _at_work(run_dir) as asked:
        study = study_of(asked.kind)
        config = study.config(asked.preset, asked.overrides)
        data = study.read(Path(asked.file), asked.definition or None, config, asked.mapping)
        for _ in run(study, data, config, run_dir, asked.name, asked.owner):
            pass


def cancel(run_dir: Path) -> None:
    """End the run's process and those it started; what it has finished is kept and can be resumed.

    Raises `RunError` where the folder is held by a process that was not started in the background.
    """
    if not is_held(run_dir):
        return
    try:
        process = read_record(run_dir).process
    except PhenoPolicyError:  # the command line started it, or the record is damaged
        process = ProcessId()
    write_json(run_dir / CANCELLED, {"at": now()})
    if not process.end_group() and is_held(run_dir):
        (run_dir / CANCELLED).unlink(missing_ok=True)
        raise RunError(f"{run_dir.name} is at work in a process that was not started from here; end it where it was.")


@contextmanager
def _at_work(run_dir: Path) -> Iterator[JobRecord]:
    """Hold the folder, wait for a slot, give what was asked for, and leave the reason behind however it ends."""
    progress = ProgressFile(run_dir, {})
    with hold(run_dir):
        (run_dir / CANCELLED).unlink(missing_ok=True)
        say = "Another run is at work; this one starts when it ends"
        progress.write("waiting", Progress("waiting", 0, 1, "Starting"))
        try:
            asked = read_record(run_dir)
            with slot(on_wait=lambda: progress.write("waiting", Progress("waiting", 0, 1, say)), owner=asked.owner):
                yield asked
        except PhenoPolicyError as error:
            progress.write("failed", error=str(error))
            raise
        except OSError as error:
            with contextlib.suppress(OSError):  # a full disk may not hold the reason either
                progress.write("failed", error=refused(error))
            raise
        except Exception:
            traceback.print_exc()
            progress.write("failed", error="The run stopped on a fault of ours; log.txt in its folder says where.")
            raise
