"""The wheel: one package under its own name, which works away from the checkout, and pins that cannot drift."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from core.packaging.wheel import renamed

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {
    "app": {"streamlit", "Authlib", "httpx"},
    "boosting": {"xgboost-cpu"},
    "cluster": {"dask[distributed]"},
    "worlds": {"gymnasium"},
    "minari": {"gymnasium", "minari", "pillow"},
}


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python away from the checkout, which finds the wheel's content alone beside the libraries."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PHENOPOLICY_DATA")}
    env = {**kept, "PYTHONPATH": str(site), "XDG_DATA_HOME": str(folder / "share")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_wheel_holds_one_package_and_no_data_of_this_machine(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"phenopolicy", "phenopolicy-0.1.0.dist-info"}
    data = {tuple(name.split("/")[1:3])[1] for name in names if name.startswith("phenopolicy/data/")}
    assert data == {"concepts", "presets", "reference", "studies"}
    assert "phenopolicy/py.typed" in names
    assert not [name for name in names if name.startswith("phenopolicy/packaging")]


def test_every_module_of_it_is_imported_without_the_checkout(site: Path, tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, sys, phenopolicy
for module in pkgutil.walk_packages(phenopolicy.__path__, "phenopolicy."):
    if not module.name.startswith("phenopolicy.app") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(phenopolicy.__file__)
print([name for name in sys.modules if name.split(".")[0] in ("core", "pages", "data", "streamlit")])
"""
    found = run(site, tmp_path, "-c", code)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("\n")[:2] == [str(site / "phenopolicy" / "__init__.py"), "[]"]


def test_its_verbs_work_and_call_themselves_by_their_name(site: Path, tmp_path: Path) -> None:
    made = run(site, tmp_path, "-m", "phenopolicy", "simulate", "--patients", "30", "--out", "cohort.parquet")
    assert made.returncode == 0, made.stderr
    checked = run(site, tmp_path, "-m", "phenopolicy", "check", "cohort.parquet")
    assert "The cohort can be used." in checked.stdout
    assert run(site, tmp_path, "-m", "phenopolicy", "--help").stdout.startswith("usage: phenopolicy [-h] VERB")
    (tmp_path / "cohort.csv").write_text("a,b\n1,2\n")
    refused = run(site, tmp_path, "-m", "phenopolicy", "check", "cohort.csv")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_a_background_run_is_started_under_the_installed_name(site: Path, tmp_path: Path) -> None:
    code = """
import sys
from unittest import mock
from phenopolicy.runs import jobs
from phenopolicy.runs.folders import data_root
from phenopolicy.cli.studies import load_studies
load_studies()
with mock.patch.object(jobs.subprocess, "Popen") as started:
    started.return_value.pid = 1
    asked = jobs.JobRecord.build({"kind": "icu", "preset": "quick", "file": "f"}, "test")
    asked.write(data_root() / "run")
    jobs.resume(data_root() / "run")
print(started.call_args.args[0][1:4], started.call_args.kwargs["cwd"])
print(data_root())
"""
    found = run(site, tmp_path, "-c", code)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [
        f"['-m', 'phenopolicy', 'work'] {site}",
        str(tmp_path / "share" / "phenopolicy"),
    ]


def test_its_app_draws_its_first_page(site: Path, tmp_path: Path) -> None:
    code = """
import sys
from phenopolicy.base.shipped import app_script
sys.path.insert(0, str(app_script().parent))  # as `streamlit run` does
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(str(app_script()), default_timeout=120).run()
print([error.value for error in app.exception], "core" in sys.modules, app.title[0].value if app.title else "")
"""
    found = run(site, tmp_path, "-c", code)
    assert found.stdout.startswith("[] False"), found.stdout + found.stderr


def test_files_that_travel_are_found_by_one_function() -> None:
    """Whoever counts folders up to `data/` finds nothing once the engine is installed under its own name."""
    counting = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "core").rglob("*.py"))
        if "__file__).resolve().parents" in path.read_text(encoding="utf-8")
    ]
    # core/packaging works in a checkout alone
    assert [path for path in counting if not path.startswith("core/packaging/")] == ["core/base/shipped.py"]


def test_renaming_touches_the_package_and_no_other_core() -> None:
    text = (
        "from core.agents import x\n    from core import study\nimport core\n"
        '"""`core.icu.view`, see `python -m core train` and `python -m core.cohort.simulate`."""\n'
        'machine["cores"] on 2 cores; the core. machine.core.icu("core/fusion/weights.py") score.icu\n'
    )
    assert renamed(text, ["agents", "cohort", "icu", "study"]) == (
        "from phenopolicy.agents import x\n    from phenopolicy import study\nimport phenopolicy\n"
        '"""`phenopolicy.icu.view`, see `phenopolicy train` and `python -m phenopolicy.cohort.simulate`."""\n'
        'machine["cores"] on 2 cores; the core. machine.core.icu("core/fusion/weights.py") score.icu\n'
    )


def test_an_editable_install_says_what_to_do_instead(tmp_path: Path) -> None:
    code = f"import hatchling.build as build; build.build_editable({str(tmp_path)!r})"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "work in the checkout" in found.stderr


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if re.match(r"[A-Za-z]", line)}


def test_requirements_files_and_extras_hold_the_same_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: set(pins) for name, pins in project["optional-dependencies"].items()}
    assert {name: {pin.split("==")[0] for pin in extras[name]} for name in EXTRAS} == EXTRAS
    assert set(project["dependencies"]) | extras["app"] == requirements("requirements.txt")
    whole = (
        (extras["dev"] - {"phenopolicy[app,boosting,cluster,worlds]"})
        | extras["boosting"]
        | extras["cluster"]
        | extras["worlds"]
    )
    assert whole == requirements("requirements-dev.txt")
    assert extras["minari"] <= whole | requirements("requirements-bench.txt")
    assert "torch==2.13.0" in project["dependencies"]
    pins = [*project["dependencies"], *(whole | extras["app"])]
    assert all(re.fullmatch(r"[\w.\-\[\]]+==[\w.]+", pin) for pin in pins)
