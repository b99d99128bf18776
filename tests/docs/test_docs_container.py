"""The container's recipe names what is here, keeps what the app needs, and runs without rights."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

from core.packaging.wheel import APP, DATA

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "container"


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """(instruction, rest) of the last stage, continued lines joined."""
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]
    last = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def copied(steps: list[tuple[str, str]]) -> list[str]:
    """Sources that come from the project's folder."""
    parts = [shlex.split(rest) for name, rest in steps if name == "COPY" and "--from" not in rest]
    return [source for part in parts for source in part[:-1]]


def test_what_is_copied_is_here_and_is_all_that_the_app_reads(steps: list[tuple[str, str]]) -> None:
    sources = copied(steps)
    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) == {*APP, *(f"data/{name}" for name in DATA), "core", "LICENSE"}


def test_what_is_copied_is_not_left_out_of_the_build(steps: list[tuple[str, str]]) -> None:
    lines = (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*", "nothing goes in that is not named: no data, no environment, no history"
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert set(copied(steps)) | {"requirements.lock"} == set(kept)
    assert not any(fnmatch(source, line) for line in lines[1:] for source in copied(steps))


def test_it_runs_as_nobody_and_writes_into_its_volume_alone(steps: list[tuple[str, str]]) -> None:
    names = [name for name, _ in steps]
    said = dict(steps)
    assert names.index("USER") < names.index("CMD")
    assert int(said["USER"]) > 0
    assert said["VOLUME"] == re.search(r"PHENOPOLICY_DATA=(\S+)", said["ENV"])[1]  # type: ignore[index]
    assert "/_stcore/health" in said["HEALTHCHECK"]
    assert not {"ADD", "ARG"} & set(names)


def test_its_python_is_one_that_the_project_takes(steps: list[tuple[str, str]]) -> None:
    image = steps[0][1]
    assert image.startswith("python:3.11-slim")
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_app_is_reached_through_the_proxy_alone_and_holds_no_secret() -> None:
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    services = import_module("yaml").safe_load(text)["services"]
    app, proxy = services["app"], services["proxy"]
    assert "ports" not in app
    assert proxy["ports"] == ["443:443"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert [volume.split(":")[1] for volume in app["volumes"] if not volume.endswith(":ro")] == ["/data"]
    assert set(app["environment"]) == {"PHENOPOLICY_SETTINGS"}
    assert (FOLDER / app["build"]["context"]).resolve() == ROOT
