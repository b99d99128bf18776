"""Progress, locks, processes and the states of a job as they are read from its folder alone."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.base.errors import ArtifactError, ConfigError, RunError
from core.base.files import read_json, write_json
from core.base.types import Progress
from core.icu.study import ICU
from core.runs import jobs, queue
from core.runs.folders import owner_of
from core.runs.job import JobRecord, read_record
from core.runs.lock import hold, is_held
from core.runs.manifest import read_manifest, sealed
from core.runs.process import ProcessId
from core.runs.progress import ProgressFile, read_progress
from core.runs.status import list_runs, read_job, seen_by
from tests.manifests import without_checksums

ROOT = Path(__file__).resolve().parents[2]
HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from core.runs.lock import hold\n"
    "with hold(Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)
DEEP = "[" * 100_000


def test_overall_fraction_weighs_stages(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, {"a": 1.0, "b": 3.0}, done=["a"])
    progress.update(Progress("b", 1, 2, "half of b"))
    record = read_progress(tmp_path)
    assert record is not None
    assert record.overall_fraction == pytest.approx((1 + 3 * 0.5) / 4)
    assert record.message == "half of b"


def test_of_stages_at_work_one_tells_until_it_ends_and_the_others_are_named(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, {"a": 1.0, "b": 3.0, "c": 4.0})

    def told(step: Progress) -> tuple[str, str, tuple[str, ...], float]:
        progress.update(step)
        record = read_progress(tmp_path)
        assert record is not None
        return record.stage, record.message, record.beside, record.overall_fraction * 8

    assert told(Progress("b", 1, 3, "a third of b")) == ("b", "a third of b", (), 1)
    assert told(Progress("c", 1, 4)) == ("b", "a third of b", ("c",), 2)
    assert told(Progress("a", 0, 1)) == ("b", "a third of b", ("a", "c"), 2), "in flow order, and b still tells"
    progress.done("b")
    assert told(Progress("c", 4, 4, "all of c")) == ("a", "", ("c",), 7), "then the first in flow order"
    progress.done("a")
    assert told(Progress("c", 4, 4, "all of c")) == ("c", "all of c", (), 8)


def test_every_epoch_is_kept_even_when_writes_are_thinned(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, {"encoder": 1.0})
    for epoch in range(1, 31):
        progress.update(Progress("encoder", epoch, 30, metrics={"train_loss": 1 / epoch, "valid_loss": float("nan")}))
    record = read_progress(tmp_path)
    assert record is not None
    assert [row["epoch"] for row in record.history] == list(range(1, 31))
    assert "valid_loss" not in record.history[0]  # a loss that is no number is left out, not written as one


def test_history_survives_an_interruption(tmp_path: Path) -> None:
    first = ProgressFile(tmp_path, {"encoder": 1.0})
    first.update(Progress("encoder", 1, 2, metrics={"train_loss": 1.0, "valid_loss": 1.0}))
    second = ProgressFile(tmp_path, {"encoder": 1.0})
    second.update(Progress("encoder", 2, 2, metrics={"train_loss": 0.5, "valid_loss": 0.6}))
    status = read_job(tmp_path)
    assert status.history is not None
    assert status.history["epoch"].tolist() == [1, 2]


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a folder, a group leader of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_a_folder_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    process = holder(tmp_path)
    try:
        assert is_held(tmp_path)
        with pytest.raises(RunError, match="another process"), hold(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()
    assert not is_held(tmp_path)


def test_a_folder_is_let_go_at_the_end_of_the_block_and_not_before(tmp_path: Path) -> None:
    kept = hold(tmp_path)  # referred to throughout, so that nothing is left to the garbage collector
    with kept:
        with hold(tmp_path):  # the same process, as a background run does it
            assert is_held(tmp_path)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert not is_held(tmp_path)


def test_progress_is_told_after_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = ProgressFile(tmp_path, {"encoder": 1.0})
    progress.update(Progress("encoder", 1, 9))
    now, ticks = time.time(), time.monotonic()
    monkeypatch.setattr("core.runs.progress.time.time", lambda: now - 3600)
    monkeypatch.setattr("core.runs.progress.time.monotonic", lambda: ticks + 1)
    progress.update(Progress("encoder", 2, 9))
    record = read_progress(tmp_path)
    assert record is not None
    assert record.stage_fraction == pytest.approx(2 / 9)
    assert record.updated == now - 3600


def test_asking_who_holds_a_folder_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a folder that may only be read; and two who ask at once do not take each other for a holder."""
    with hold(tmp_path):
        pass
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.iterdir())}
    opened = os.open

    def only_read(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", only_read)
    with (tmp_path / ".lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_held(tmp_path)
    assert not is_held(tmp_path / "none")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.iterdir())}


