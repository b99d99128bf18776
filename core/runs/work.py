"""One stage of a run at work: what it says on its way, how long it took, and which files it wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.files import noting
from core.base.types import Progress

ENOUGH = 0.05  # of a stage, to tell from it how long the rest takes


@dataclass(frozen=True)
class Worked:
    """A stage that has ended: how long it took, and the files that it wrote."""

    seconds: float
    files: frozenset[Path]


def worked(stage: str, steps: Iterator[Progress]) -> Iterator[Progress | Worked]:
    """Work a stage in this process: its progress, under its name and with the time left, and last its end."""
    started, written = time.perf_counter(), set[Path]()
    steps = with_time_left(steps)
    while True:
        with noting(written):
            step = next(steps, None)
        if step is None:
            break
        yield replace(step, stage=stage)
    yield Worked(time.perf_counter() - started, frozenset(written))


def with_time_left(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Fill in seconds_left of stages that do not estimate it themselves, once enough is done to tell from."""
    started = time.perf_counter()
    for step in steps:
        if step.seconds_left is None and ENOUGH <= step.fraction < 1:
            spent = time.perf_counter() - started
            yield replace(step, seconds_left=spent / step.fraction * (1 - step.fraction))
        else:
            yield step
