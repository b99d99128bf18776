"""What holds for every study on the kit; a made-up third one goes the whole way without a line of core for it."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.base.errors import ArtifactError, ConfigError, RunError
from core.base.files import read_json
from core.base.judging import JUDGING
from core.cli.app import default_runs
from core.cli.main import build_parser, main
from core.cli.studies import load_studies
from core.runs.folders import owner_of
from core.runs.job import read_record
from core.runs.jobs import cancel, resume, start_run
from core.runs.lock import is_held
from core.runs.manifest import read_manifest
from core.runs.run import run
from core.runs.status import list_runs, read_job
from core.runs.study import register, studies, study_of
from tests.manifests import edit_manifest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.contract.bandit"
LONGEST_WAIT = 60  # seconds, on a busy machine
SECRET = "the-key-of-a-visitor"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, in which the third study has joined."""
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    monkeypatch.setenv("PHENOPOLICY_STUDIES", MODULE)
    load_studies()
    return tmp_path


@pytest.fixture
def plays(data: Path) -> Path:
    file = data / "plays.csv"
    assert main(["bandit", "simulate", "--patients", "40", "--seed", "1", "--out", str(file)]) == 0
    return file


def test_the_kit_knows_no_study() -> None:
    """Nothing in core/runs imports a study, a cohort, or anything above the base; type-checking imports count."""
    for path in (ROOT / "core" / "runs").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            own = {name.split(".")[1] for name in names if name.startswith("core.")}
            assert own <= {"base", "runs"}, f"{path.name} imports {sorted(own)}"


def wait_until(true: object, run_dir: Path) -> None:
    """Until a question about a run is answered with yes."""
    end = time.monotonic() + LONGEST_WAIT
    while not true(run_dir):  # type: ignore[operator]
        assert time.monotonic() < end, read_job(run_dir)
        time.sleep(0.1)


def test_studies_differ_in_kind_verb_and_folder(data: Path) -> None:
    assert {"icu", "registry", "bandit"} <= {study.kind for study in studies()}
    for name in ("kind", "verb", "home", "title", "demo_name"):
        told = [getattr(study, name) for study in studies()]
        assert len(set(told)) == len(told), name

    class Twin(type(study_of("icu"))):  # type: ignore[misc]
        kind = "twin"

    with pytest.raises(ConfigError, match="'twin' has the verb of study 'icu'"):
        register(Twin())
    with pytest.raises(RunError, match="there is no study 'heart'"):
        study_of("heart")


def test_every_study_has_the_four_verbs(data: Path) -> None:
    for study in studies():
        words = [study.verb] if study.verb else []
        parser = build_parser()
        for rest in (
            ["simulate", "--out", "x"], ["train", "f", "--run", "r"], ["evaluate", "r", "--cohort", "f", "--out", "o"],
            ["demo"],
        ):  # fmt: skip
            assert callable(parser.parse_args([*words, *rest]).function)


def test_the_third_study_trains_evaluates_and_is_listed(plays: Path, data: Path, capsys) -> None:
    folder = data / "bandits" / "mine"
    assert main(["bandit", "train", str(plays), "--run", str(folder), "--name", "Mine", "--set", "rounds=2"]) == 0
    assert read_json(folder / "choice.json") == {"arm": "middle"}
    out = data / "o.json"
    assert main(["bandit", "evaluate", str(folder), "--cohort", str(plays), "--out", str(out), "--arm", "1"]) == 0
    assert json.loads(out.read_text()) == {"arms": {"1": 1.0}}
    assert "1 1.00" in capsys.readouterr().out
    (line,) = list_runs(data / "bandits")
    assert (line.kind, line.name, line.state, line.n_patients) == ("bandit", "Mine", "done", 40)
    assert line.study == {"name": "casino", "arms": ["left", "middle", "right"]}


def test_a_folder_of_one_study_is_none_of_another(plays: Path, data: Path) -> None:
    folder = data / "bandits" / "mine"
    assert main(["bandit", "train", str(plays), "--run", str(folder)]) == 0
    for study in studies():
        if study.kind != "bandit":
            with pytest.raises(ArtifactError, match=f"another study \\('bandit'\\), not of {study.title}"):
                study.manifest(folder)


def test_other_settings_data_and_definitions_are_refused(plays: Path, data: Path) -> None:
    bandit, folder = study_of("bandit"), data / "bandits" / "mine"
    config, known = bandit.config("", {}), bandit.load(plays, None, bandit.config("", {}))
    for _ in run(bandit, known, config, folder):
        pass
    with pytest.raises(RunError, match=r"other settings \(rounds\)"):
        next(run(bandit, known, bandit.config("", {"rounds": "9"}), folder))
    with pytest.raises(RunError, match="on other data"):
        next(run(bandit, bandit.simulate(9, 9, {}), config, folder))
    edit_manifest(folder, study={"name": "casino", "arms": ["a", "b", "c"]})
    with pytest.raises(RunError, match=r"another definition of study 'casino' \(arms\)"):
        next(run(bandit, known, config, folder))
    assert not is_held(folder)  # refused, it lets the folder go


