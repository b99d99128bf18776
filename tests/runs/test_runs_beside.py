"""Stages beside each other: order, what is told, errors, ends, and the same results as one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.base.errors import CohortError, RunError
from core.base.files import read_json
from core.runs.beside import to_come
from core.runs.integrity import verify
from core.runs.manifest import StageRecord, read_manifest
from core.runs.run import run
from core.runs.stages import missing
from core.runs.status import read_job
from core.runs.study import Stage
from tests.runs.chain import SHAPE, Chain

ROOT = Path(__file__).parents[2]
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has children in the background ignore it
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.runs.chain import Chain
from core.runs.run import run
study = Chain()
study.pause = 60.0
for step in run(study, study.simulate(0, 0, {{}}), study.config("", {{"rounds": "2"}}), Path(sys.argv[1])):
    print(step.stage, flush=True)
"""


def worked(folder: Path, cores: int) -> list[str]:
    """Names of the stages that told of themselves, in order."""
    study = Chain()
    steps = run(study, study.simulate(0, 0, {}), study.config("", {"rounds": str(cores)}), folder)
    return [step.stage for step in steps]


def found(folder: Path) -> dict[str, dict]:
    return {name: read_json(folder / f"{name}.json") for name in SHAPE}


def test_stages_that_do_not_need_each_other_are_worked_at_once_and_none_before_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "together").touch()
    told = worked(tmp_path / "run", 2)
    stages = found(tmp_path / "run")
    assert stages["left"]["began"] < stages["right"]["ended"]
    assert stages["right"]["began"] < stages["left"]["ended"]
    for name, needs in SHAPE.items():
        assert stages[name]["known"] == list(needs)
        assert all(stages[name]["began"] >= stages[need]["ended"] for need in needs)
    assert os.getpid() not in {one["pid"] for one in stages.values()}
    assert (told[0], told[-1]) == ("cohort", "both")
    assert [told.count(name) for name in SHAPE] == [3, 3, 3, 4], "that it begins, each step, and the run's end"
    assert told[-4:] == ["both"] * 4, "a stage says nothing once those that wait for it have begun"
    manifest = verify(tmp_path / "run")
    assert list(manifest.stages) == ["cohort", *SHAPE], "in flow order, whichever ended first"
    assert all(list(manifest.stages[name].files or {}) == [f"{name}.json"] for name in SHAPE)
    job = read_job(tmp_path / "run")
    assert (job.overall_fraction, job.beside) == (1.0, ())


def test_one_core_works_them_here_in_flow_order_with_the_same_results(tmp_path: Path) -> None:
    worked(tmp_path / "one", 1)
    worked(tmp_path / "two", 2)
    one, two = found(tmp_path / "one"), found(tmp_path / "two")
    assert {one[name]["pid"] for name in SHAPE} == {os.getpid()}
    assert [one[name]["drawn"] for name in SHAPE] == [two[name]["drawn"] for name in SHAPE]
    began = [one[name]["began"] for name in SHAPE]
    assert began == sorted(began)


def test_the_error_of_a_stage_is_raised_with_its_kind_and_resuming_does_the_rest_alone(tmp_path: Path) -> None:
    trap = tmp_path / "break-middle"
    trap.touch()
    with pytest.raises(CohortError, match="middle cannot be done"):
        worked(tmp_path / "run", 2)
    done = set(read_manifest(tmp_path / "run").stages)
    assert "left" in done
    assert not done & {"middle", "both"}
    before = (tmp_path / "run" / "left.json").stat().st_mtime_ns
    trap.unlink()
    assert "left" not in worked(tmp_path / "run", 2)
    assert (tmp_path / "run" / "left.json").stat().st_mtime_ns == before
    assert set(read_manifest(tmp_path / "run").stages) == {"cohort", *SHAPE}


def test_a_process_that_is_ended_from_outside_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "die-left").touch()
    with pytest.raises(RunError, match=r"'left'.*ended from outside.*OMP_NUM_THREADS=1"):
        worked(tmp_path / "run", 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    script = SCRIPT.format(root=str(ROOT))
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert child.stdout is not None
    while child.stdout.readline().strip() != "left":
        assert child.poll() is None
    workers = psutil.Process(child.pid).children(recursive=True)
    assert workers
    child.send_signal(number)
    _, alive = psutil.wait_procs(workers, timeout=20)  # before anybody reaps the one that started them
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    child.wait(20)
    assert not (tmp_path / "run" / "left.json").exists()


def test_a_consumer_that_leaves_ends_the_work(tmp_path: Path) -> None:
    study, before = Chain(), set(psutil.Process().children(recursive=True))
    study.pause = 60.0
    steps = run(study, study.simulate(0, 0, {}), study.config("", {"rounds": "2"}), tmp_path / "run")
    while next(steps).stage not in ("left", "right"):
        pass
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 30
    left = [
        one for one in set(psutil.Process().children(recursive=True)) - before if "popen_loky" in str(one.cmdline())
    ]
    assert not left


def test_what_an_older_run_did_within_another_stage_is_not_done_again() -> None:
    stages = {
        "a": Stage[Path](lambda _: iter(()), 1),
        "b": Stage[Path](lambda _: iter(()), 1, ("a",), within="c"),
        "c": Stage[Path](lambda _: iter(()), 1, ("b",)),
        "d": Stage[Path](lambda _: iter(()), 1, ("b", "c")),
    }
    one = StageRecord(seconds=1.0, finished="")
    assert list(missing(stages, {"a": one, "c": one})) == ["d"]
    assert missing(stages, {"a": one, "c": one})["d"].needs == ()
    assert list(missing(stages, {"a": one})) == ["b", "c", "d"]
    assert missing(stages, {"a": one})["b"].needs == ()
    assert list(missing(stages, {"a": one, "c": one.model_copy(update={"apart": ("b",)})})) == ["b", "d"]


def test_a_stage_that_was_split_off_is_worked_where_only_the_rest_of_it_was_done(tmp_path: Path) -> None:
    trap = tmp_path / "break-middle"
    trap.touch()
    with pytest.raises(CohortError):
        worked(tmp_path / "run", 1)
    assert list(read_manifest(tmp_path / "run").stages) == ["cohort", "left", "right"]
    trap.unlink()
    worked(tmp_path / "run", 1)
    assert list(found(tmp_path / "run")) == list(SHAPE)
    assert read_manifest(tmp_path / "run").stages["right"].apart == ("middle",)


def test_a_stage_that_is_left_alone_has_as_many_threads_as_beside_others(tmp_path: Path) -> None:
    trap = tmp_path / "break-both"
    trap.touch()
    with pytest.raises(CohortError):
        worked(tmp_path / "run", 6)
    trap.unlink()
    worked(tmp_path / "run", 6)
    assert {one["threads"] for one in found(tmp_path / "run").values()} == {2}


def test_the_stage_with_most_to_come_is_ranked_first() -> None:
    stages = {
        "short": Stage[Path](lambda _: iter(()), 1),
        "long": Stage[Path](lambda _: iter(()), 2),
        "after": Stage[Path](lambda _: iter(()), 5, ("short",)),
    }
    assert to_come(stages) == {"short": 6.0, "long": 2.0, "after": 5.0}
