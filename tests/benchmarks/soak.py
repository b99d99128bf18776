"""Soak: many visitors for many minutes on one server, a training beside them, and cold starts, in numbers.

    python -m tests.benchmarks.soak data/runs/default --sessions 50 --minutes 30 --out soak.json

Each visitor opens a page by a link with another K, λ or patient, looks at it for a while, and opens the next; a
training runs beside the server all the time. Then all leave, and the memory of the server is looked at once it has
forgotten them. A cold start is a server of its own whose first visitors all come at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.base.priority import give_way
from tests.benchmarks.soak_visitor import Rerun, Visitor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from app_server import serve  # noqa: E402

PAGES = ("overview", "phenotypes", "policies", "values", "patient", "cohort", "encoder", "learn", "registry")
THINKS = 6.0  # seconds that a visitor looks at a page, in the mean (exponential)
LOOK = 5.0  # seconds between two looks at the memory
STARTS = 300  # seconds that a server may take to answer, on a busy machine
FORGETS = 180.0  # seconds after which a server has forgotten sessions that were left (after 120, looked for every 30)
MEGABYTE = 1e6
TRAINING = {"encoder.epochs": 3, "agents.epochs": 2}


def main() -> None:
    """Serve, visit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run of the ICU study")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--thinks", type=float, default=THINKS, help="mean seconds between pages (default 6)")
    parser.add_argument("--starts", type=int, default=20, help="cold starts (default 20)")
    parser.add_argument("--visitors", type=int, default=20, help="who come at once to a cold start (default 20)")
    parser.add_argument("--alone", action="store_true", help="no training beside the server")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # server and training end with it
    if not (options.run / "manifest.json").is_file():
        sys.exit(f"No run in {options.run}; build the default one with 'make demo'.")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        shutil.copytree(options.run, data / "runs" / "soaked")
        if (registry := options.run.parents[1] / "registry" / "default").is_dir():
            shutil.copytree(registry, data / "registry" / "default")
        result = about(options) | soak(data, options) | {"cold_starts": cold_starts(data, options)}
    print(json.dumps(result, indent=2))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if result["error_pages"] or result["cold_starts"]["error_pages"]:
        sys.exit("There were error pages; see 'faults'.")


