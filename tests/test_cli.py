"""The command line as a user runs it: files in, files out, exit status, and reasons on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.base.types import Progress
from core.cli.main import main
from core.cli.shared import print_progress
from core.cohort import ground_truth, load_cohort
from core.cohort.simulate import World
from core.icu.study import ICU
from core.icu.view import RunView
from tests.icu.test_icu_pipeline import SMALLEST, digest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = [part for key, value in SMALLEST.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def cohort_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "c.parquet"
    assert main(["simulate", "--like", "mimic-iv", "--patients", "60", "--seed", "5", "--out", str(path)]) == 0
    return path


def test_simulate_writes_a_cohort_that_checks_clean(cohort_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = load_cohort(cohort_file)
    assert cohort.n_patients == 60
    assert cohort.origin.simulated
    assert main(["check", str(cohort_file)]) == 0
    assert "60" in capsys.readouterr().out


def test_simulated_worlds_know_their_truth_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.parquet"
    world = ["--effect", "no-benefit", "--confounding", "-0.5", "--irregular", "--late-starts", "0.5", "--memory"]
    assert main(["simulate", "--patients", "20", "--seed", "5", *world, "--out", str(path)]) == 0
    assert "effect=no-benefit confounding=-0.5 irregular late_starts=0.5 memory" in capsys.readouterr().out
    truth = ground_truth(load_cohort(path))
    assert truth is not None
    assert truth.world == World("no-benefit", -0.5, irregular=True, late_starts=0.5, memory=True)


def test_memory_is_what_everyone_meets_who_asks_for_nothing_else(cohort_file: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.parquet"
    assert main(["simulate", "--no-memory", "--patients", "5", "--out", str(first)]) == 0
    worlds = [load_cohort(file).origin.world for file in (cohort_file, first)]
    assert [*worlds, ICU.simulate(5, 0, {}).origin.world] == ["memory", "", "memory"]


def test_train_survives_kills_and_evaluate_writes_the_document(
    cohort_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process killed outright at several moments, and started again, ends as an undisturbed one does."""
    assert main(["train", str(cohort_file), "--run", str(tmp_path / "whole"), "--preset", "quick", *SETTINGS]) == 0
    assert "The app does not list this run: it shows those in " in capsys.readouterr().out
    run = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "core",
        "train",
        str(cohort_file),
        "--run",
        str(run),
        "--preset",
        "quick",
        *SETTINGS,
    ]
    for stage in ("encoder", "phenotypes", "values"):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        deadline = time.time() + 120
        while time.time() < deadline and process.poll() is None and not reached(run, stage):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert RunView(run).complete
    assert digest(run) == digest(tmp_path / "whole")

    out = tmp_path / "m.json"
    assert main(["evaluate", str(run), "--cohort", str(cohort_file), "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    assert document["cohort"]["simulated"]
    assert document["policies"]["clinician"]["phwis"]["ess"] == pytest.approx(document["cohort"]["evaluated_patients"])
    assert np.isclose(sum(document["policies"]["fused"]["action_shares"]), 1, atol=1e-4)


def reached(run: Path, stage: str) -> bool:
    """True once the run's progress names the stage."""
    try:
        return json.loads((run / "progress.json").read_text())["stage"] == stage
    except (OSError, ValueError, KeyError):
        return False


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["check", "nowhere.csv"], "nowhere.csv"),
        (["train", "nowhere.csv", "--run", "r"], "nowhere.csv"),
        (["evaluate", "nowhere", "--cohort", "nowhere.csv", "--out", "m.json"], "manifest.json is missing"),
        (["extract", "mimic-iv", "nowhere", "--out", "x.parquet"], "nowhere"),
        (["simulate", "--patients", "5", "--out", "x.xlsx"], ".parquet, .csv or .csv.gz"),
        (["simulate", "--patients", "5", "--confounding", "9", "--out", "x.csv"], "give a number between -3 and 3"),
    ],
)
def test_bad_input_ends_with_status_2_and_a_reason(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("encoder.epochs", "write it as GROUP.KEY=VALUE"),
        ("encoder.epoch=5", "unknown key 'encoder.epoch'"),
        ("encoder.epoch=5", "Did you mean 'epochs'?"),
        ("decoder.epochs=5", "groups are"),
        ("encodr.epochs=5", "Did you mean 'encoder'?"),
        ("encoder.epochs=none", "'encoder.epochs' = none is not usable"),
        ("encoder.lr=-1", "'encoder.lr' = -1 is not usable"),
        ("phenotypes.n_clusters=40", "n_clusters must lie in k_min..k_max"),
    ],
)
def test_a_wrong_setting_is_named(
    setting: str, reason: str, cohort_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(cohort_file), "--run", str(tmp_path / "r"), "--set", setting]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "r").exists() or not os.listdir(tmp_path / "r")


def test_import_of_the_engine_is_light() -> None:
    """torch, umap and scikit-learn are loaded when something needs them, not before."""
    heavy = "('torch', 'umap', 'sklearn', 'numba', 'duckdb')"
    code = f"import sys, core.icu.pipeline, core.cohort; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("page", ["overview", "learn", "registry", "policies", "phenotypes"])
def test_a_page_is_there_before_heavy_libraries_are(page: str) -> None:
    """A first visit waits for what its page imports; networks are read by what asks one."""
    code = "import sys; from pathlib import Path; from pages.components.shell.first import import_alone; "
    code += f"import_alone(Path('pages/{page}.py')); print([m for m in ('torch', 'numba') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "setting", "group"), [(["train"], "encoder.epochs=", 60), (["registry", "train"], "dqn.updates=", 20)]
)
def test_help_lists_every_setting_with_its_value_and_meaning(
    words: list[str], setting: str, group: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    told = capsys.readouterr().out
    assert left.value.code == 0
    listed = told.partition("settings for --set")[2].splitlines()[1:]
    assert any(line.strip().startswith(setting) for line in listed)
    assert len(listed) > group
    assert all(meaning.strip() for meaning in listed[1::2]), "each has its meaning"


def test_stages_that_take_turns_leave_one_line_each_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    told = [("encoder", 1), ("baselines", 1), ("encoder", 2), ("baselines", 2), ("baselines", 4), ("encoder", 4)]
    print_progress(Progress(stage, done, 4) for stage, done in told)
    seen = [line.rsplit("\r", 1)[-1].split() for line in capsys.readouterr().out.split("\n")]
    assert [line[:2] for line in seen if line] == [["baselines", "100.0%"], ["encoder", "100.0%"]]
