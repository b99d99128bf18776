"""Stages of a run of any study: in order, each once, the same call resuming a run that was killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.types import Progress
from core.runs.integrity import stage_files
from core.runs.manifest import Manifest
from core.runs.progress import ProgressFile

Work = Callable[[], Iterator[Progress]]


def run_stages(
    folder: Path, manifest: Manifest[Any], stages: Mapping[str, tuple[Work, float]], threads: int
) -> Iterator[Progress]:
    """Work through the stages that the manifest does not name as done, and add them to it.

    stages: by name, the work and its usual share of the run's time. The caller holds the folder.
    """
    progress = ProgressFile(folder, {stage: weight for stage, (_, weight) in stages.items()})
    for stage, (work, _) in stages.items():
        if stage in manifest.stages:
            continue
        started = time.perf_counter()
        set_threads(threads)
        for step in with_time_left(work()):
            progress.update(step)
            yield step
        seconds = time.perf_counter() - started
        manifest = manifest.with_stage(stage, seconds, stage_files(folder, manifest))
        manifest.write(folder)
    finished = Progress(stage, 1, 1, "Run complete")
    progress.write("done", finished)
    yield finished


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, sorted, as "group.key"."""
    found = []
    for group in given:
        if isinstance(given[group], dict) and isinstance(stored.get(group), dict):
            found += [f"{group}.{key}" for key, value in given[group].items() if stored[group].get(key) != value]
        elif stored.get(group) != given[group]:
            found.append(group)
    return sorted(found)


def with_time_left(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Fill in seconds_left of stages that do not estimate it themselves."""
    started = time.perf_counter()
    for step in steps:
        if step.seconds_left is None and 0 < step.fraction < 1:
            spent = time.perf_counter() - started
            yield replace(step, seconds_left=spent / step.fraction * (1 - step.fraction))
        else:
            yield step


def set_threads(threads: int) -> None:
    """Fix torch's threads before each stage: other libraries change them when they load, and sums over another number
    of threads differ in their last digits, so that a resumed run would not end as an undisturbed one."""
    import torch

    torch.set_num_threads(threads or int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count() or 1)