def about(options: argparse.Namespace) -> dict[str, Any]:
    manifest = json.loads((options.run / "manifest.json").read_text(encoding="utf-8"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "patients": manifest["n_patients"],
        "sessions": options.sessions,
        "minutes": options.minutes,
        "thinks_seconds": options.thinks,
        "training_beside": not options.alone,
    }


def soak(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All visitors on one server, a training beside it; then the memory after they have left."""
    beside: AbstractContextManager[list[int]] = nullcontext([]) if options.alone else training(data)
    with serve(data, STARTS) as address, beside as trained:
        server = serving(address)
        empty = server.memory_info().rss / MEGABYTE
        asyncio.run(_tour(address))
        warm = server.memory_info().rss / MEGABYTE
        reruns, memory = asyncio.run(_visit(address, server, options))
        print(f"all have left; the server forgets them in {FORGETS:g} s", file=sys.stderr, flush=True)
        time.sleep(FORGETS)
        after = server.memory_info().rss / MEGABYTE
    seconds = np.array([one.seconds for one in reruns])
    half = len(memory) // 2
    return {
        "reruns": len(reruns),
        "rerun_seconds": {f"p{q}": round(float(np.percentile(seconds, q)), 3) for q in (50, 95, 99)},
        "by_page": {page: _of_page(page, reruns) for page in PAGES},
        "error_pages": sum(bool(one.fault) for one in reruns),
        "faults": dict(Counter(f"{one.page}: {one.fault}" for one in reruns if one.fault).most_common(20)),
        "server_megabytes": {
            "empty": round(empty, 1),
            "after_one_saw_every_page": round(warm, 1),
            "largest": round(max(memory), 1),
            "middle_of_first_half": round(statistics.median(memory[:half] or memory), 1),
            "middle_of_second_half": round(statistics.median(memory[half:]), 1),
            "after_all_left": round(after, 1),
        },
        "trainings_ended_beside": len(trained),
        "load_after": os.getloadavg()[0],
    }


def _of_page(page: str, reruns: list[Rerun]) -> dict[str, float]:
    own = [one.seconds for one in reruns if one.page == page]
    return {"reruns": len(own)} | ({"p95_s": round(float(np.percentile(own, 95)), 3)} if own else {})


async def _tour(address: str) -> None:
    """One visitor opens every page and leaves: from then on the server has loaded what it needs."""
    visitor, rng = Visitor(address), np.random.default_rng(0)
    await visitor.come()
    for page in PAGES:
        await visitor.ask(page, place(rng)[1])
    await visitor.leave()


async def _visit(address: str, server: psutil.Process, options: argparse.Namespace) -> tuple[list[Rerun], list[float]]:
    """Every answer, and the memory of the server while they came (MB)."""
    end = time.monotonic() + options.minutes * 60
    visitors = [Visitor(address) for _ in range(options.sessions)]
    memory: list[float] = []

    async def watch() -> None:
        while True:
            memory.append(server.memory_info().rss / MEGABYTE)
            await asyncio.sleep(LOOK)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(_use(one, seed, end, options.thinks) for seed, one in enumerate(visitors)))
    watching.cancel()
    return [rerun for one in visitors for rerun in one.reruns], memory


async def _use(visitor: Visitor, seed: int, end: float, thinks: float) -> None:
    """Open pages until the time is over."""
    rng = np.random.default_rng(seed)
    await asyncio.sleep(float(rng.uniform(0, thinks)))  # not all in one moment
    await visitor.come()
    while time.monotonic() < end:
        await visitor.ask(*place(rng))
        await asyncio.sleep(float(rng.exponential(thinks)))
    await visitor.leave()


def place(rng: np.random.Generator) -> tuple[str, str]:
    """A page, and the query of a link to it."""
    query = f"run=soaked&k={rng.integers(2, 6)}&lambda={rng.integers(1, 9)}&patient={rng.integers(0, 300)}"
    return str(rng.choice(PAGES)), query


@contextmanager
def training(data: Path) -> Iterator[list[int]]:
    """Within it one small training after the other runs beside the server; gives their exit statuses.

    The loop ends with this process too, however that ends.
    """
    cohort = data / "beside.parquet"
    verb = [sys.executable, "-m", "core"]
    env = {**os.environ, "PHENOPOLICY_DATA": str(data), "OMP_NUM_THREADS": "1"}
    subprocess.run([*verb, "simulate", "--patients", "300", "--out", str(cohort)], cwd=ROOT, env=env, check=True)
    settings = [part for name, value in TRAINING.items() for part in ("--set", f"{name}={value}")]
    train = " ".join([*verb, "train", str(cohort), "--preset", "quick", *settings])
    once = f"{train} --run {data}/beside-$(date +%s%N); echo $? >> {data}/beside.txt"
    loop = f"while kill -0 {os.getpid()}; do {once}; done"
    beside = subprocess.Popen(
        ["sh", "-c", loop],
        cwd=ROOT, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    give_way(beside.pid)
    statuses: list[int] = []
    try:
        yield statuses
    finally:
        for process in [*psutil.Process(beside.pid).children(recursive=True), beside]:
            process.terminate()
        beside.wait()
        told = data / "beside.txt"
        statuses += [int(line) for line in told.read_text().split()] if told.is_file() else []
        if any(statuses):
            raise RuntimeError("a training beside the server failed")


def cold_starts(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Servers whose first visitors come at once, each by a link to a page of its own."""

    async def crowd(address: str, seed: int) -> list[Rerun]:
        rng = np.random.default_rng(seed)
        visitors = [Visitor(address) for _ in range(options.visitors)]
        await asyncio.gather(*(one.come() for one in visitors))
        found = await asyncio.gather(*(one.ask(*place(rng)) for one in visitors))
        await asyncio.gather(*(one.leave() for one in visitors))
        return list(found)

    reruns = []
    for start in range(options.starts):
        with serve(data, STARTS) as address:
            reruns += asyncio.run(crowd(address, start))
        print(f"cold start {start + 1} of {options.starts}", file=sys.stderr, flush=True)
    seconds = [one.seconds for one in reruns]
    return {
        "starts": options.starts,
        "visitors": options.visitors,
        "error_pages": sum(bool(one.fault) for one in reruns),
        "faults": dict(Counter(f"{one.page}: {one.fault}" for one in reruns if one.fault).most_common(20)),
        "slowest_seconds": round(max(seconds, default=0.0), 2),
    }


def serving(address: str) -> psutil.Process:
    """The server, a child of this process."""
    port = address.rsplit(":", 1)[1]
    return next(one for one in psutil.Process().children() if "streamlit" in one.cmdline() and port in one.cmdline())


if __name__ == "__main__":
    main()
