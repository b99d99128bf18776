"""What the system refuses, and files made to bring a parser down, end in a sentence and exit status 2."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.base.errors import ConfigError, StudyError
from core.cli.main import main
from core.cohort import save_cohort, simulate_cohort
from core.cohort.extract.concepts import _read
from core.encoder.artifacts import read_manifest
from core.experiments.settings import as_text, read_toml
from core.experiments.sweep import load_grid
from core.icu.config import load_preset
from core.registry.config import registry_config
from core.registry.spec import RegistrySpec
from core.study import StudySpec, load_study
from core.tables.mapping import load_mapping
from tests.conftest import TINY

DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def cohort_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cohort") / "cohort.parquet"
    save_cohort(simulate_cohort("mimic-iv", 40, seed=2)[0], path)
    return path


def refuse(monkeypatch: pytest.MonkeyPatch, code: int, after: int) -> None:
    """Let the file layer refuse every write but the first few."""
    calls = iter(range(10**9))

    def fsync(descriptor: int) -> None:
        if next(calls) >= after:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr("core.base.files.os.fsync", fsync)


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "make room"), (errno.EROFS, "can be written to")])
@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_a_training_that_cannot_write_says_so(
    monkeypatch: pytest.MonkeyPatch, cohort_file: Path, tmp_path: Path, capsys, code: int, after: int, says: str
) -> None:
    run = tmp_path / "run"
    refuse(monkeypatch, code, after)
    arguments = ["train", str(cohort_file), "--run", str(run), "--preset", "quick"]
    assert main([*arguments, *(part for name, value in TINY.items() for part in ("--set", f"{name}={value}"))]) == 2
    reason = capsys.readouterr().err.strip().splitlines()[-1]
    assert os.strerror(code).lower() in reason.lower()
    assert says in reason or "cohort.parquet cannot be written" in reason
    assert not list(run.rglob("*.part")), "nothing half-written is left"


@pytest.mark.parametrize("verb", ["report", "evaluate"])
def test_a_result_that_cannot_be_written_says_so(
    monkeypatch: pytest.MonkeyPatch, cohort_file: Path, tiny_run: Path, tmp_path: Path, capsys, verb: str
) -> None:
    refuse(monkeypatch, errno.EACCES, 0)
    extra = ["--cohort", str(tiny_run / "cohort.parquet")] if verb == "evaluate" else []
    assert main([verb, str(tiny_run), *extra, "--out", str(tmp_path / "out")]) == 2
    assert "permission denied; choose a place that you may write to" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "read",
    [load_study, StudySpec.from_toml, RegistrySpec.from_toml, load_mapping, read_toml, load_grid, _read],
    ids=lambda read: read.__qualname__,
)
def test_a_hundred_thousand_brackets_in_toml_are_refused(read, tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(f"a = {DEEP}")
    with pytest.raises((ConfigError, StudyError), match=r"deep\.toml"):
        read(path)


def test_a_hundred_thousand_brackets_in_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder.json").write_text(DEEP)
    with pytest.raises(Exception, match="not valid JSON; train the encoder again"):
        read_manifest(tmp_path)
    (tmp_path / "study.json").write_text(DEEP)
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(tmp_path / "study.json")
    with pytest.raises(ConfigError, match=r"encoder\.epochs"):
        load_preset("quick", {"encoder.epochs": DEEP})


def test_a_date_among_the_overrides_of_a_sweep_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('[overrides]\n"encoder.epochs" = 2020-01-01\n')
    with pytest.raises(ConfigError, match=r"encoder\.epochs is given a date or a time"):
        load_grid(path).config("quick", 0)
    with pytest.raises(ConfigError, match="no setting is one"):
        as_text(load_grid(path).overrides)


def test_sizes_beyond_any_machine_are_refused() -> None:
    study = load_study().model_dump(mode="json")
    with pytest.raises(ValueError, match=r"horizon(?s:.*)less than or equal to 10000"):
        StudySpec.model_validate(study | {"horizon": 10**9})
    for read in (lambda values: load_preset("quick", values), registry_config):
        with pytest.raises(ConfigError, match=r"run\.threads.*less than or equal to 1024"):
            read({"run.threads": "100000"})
