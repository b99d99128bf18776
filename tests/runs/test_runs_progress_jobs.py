"""Progress, locks and the states of a job as they are read from its folder alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.base.errors import RunError
from core.base.types import Progress
from core.cli.main import build_parser
from core.runs import jobs
from core.runs.progress import ProgressFile, hold, is_held, read_progress

ROOT = Path(__file__).resolve().parents[2]
HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from core.runs.progress import hold\n"
    "lock = hold(Path(sys.argv[1]))\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def test_overall_fraction_weighs_stages(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, {"a": 1.0, "b": 3.0})
    progress.update(Progress("b", 1, 2, "half of b"))
    record = read_progress(tmp_path)
    assert record is not None
    assert record.overall_fraction == pytest.approx((1 + 3 * 0.5) / 4)
    assert record.message == "half of b"


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
    status = jobs.read_job(tmp_path)
    assert status.history is not None
    assert status.history["epoch"].tolist() == [1, 2]


def test_a_folder_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        assert is_held(tmp_path)
        with pytest.raises(RunError, match="another process"):
            hold(tmp_path)
    finally:
        process.kill()
        process.wait()
    assert not is_held(tmp_path)


def test_running_without_a_live_process_is_interrupted(tmp_path: Path) -> None:
    ProgressFile(tmp_path, {"encoder": 1.0}).write("running", Progress("encoder", 1, 4, "epoch 1"))
    status = jobs.read_job(tmp_path)
    assert status.state == "interrupted"
    assert status.stage_fraction == 0.25
    with hold(tmp_path):
        assert jobs.read_job(tmp_path).state == "running"


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
    assert jobs.read_job(tmp_path).state == "failed"
    assert jobs.read_job(tmp_path).error == "The cohort has no patients."
    progress.write("done")
    assert jobs.read_job(tmp_path).state == "done"


def test_a_slot_is_given_to_one_at_a_time(tmp_path: Path) -> None:
    waiter = (
        "import sys\nfrom pathlib import Path\nfrom core.runs.jobs import slot\n"
        "with slot(Path(sys.argv[1]), poll_seconds=0.05):\n    print('in', flush=True)\n"
    )
    with jobs.slot(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", waiter, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.5)
        assert process.poll() is None  # still waiting
    assert process.communicate(timeout=30)[0].strip() == "in"


def test_other_owners_and_broken_folders_are_not_listed(tmp_path: Path, tiny_run: Path) -> None:
    manifest = json.loads((tiny_run / "manifest.json").read_text())
    for name, owner in (("mine", "me"), ("shared", ""), ("theirs", "you")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps({**manifest, "name": name, "owner": owner}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    assert {run.name for run in jobs.list_runs("me", tmp_path)} == {"mine", "shared"}
    assert {run.name for run in jobs.list_runs("", tmp_path)} == {"shared"}


def test_a_run_is_started_with_its_name_study_and_owner_and_so_resumed(tmp_path: Path, monkeypatch) -> None:
    started: list[list[str]] = []

    class Process:
        pid = 0

        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

    monkeypatch.setattr(jobs.subprocess, "Popen", Process)
    study = ROOT / "data" / "studies" / "thrombocytopenia.toml"
    folder = tmp_path / "run"
    status = jobs.start_run(tmp_path / "c.parquet", folder, owner="-token", name="--set mine", study=study)
    jobs.resume(folder)
    assert status.name == jobs.read_job(folder).name == "--set mine"
    assert started[0] == started[1]
    options = build_parser().parse_args(started[0][3:])
    assert (options.name, options.owner, options.study) == ("--set mine", "-token", str(study))
    assert options.background


def test_cancel_of_a_finished_run_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"command": [], "owner": "", "pid": os.getpid()}))
    jobs.cancel(tmp_path)  # would end this very process if it took the pid at its word
    assert not (tmp_path / "cancelled.json").exists()
