"""Measuring one case: time, memory and threads, in a process of its own.

A case is a function that prepares its inputs and returns a `Task`; only `Task.run` is timed. Memory is what the task
needs beyond its inputs. Cases that measure a part of the work (some of 100 iterations) say how much of it they did.
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEGABYTE = 1e6


class Skip(Exception):
    """A case that cannot be measured here; the text says why."""


@dataclass(frozen=True, eq=False)
class Task:
    """`run` is what is timed; `work` how many units of `Case.unit` it does; `facts` are numbers about the result that
    belong beside its time; `clock` reads the seconds off the result, where `run` does more than what counts."""

    run: Callable[[], Any]
    work: float = 1.0
    facts: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    clock: Callable[[Any], float] | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """What is measured and what it is held against.

    prepare(workspace) gives the task. `whole` is the work that a user needs, in units: seconds are quoted for it.
    `published` and `target` are seconds of the published scripts and of ours to reach; `against` names the own cases
    that a rival does the work of. `warmup` runs come before `repeats` timed ones. `optional` cases are left out unless
    named.
    """

    name: str
    title: str
    group: str
    prepare: Callable[[Any], Task]
    unit: str = ""
    whole: float | Callable[[Any], float] = 1.0
    published: float | None = None
    target: float | None = None
    against: tuple[str, ...] = ()
    repeats: int = 3
    warmup: int = 1
    note: str = ""
    optional: bool = False


@dataclass
class Suite:
    """Cases by name, in the order in which they are measured."""

    cases: dict[str, Case] = field(default_factory=dict)

    def case(self, name: str, title: str, group: str, **options: Any) -> Callable[[Callable[[Any], Task]], Case]:
        """Decorator: register a function of the workspace as a case."""
        if name in self.cases:
            raise ValueError(f"there are two cases '{name}'")

        def register(prepare: Callable[[Any], Task]) -> Case:
            self.cases[name] = Case(name, title, group, prepare, **options)
            return self.cases[name]

        return register


SUITE = Suite()


def measure(case: Case, workspace: Any) -> dict[str, Any]:
    """Prepare, warm up and time a case in this process."""
    task = case.prepare(workspace)
    whole = case.whole(workspace) if callable(case.whole) else case.whole
    for _ in range(case.warmup):
        task.run()
    seconds, extra = [], []
    result: Any = None
    for _ in range(case.repeats):
        result = None
        gc.collect()
        before = reset_peak()
        start = time.perf_counter()
        result = task.run()
        spent = time.perf_counter() - start
        seconds.append(spent if task.clock is None else task.clock(result))
        extra.append(max(peak_memory() - before, 0.0))
    return {
        "seconds": statistics.median(seconds) / task.work * whole,
        "measured_seconds": seconds,
        "work": task.work,
        "unit": case.unit,
        "whole": whole,
        "peak_extra_mb": max(extra),
        "inputs_mb": before,
        "warmup": case.warmup,
        "threads": threads(),
        "load_average": os.getloadavg()[0],
        "facts": dict(task.facts(result)),
    }


def reset_peak() -> float:
    """Memory held now, in MB; from here on `peak_memory` counts anew where the system can (Linux)."""
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return peak_memory()
    return _status("VmRSS")


def peak_memory() -> float:
    """Most memory held at once since `reset_peak` (elsewhere than on Linux: since the start), in MB."""
    if STATUS.exists():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE  # bytes on macOS


def _status(key: str) -> float:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return int(kilobytes) * 1024 / MEGABYTE


def threads() -> dict[str, int]:
    """Threads of each numerical library that is loaded, by its name."""
    import sys

    from threadpoolctl import threadpool_info

    found = {f"{pool['internal_api']} ({pool['prefix']})": int(pool["num_threads"]) for pool in threadpool_info()}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    return found
