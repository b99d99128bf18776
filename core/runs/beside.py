"""Stages of a run beside each other, each as soon as those that it needs are done, in processes of their own.

Threads would not do: most stages are many small steps of Python between short products, which take turns. A stage finds
all that it needs in the run's folder, so a process is told no more than which folder and which stage; what it says on
its way comes back through a pipe. The processes end with the one that started them, however that ends.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor
from loky.backend import get_context
from loky.process_executor import TerminatedWorkerError

from core.base.errors import RunError
from core.base.memory import hand_back
from core.base.threads import set_threads
from core.base.types import Progress
from core.runs.process import ProcessId
from core.runs.study import DataT, DefinitionT, SettingsT, Stage, Study, ViewT
from core.runs.work import Worked, worked

POLL_SECONDS = 0.1
LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",  # of macOS
    "NUMBA_NUM_THREADS",
)
# Or loky would start a process anew, and warn of a leak, where one stage holds more than another did.
KEEP = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
_told: Any = None  # of a worker: where it says how far it is


def beside(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    folder: Path,
    stages: Mapping[str, Stage[ViewT]],
    workers: int,
    threads: int,
) -> Iterator[tuple[str, Progress | Worked]]:
    """Work stages, of which none is done, at most `workers` at once and with `threads` each: that each begins, what it
    says, and its end, once its files are there.

    A stage starts once the ends of all that it needs were taken. Of those that can start, the one with most to come
    after it goes first. The error of a stage is raised here, and ends the others; `RunError` where a process was ended.
    """
    context, rank = get_context(), to_come(stages)
    said = context.SimpleQueue()  # what is put is there at once, so that a stage's end never overtakes what it said
    begins = {"initializer": _begin, "initargs": (said, ProcessId.of(os.getpid()), threads)}
    pool = ProcessPoolExecutor(workers, context=context, env=dict.fromkeys(LIMITS, str(threads)) | KEEP, **begins)
    waiting = dict(stages)
    at_work: dict[str, Future[Worked]] = {}
    try:
        while waiting or at_work:
            ready = [name for name, one in waiting.items() if not {*one.needs} & (waiting.keys() | at_work.keys())]
            for name in sorted(ready, key=rank.__getitem__, reverse=True)[: workers - len(at_work)]:
                at_work[name] = pool.submit(_work, study, folder, name)
                del waiting[name]
                yield name, Progress(name, 0, 1)
            wait(at_work.values(), POLL_SECONDS, FIRST_COMPLETED)
            over = [name for name, future in at_work.items() if future.done()]
            while not said.empty():
                step = said.get()
                yield step.stage, step
            for name in over:
                end = at_work[name].result()
                del at_work[name]
                yield name, end
    except TerminatedWorkerError:
        names = " or ".join(f"'{name}'" for name in at_work) or "a stage"
        raise RunError(
            f"the process that worked {names} was ended from outside, perhaps for want of memory; close what else "
            "takes it and resume the run. With OMP_NUM_THREADS=1 in the environment it works one stage at a time."
        ) from None
    finally:
        pool.shutdown(kill_workers=bool(waiting or at_work))


def to_come(stages: Mapping[str, Stage[Any]]) -> dict[str, float]:
    """Of each stage, its share of the time and that of the longest chain of stages that wait for it."""
    found: dict[str, float] = {}
    for name in reversed(list(stages)):  # in flow order, so those that wait are known
        after = [found[other] for other in found if name in stages[other].needs]
        found[name] = stages[name].share + max(after, default=0.0)
    return found


def _begin(said: Any, parent: ProcessId, threads: int) -> None:
    """A worker starts: it leaves it to its parent when to end, and ends where that is gone."""
    global _told
    _told = said
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    set_threads(threads)


def _end_after(parent: ProcessId) -> None:
    while parent.alive:  # to wait for it would not do: a server may leave a dead child unreaped for hours
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _work(study: Study[Any, Any, Any, Any], folder: Path, stage: str) -> Worked:
    try:
        return _worked(study, folder, stage)
    finally:
        hand_back()


def _worked(study: Study[Any, Any, Any, ViewT], folder: Path, stage: str) -> Worked:
    view = study.open(folder)
    for said in worked(stage, study.stages(view)[stage].work(view)):
        if isinstance(said, Worked):
            return said
        _told.put(said)
    raise AssertionError("a stage's end is the last that is said of it")
