"""Stages of a run of any study: each once, as soon as those that it needs are done; the same call resumes a run.

On several cores, stages that do not need each other are worked beside each other, each in a process of its own (see
`core.runs.beside`); on one, here, in flow order. How many threads a stage has depends on the cores alone, not on what
is left to do or is worked beside it: sums over another number differ in their last digits.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.memory import free_memory
from core.base.threads import allowed_threads, set_threads
from core.base.types import Progress
from core.runs.integrity import digests_of
from core.runs.manifest import Manifest, StageRecord, now
from core.runs.progress import ProgressFile
from core.runs.study import FIRST, DataT, DefinitionT, SettingsT, Stage, Study, ViewT
from core.runs.work import Worked, worked

WIDTH = 3  # stages that are worked beside each other at most: seldom are more ready at once
FIRST_SHARE = 1.0  # of the run's time, for storing the data
# What a process of its own takes: libraries, and what a stage holds of each row at its fullest.
PROCESS_BYTES, ROW_BYTES = 1_000_000_000, 1_500


class Ledger:
    """What is told of a run while it is worked: its manifest, and its progress."""

    def __init__(self, folder: Path, manifest: Manifest[Any], stages: Mapping[str, Stage[Any]]) -> None:
        shares = {FIRST: FIRST_SHARE} | {name: stage.share for name, stage in stages.items()}
        self.folder, self.manifest, self._stages, self._order = folder, manifest, stages, tuple(shares)
        done = stages.keys() - missing(stages, manifest.stages)
        self.progress = ProgressFile(folder, shares, {*manifest.stages, *done})

    def tell(self, step: Progress) -> Progress:
        self.progress.update(step)
        return step

    def done(self, stage: str, worked: Worked) -> None:
        """Write down that a stage is done; the manifest names stages in flow order, whichever ended first."""
        record = StageRecord(
            seconds=round(worked.seconds, 3),
            finished=now(),
            files=digests_of(self.folder, self.manifest, worked.files),
            apart=tuple(name for name, one in self._stages.items() if one.within == stage),
        )
        self.manifest = self.manifest.with_stage(stage, record, self._order)
        self.manifest.write(self.folder)
        self.progress.done(stage)


def run_stages(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    data: DataT,
    folder: Path,
    manifest: Manifest[DefinitionT],
    threads: int,
) -> Iterator[Progress]:
    """Work through the stages that are not done, and add them to the manifest. The caller holds the folder.

    threads: cores that the run may use, see `allowed_threads`.
    """
    stages = study.stages(study.open(folder))
    ledger = Ledger(folder, manifest, stages)
    cores = allowed_threads(threads)
    each = max(1, cores // WIDTH)
    if FIRST not in manifest.stages:
        set_threads(each)
        yield from _here(ledger, FIRST, study.store(study.open(folder), data))
    left = missing(stages, manifest.stages)
    if left and cores > 1:
        from core.runs.beside import beside

        fit = 1 + free_memory() // (PROCESS_BYTES + ROW_BYTES * len(data.frame))
        for stage, said in beside(study, folder, left, min(cores, len(left), WIDTH, fit), each):
            if isinstance(said, Worked):
                ledger.done(stage, said)
            else:
                yield ledger.tell(said)
    else:
        for name, one in left.items():
            set_threads(each)
            yield from _here(ledger, name, one.work(study.open(folder)))
    finished = Progress(list(stages)[-1], 1, 1, "Run complete")
    ledger.progress.write("done", finished)
    yield finished


def missing(stages: Mapping[str, Stage[ViewT]], done: Mapping[str, StageRecord]) -> dict[str, Stage[ViewT]]:
    """The stages that are not done, neither as such nor, in an older run, within another one; each needs only others of
    them."""

    def is_done(name: str, stage: Stage[ViewT]) -> bool:
        return name in done or (stage.within in done and name not in done[stage.within].apart)

    left = {name: stage for name, stage in stages.items() if not is_done(name, stage)}
    return {
        name: replace(stage, needs=tuple(need for need in stage.needs if need in left)) for name, stage in left.items()
    }


def _here(ledger: Ledger, stage: str, steps: Iterator[Progress]) -> Iterator[Progress]:
    yield ledger.tell(Progress(stage, 0, 1))
    ended = yield from _told(ledger, worked(stage, steps))
    ledger.done(stage, ended)


def _told(ledger: Ledger, steps: Generator[Progress, None, Worked]) -> Generator[Progress, None, Worked]:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield ledger.tell(step)


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, sorted, as "group.key"."""
    found = []
    for group in given:
        if isinstance(given[group], dict) and isinstance(stored.get(group), dict):
            found += [f"{group}.{key}" for key, value in given[group].items() if stored[group].get(key) != value]
        elif stored.get(group) != given[group]:
            found.append(group)
    return sorted(found)
