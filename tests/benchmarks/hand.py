"""Cases of what one waits for: importing the engine, the first page, the default run, a slider.

Each measured moment is a process of its own, started as a user starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures.draft import Draft, scatter
from core.icu.study import ICU
from core.runs.manifest import read_manifest
from tests.benchmarks import workspace as ws
from tests.benchmarks.harness import SUITE, Skip, Task
from tests.benchmarks.rivals import RIVALS
from tests.benchmarks.stages import seconds_by_stage
from tests.slow_twins.figure_twin import GRIDS, fill

HAND = "hand"
ROOT = Path(__file__).resolve().parents[2]
BROWSER = ROOT / "tests" / "browser"
HEAVY = ("torch", "umap", "sklearn", "numba")
DEFAULT_RUN = ROOT / "data" / "runs" / "default"


def _python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=True
    )
    return done.stdout.decode()


def _import(modules: str) -> Task:
    """Seconds of an import in a fresh interpreter, beyond those of starting it."""
    script = (
        f"import time, sys; start = time.perf_counter(); import {modules}; spent = time.perf_counter() - start; "
        f"print(spent, *sorted(set(sys.modules) & set({HEAVY!r})))"
    )

    def run() -> list[str]:
        return _python("-c", script).split()

    return Task(run, facts=lambda words: {"heavy": ", ".join(words[1:]) or "none"}, clock=lambda words: float(words[0]))


@SUITE.case("import", "Import of core", HAND, target=0.5, repeats=5)
def import_core(_: ws.Workspace) -> Task:
    return _import("core")


@SUITE.case("import-pipeline", "Import of core.icu.pipeline and core.icu.view", HAND, repeats=5)
def import_pipeline(_: ws.Workspace) -> Task:
    return _import("core.icu.pipeline, core.icu.view")


@SUITE.case("default-run", "Default run of `make app`", HAND, target=60, repeats=1, warmup=0)
def default_run(work: ws.Workspace) -> Task:
    """Building the run that the app opens with, into an empty data folder."""
    patients = min(work.size.patients, ICU.patients)

    def run() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            _python("-m", "core", "demo", "--patients", str(patients), PHENOPOLICY_DATA=folder)
            stages = read_manifest(Path(folder) / "runs" / "default").stages
            return {stage: record.seconds for stage, record in stages.items()}

    return Task(run, facts=seconds_by_stage)


@SUITE.case(
    "first-page",
    "First page, from starting the server to a page at rest in Chromium",
    HAND,
    target=3,
    repeats=3,
    note="the default run is there; the browser is started beforehand",
)
def first_page(_: ws.Workspace) -> Task:
    if not (DEFAULT_RUN / "manifest.json").is_file():
        raise Skip("there is no default run; `make demo` builds it")
    sys.path.insert(0, str(BROWSER))
    try:
        from app_server import chromium, find_chromium, serve
        from visitor import SETTLED
    except ImportError as error:
        raise Skip(f"the browser helpers do not load ({error})") from None
    executable = find_chromium()
    if executable is None:
        raise Skip("no Chromium is installed")
    run = partial(_open_first_page, serve, chromium, executable, SETTLED)
    return Task(run, clock=lambda found: found["page_at_rest"], facts=lambda found: found)


@SUITE.case("figure", "A figure of three panels and two dozen calls, drafted", HAND, repeats=20)
def drafted(_: ws.Workspace) -> Task:
    rows, cols, grid = GRIDS[1]

    def run() -> object:
        draft = Draft(rows, cols, **grid)
        fill(draft, scatter, rows, cols)
        return draft.figure()

    return Task(run)


@SUITE.case("figure-by-plotly", "The same calls to plotly's own figure", RIVALS, against=("figure",), repeats=20)
def called(_: ws.Workspace) -> Task:
    rows, cols, grid = GRIDS[1]

    def run() -> object:
        figure = make_subplots(rows, cols, **grid)
        fill(figure, go.Scatter, rows, cols)
        return figure

    return Task(run)


@SUITE.case(
    "sliders",
    "Slider to figure, server time: the slowest of the app's sliders (median of each)",
    HAND,
    target=0.1,
    repeats=1,
    warmup=0,
    note="on the whole run of this size; the browser draws on the same cores meanwhile",
)
def sliders(work: ws.Workspace) -> Task:
    """All answers of the app, by `page_latency.py`; the facts name each, in milliseconds, and the largest payload."""
    script = ROOT / "tests" / "benchmarks" / "page_latency.py"
    if not script.is_file() or not (work.run_folder / "manifest.json").is_file():
        raise Skip("there is no run of this size; the case standard-run makes it")

    def run() -> dict[str, dict[str, float]]:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "latency.json"
            _python(str(script), str(work.run_folder), "--out", str(answer))
            return json.loads(answer.read_text(encoding="utf-8"))["interactions"]

    def facts(found: dict[str, dict[str, float]]) -> dict[str, Any]:
        answers = {
            name: f"{1000 * row['median_s']:.0f} ms, {1000 * row['median_cpu_s']:.0f} ms of the server's processor"
            for name, row in found.items()
        }
        return {**answers, "largest_payload_mb": max(row["max_bytes"] for row in found.values()) / 1e6}

    return Task(
        run, clock=lambda found: max(found[name]["median_s"] for name in found if "slider" in name), facts=facts
    )


def _open_first_page(serve: Any, chromium: Any, executable: str, settled: str) -> dict[str, float]:
    """Seconds from the start of the server."""
    with tempfile.TemporaryDirectory() as folder, chromium(executable) as browser:
        runs = Path(folder) / "runs"
        runs.mkdir()
        (runs / "default").symlink_to(DEFAULT_RUN, target_is_directory=True)
        page = browser.new_page()
        start = time.perf_counter()
        with serve(Path(folder)) as address:
            answering = time.perf_counter() - start
            page.goto(address)
            page.wait_for_function(settled)
            return {"server_answers": answering, "page_at_rest": time.perf_counter() - start}