def test_running_without_a_live_process_is_interrupted(tmp_path: Path) -> None:
    ProgressFile(tmp_path, {"encoder": 1.0}).write("running", Progress("encoder", 1, 4, "epoch 1"))
    status = read_job(tmp_path)
    assert status.state == "interrupted"
    assert status.stage_fraction == 0.25
    with hold(tmp_path):
        assert read_job(tmp_path).state == "running"


def test_epochs_told_again_fill_gaps_and_are_kept_once(tmp_path: Path) -> None:
    def told(*epochs: int) -> list[float]:
        file = ProgressFile(tmp_path, {"encoder": 1.0})
        for epoch in epochs:
            file.update(Progress("encoder", epoch, 9, metrics={"train_loss": float(epoch), "valid_loss": 1.0}))
        file.write("cancelled")
        return [row["epoch"] for row in file.history]

    assert told(1, 2) == [1, 2]
    assert told(1, 2, 3, 4) == [1, 2, 3, 4]


def test_states_that_a_process_left_behind(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, {"encoder": 1.0})
    progress.write("failed", error="The cohort has no patients.")
    assert read_job(tmp_path).state == "failed"
    assert read_job(tmp_path).error == "The cohort has no patients."
    progress.write("done")
    assert read_job(tmp_path).state == "done"


def test_a_slot_is_given_to_one_at_a_time(tmp_path: Path) -> None:
    waiter = (
        "import sys\nfrom pathlib import Path\nfrom core.runs.queue import slot\n"
        "with slot(Path(sys.argv[1]), poll_seconds=0.05):\n    print('in', flush=True)\n"
    )
    with queue.slot(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", waiter, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.5)
        assert process.poll() is None  # still waiting
    assert process.communicate(timeout=30)[0].strip() == "in"


def copies(root: Path, run: Path, **owners: str) -> None:
    """Folders that hold the manifest of a finished run under other names and owners."""
    manifest = read_json(run / "manifest.json")
    for name, owner in owners.items():
        (root / name).mkdir()
        write_json(root / name / "manifest.json", sealed({**manifest, "name": name, "owner": owner}))


def test_other_owners_and_broken_folders_are_not_listed(tmp_path: Path, tiny_run: Path) -> None:
    me, you = owner_of("me"), owner_of("you")
    copies(tmp_path, tiny_run, mine=me, shared="", theirs=you)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "odd" / "manifest.json").mkdir(parents=True)
    assert {run.name for run in list_runs(tmp_path, me)} == {"mine", "shared"}
    assert {run.name for run in list_runs(tmp_path)} == {"shared"}
    seen = {name: seen_by(tmp_path / name, me) for name in ("mine", "shared", "theirs", "broken", "odd", "none")}
    assert seen == {"mine": True, "shared": True} | dict.fromkeys(("theirs", "broken", "odd", "none"), False)


