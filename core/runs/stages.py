"""Stages of a run of any study: each once, as soon as those that it needs are done; the same call resumes a run.

On several cores, stages that do not need each other are worked beside each other, each in a process of its own (see
`core.runs.beside`); on one, here, in flow order. How many threads a stage has depends on the cores alone, not on what
is left to do or is worked beside it: sums over another number differ in their last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.memory import free_memory
from core.base.threads import allowed_threads, set_threads
from core.base.types import Progress
from core.runs.integrity import digests_of
from core.runs.manifest import Manifest, StageRecord, now, versions
from core.runs.progress import ProgressFile
from core.runs.study import FIRST, DataT, DefinitionT, SettingsT, Stage, Study, ViewT
from core.runs.work import Worked, worked

WIDTH = 3  # stages that are worked beside each other at most: seldom are more ready at once
FIRST_SHARE = 1.0  # of the run's time, for storing the data
# What a process of its own takes: libraries, and what a stage holds of each row at its fullest.
PROCESS_BYTES, ROW_BYTES = 1_000_000_000, 1_500


class Ledger:
    """What is told of a run while it is worked: its manifest, and its progress."""

    def __init__(
        self, folder: Path, manifest: Manifest[Any], stages: Mapping[str, Stage[Any]], done: Iterable[str]
    ) -> None:
        shares = {FIRST: FIRST_SHARE} | {name: stage.share for name, stage in stages.items()}
        self.folder, self.manifest, self._stages, self._order = folder, manifest, stages, tuple(shares)
        self.progress = ProgressFile(folder, shares, done)

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
    left = missing(stages, manifest.stages)
    if left or FIRST not in manifest.stages:
        manifest = manifest.gone_on_with(versions())
    ledger = Ledger(folder, manifest, stages, {*manifest.stages, *(stages.keys() - left.keys())})
    for stage, said in _work(study, data, folder, FIRST not in manifest.stages, left, allowed_threads(threads)):
        if isinstance(said, Worked):
            ledger.done(stage, said)
        else:
            yield ledger.tell(said)
    finished = Progress(list(stages)[-1], 1, 1, "Run complete")
    ledger.progress.write("done", finished)
    yield finished


def _work(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    data: DataT,
    folder: Path,
    store: bool,
    left: Mapping[str, Stage[ViewT]],
    cores: int,
) -> Iterator[tuple[str, Progress | Worked]]:
    """What the stages that are left say, and the end of each; store: whether the data are to be stored first."""
    each = max(1, cores // WIDTH)
    if store:
        yield from _here(FIRST, lambda view: study.store(view, data), study, folder, each)
    if left and cores > 1:
        from core.runs.beside import beside

        fit = 1 + free_memory() // (PROCESS_BYTES + ROW_BYTES * len(data.frame))
        yield from beside(study, folder, left, min(cores, len(left), WIDTH, fit), each)
        return
    for name, stage in left.items():
        yield from _here(name, stage.work, study, folder, each)


def _here(
    stage: str,
    work: Callable[[ViewT], Iterator[Progress]],
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    folder: Path,
    threads: int,
) -> Iterator[tuple[str, Progress | Worked]]:
    """A stage in this process."""
    yield stage, Progress(stage, 0, 1)
    set_threads(threads)
    for said in worked(stage, work(study.open(folder))):
        yield stage, said


def missing(stages: Mapping[str, Stage[ViewT]], done: Mapping[str, StageRecord]) -> dict[str, Stage[ViewT]]:
    """The stages that are not done, neither as such nor, in an older run, within another one; each needs only others of
    them."""

    def is_done(name: str, stage: Stage[ViewT]) -> bool:
        return name in done or (stage.within in done and name not in done[stage.within].apart)

    left = {name: stage for name, stage in stages.items() if not is_done(name, stage)}
    return {
        name: replace(stage, needs=tuple(need for need in stage.needs if need in left)) for name, stage in left.items()
    }


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, sorted, as "group.key"."""
    found = []
    for group in given:
        if isinstance(given[group], dict) and isinstance(stored.get(group), dict):
            found += [f"{group}.{key}" for key, value in given[group].items() if stored[group].get(key) != value]
        elif stored.get(group) != given[group]:
            found.append(group)
    return sorted(found)