def test_default_runs_are_built_beside_the_server_and_left_alone_once_they_are_there(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bandit = study_of("bandit")
    monkeypatch.setattr("core.cli.app.studies", lambda: (bandit,))
    with default_runs() as missing:
        assert missing == [bandit]
        wait_until(lambda folder: read_job(folder).state == "done", bandit.demo_folder)
    with default_runs() as missing:
        assert missing == []


def test_a_default_run_ends_with_the_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bandit = study_of("bandit")
    monkeypatch.setattr("core.cli.app.studies", lambda: (bandit,))
    before = {child.pid for child in psutil.Process().children()}
    with default_runs():
        (child,) = (child for child in psutil.Process().children() if child.pid not in before)
        assert child.nice() > psutil.Process().nice() or child.nice() == 19
    assert not child.is_running()


def test_the_demo_is_built_once_and_anew_where_it_is_another(data: Path) -> None:
    folder = study_of("bandit").demo_folder
    made = []
    for patients in ("30", "30", "31"):
        assert main(["bandit", "demo", "--patients", patients]) == 0
        made.append(((folder / "choice.json").stat().st_mtime_ns, read_manifest(folder).n_patients))
    assert made[0] == made[1]
    assert made[2][1] == 31
    edit_manifest(folder, config={"rounds": 3, "retired": 1})
    assert main(["bandit", "demo", "--patients", "31"]) == 0
    assert read_manifest(folder).config == {"rounds": 3, "pause": 0.0}


def test_a_background_run_is_started_cancelled_and_resumed(plays: Path, data: Path) -> None:
    bandit, folder, owner = study_of("bandit"), data / "bandits" / "long", owner_of(SECRET)
    slow = {"rounds": "400", "pause": "0.25"}
    assert start_run(bandit, plays, folder, overrides=slow, owner=owner, name="Long").state == "waiting"
    wait_until(lambda run_dir: read_job(run_dir).stage == "values", folder)
    assert read_job(folder).state == "running"
    with pytest.raises(RunError, match="already at work in long"):
        resume(folder)
    child = psutil.Process(read_record(folder).process.pid)
    assert child.cmdline()[1:] == ["-m", "core", "work", str(folder)]
    cancel(folder)
    wait_until(lambda run_dir: read_job(run_dir).state == "cancelled", folder)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    asked = read_record(folder)
    edit_manifest(folder, config={"rounds": 1, "pause": 0.0})
    asked.model_copy(update={"overrides": {"rounds": "1"}}).write(folder)  # the rest of it, in a moment
    resume(folder)
    wait_until(lambda run_dir: read_job(run_dir).state == "done", folder)
    assert read_json(folder / "choice.json") == {"arm": "middle"}
    assert [line.name for line in list_runs(data / "bandits", owner)] == ["Long"]
    assert list_runs(data / "bandits", owner_of("another key")) == []


def test_a_run_that_cannot_begin_says_why(plays: Path, data: Path) -> None:
    bandit, folder = study_of("bandit"), data / "bandits" / "bad"
    with pytest.raises(ConfigError, match="round"):
        start_run(bandit, plays, folder, overrides={"round": "1"})
    assert not folder.exists()
    plays.write_text("arm,reward\n7,1\n")
    start_run(bandit, plays, folder)
    wait_until(lambda run_dir: read_job(run_dir).state == "failed", folder)
    assert read_job(folder).error == "arm: 0, 1 or 2 is expected."


def test_no_file_and_no_argument_of_a_run_tells_the_owners_key_or_is_open_to_others(plays: Path, data: Path) -> None:
    folder = data / "bandits" / "mine"
    start_run(study_of("bandit"), plays, folder, owner=owner_of(SECRET))
    wait_until(lambda run_dir: read_job(run_dir).state == "done", folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"job.json", "log.txt", "manifest.json", "progress.json", "choice.json"} <= {path.name for path in files}
    for path in files:
        assert SECRET.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


def test_files_of_a_run_from_the_command_line_are_for_this_user_alone(plays: Path, data: Path) -> None:
    folder = data / "bandits" / "mine"
    before = os.umask(0o022)
    try:
        assert main(["bandit", "train", str(plays), "--run", str(folder)]) == 0
        assert os.umask(0o022) == 0o022  # as it was
    finally:
        os.umask(before)
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (folder, *folder.iterdir()))


def test_a_study_that_cannot_be_found_is_said_so(tmp_path: Path) -> None:
    environment = os.environ | {"PHENOPOLICY_STUDIES": "no.such.study"}
    done = subprocess.run(
        [sys.executable, "-m", "core", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "PHENOPOLICY_STUDIES names 'no.such.study', which cannot be found; correct its path."


def test_a_run_that_another_program_goes_on_with_names_the_versions_of_both(plays: Path, data: Path) -> None:
    study, folder = study_of("bandit"), data / "bandits" / "older"
    played = study.load(plays, None, study.config("", {}))
    list(run(study, played, study.config("", {}), folder))
    whole = read_manifest(folder)
    assert whole.versions["judging"] == str(JUDGING)

    def as_before(manifest: dict) -> None:
        del manifest["stages"]["choice"]
        del manifest["versions"]["scipy"]
        manifest["versions"]["judging"] = "1"

    edit_manifest(folder, as_before)
    for _ in range(2):  # the second time nothing is left to do
        list(run(study, played, study.config("", {}), folder))
        found = read_manifest(folder).versions
        assert found["judging"] == f"1, then {JUDGING}"
        assert found["scipy"] == f"unknown, then {whole.versions['scipy']}"
        assert found["numpy"] == whole.versions["numpy"]


def test_a_killed_run_resumes(plays: Path, data: Path) -> None:
    folder = data / "bandits" / "killed"
    start_run(study_of("bandit"), plays, folder, overrides={"rounds": "400", "pause": "0.25"})
    wait_until(lambda run_dir: read_job(run_dir).stage == "values", folder)
    os.killpg(read_record(folder).process.pid, signal.SIGKILL)
    wait_until(lambda run_dir: read_job(run_dir).state == "interrupted", folder)
    resume(folder)
    wait_until(lambda run_dir: read_job(run_dir).stage == "values" and read_job(run_dir).state == "running", folder)
    cancel(folder)
    wait_until(lambda run_dir: not is_held(run_dir), folder)