@pytest.mark.parametrize("file", ["progress.json", "job.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"state": 1}', '{"history": [{"loss": 1}], "state": "done"}', DEEP, "\xff"]
)
def test_one_damaged_file_leaves_the_list_of_runs_whole(tmp_path: Path, tiny_run: Path, file: str, text: str) -> None:
    copies(tmp_path, tiny_run, whole="", torn="")
    for name in ("whole", "torn"):
        ProgressFile(tmp_path / name, {}).write("done")
    (tmp_path / "torn" / file).write_bytes(text.encode("latin-1"))
    found = {run.name: run.state for run in list_runs(tmp_path)}
    assert found == {"whole": "done", "torn": "interrupted" if file == "progress.json" else "done"}


def test_a_manifest_of_version_1_is_read_as_one_of_today(tmp_path: Path, tiny_run: Path, tiny_registry: Path) -> None:
    for kind, run, spec in (("icu", tiny_run, "study"), ("registry", tiny_registry, "spec")):
        today = without_checksums(read_json(run / "manifest.json"))
        old = {name: value for name, value in today.items() if name not in ("kind", "study")}
        old |= {"schema_version": 1, "owner": "the-key-itself-as-it-was", spec: today["study"]}
        old |= {"kind": "registry"} if kind == "registry" else {}
        write_json(tmp_path / "manifest.json", old)
        read = read_manifest(tmp_path)
        told = without_checksums(read.model_dump(mode="json"))
        assert told == today | {"owner": owner_of("the-key-itself-as-it-was")}
        assert not read.has_checksums
        assert read.kind == kind
    write_json(tmp_path / "manifest.json", old | {"schema_version": 4})
    with pytest.raises(ArtifactError, match="schema version 4, this program reads 1 to 3"):
        read_manifest(tmp_path)


class Child:
    """A process that was not started."""

    pid = 0

    def __init__(self, command: list[str], **given: object) -> None:
        self.started.append(command)

    started: list[list[str]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been started."""
    commands: list[list[str]] = []
    monkeypatch.setattr(Child, "started", commands, raising=False)
    monkeypatch.setattr(jobs.subprocess, "Popen", Child)
    return commands


def test_a_run_is_started_with_its_name_study_and_owner_and_so_resumed(tmp_path: Path, started: list) -> None:
    study = ROOT / "data" / "studies" / "thrombocytopenia.toml"
    folder = tmp_path / "run"
    status = jobs.start_run(
        ICU, tmp_path / "c.parquet", folder, "quick", {"encoder.epochs": "3"}, owner_of("k"), name="--set mine",
        definition=study,
    )  # fmt: skip
    asked = read_record(folder)
    jobs.resume(folder)
    assert status.name == read_job(folder).name == "--set mine"
    assert started == [[sys.executable, "-m", "core", "work", str(folder)]] * 2
    assert (asked.kind, asked.preset, asked.overrides) == ("icu", "quick", {"encoder.epochs": "3"})
    assert (asked.file, asked.definition) == (str(tmp_path / "c.parquet"), str(study))
    again = read_record(folder)
    assert again.model_copy(update={"started": asked.started}) == asked


def test_resume_runs_no_command_that_a_folder_holds(tmp_path: Path, started: list) -> None:
    jobs.start_run(ICU, tmp_path / "c.parquet", tmp_path / "run")
    started.clear()
    asked, path = read_json(tmp_path / "run" / "job.json"), tmp_path / "run" / "job.json"
    planted = (
        asked | {"command": ["/bin/sh", "-c", "true"]},
        {"command": ["/bin/sh", "-c", "true"], "owner": "", "name": "", "pid": 1},
        asked | {"executable": "/bin/sh"},
        asked | {"kind": "../evil"},
        asked | {"kind": "heart"},
        asked | {"overrides": {"encoder.epochs": ["3"]}},
        asked | {"overrides": {"no.such": "3"}},
        asked | {"preset": "evil"},
    )
    for values in planted:
        path.write_text(json.dumps(values))
        with pytest.raises((ArtifactError, ConfigError, RunError)):
            jobs.resume(tmp_path / "run")
    assert not started


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        known = ProcessId.of(process.pid)
        assert known.alive
        start, ticks = known.mark.split()
        earlier = {"began": known.began - 60, "mark": f"{start} {int(ticks) - 6000}"}  # ended a minute ago
        for strange in (earlier, {"mark": f"another-start {ticks}"}, {"began": known.began - 60, "mark": ""}):
            other = known.model_copy(update=strange)
            assert not other.alive
            assert not other.end_group()
        assert process.poll() is None
        assert known.model_copy(update={"mark": ""}).alive, "as earlier versions wrote it"
        for hours in (-1, 24):  # the clock was set: all start times moved with it
            assert known.model_copy(update={"began": known.began + hours * 3600}).alive
        assert known.end_group()
        process.wait(timeout=30)
        assert not known.alive
    finally:
        process.kill()
    assert not ProcessId.of(0).alive
    assert not ProcessId.of(2**22 + 1).alive


def test_a_process_that_leads_no_group_is_not_signalled() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # in the group of the tests
    try:
        known = ProcessId.of(process.pid)
        assert known.alive
        assert not known.end_group()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def record(folder: Path, process: ProcessId) -> None:
    JobRecord(kind="icu", file="c.parquet", process=process).write(folder)


def test_cancel_of_a_finished_run_does_nothing(tmp_path: Path) -> None:
    record(tmp_path, ProcessId.of(os.getpid()))
    jobs.cancel(tmp_path)  # would end this very process if it took the number at its word
    assert not (tmp_path / "cancelled.json").exists()


def test_cancel_never_ends_a_stranger_whose_number_is_stored(tmp_path: Path) -> None:
    """The run is at work in a process that its record does not name; the one that it names is somebody else's now."""
    process = holder(tmp_path)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        record(tmp_path, ProcessId(pid=stranger.pid, began=psutil.Process(stranger.pid).create_time() - 3600))
        with pytest.raises(RunError, match="was not started from here"):
            jobs.cancel(tmp_path)
        assert stranger.poll() is None
        assert process.poll() is None
        assert not (tmp_path / "cancelled.json").exists()
        record(tmp_path, ProcessId.of(process.pid))
        jobs.cancel(tmp_path)
        process.wait(timeout=30)
        assert (tmp_path / "cancelled.json").exists()
    finally:
        for each in (process, stranger):
            each.kill()
            each.wait()
