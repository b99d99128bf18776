"""Independent pieces of numerical work side by side on this machine's cores.

Small matrices gain nothing from a second thread inside a product, and cores that others use as well make such threads
wait for each other. Whole pieces beside each other, with one thread each, use the same cores without waiting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController, threadpool_limits

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """[work(piece), ..] in the order of the pieces; the first error is raised.

    As many pieces at once as the numerical libraries may use threads here, each with one thread of its own: the result
    is the same, to the last digit, however many there are. Within a piece it is a plain loop.
    """
    controller = ThreadpoolController()  # looks for the libraries once, for both of what is asked of it
    allowed = min((int(library["num_threads"]) for library in controller.info()), default=1)
    with controller.limit(limits=1):
        if allowed == 1:
            return [work(piece) for piece in pieces]
        # OpenMP keeps its limit by thread, so each worker is told anew
        with ThreadPoolExecutor(allowed, initializer=threadpool_limits, initargs=(1,)) as pool:
            return list(pool.map(work, pieces))


def allowed_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed_threads(asked: int = 0) -> int:
    """Threads that are asked for; 0: as many as OMP_NUM_THREADS says, or one for each core."""
    return asked or int(os.environ.get("OMP_NUM_THREADS", 0)) or allowed_cores()


def set_threads(asked: int = 0) -> None:
    """Fix torch's threads before each piece of a run: other libraries change them when they load, and sums over another
    number of threads differ in their last digits, so that a resumed run would not end as an undisturbed one."""
    import torch

    torch.set_num_threads(allowed_threads(asked))
