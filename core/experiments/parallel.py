"""Many independent tasks on this machine's cores, or on a Dask cluster, through joblib."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed, parallel_config

from core.base.errors import ConfigError
from core.base.threads import allowed_cores


def in_parallel(function: Callable[..., Any], tasks: Sequence[tuple], jobs: int = 0, dask: str = "") -> Iterator[Any]:
    """function(*task) of each task, yielded as each ends, in any order; one process a task.

    jobs: processes at once (0: one for each core); each gets its share of the cores as threads, so that processes times
    threads never exceed the cores. With one process the tasks run here. dask: address of a Dask scheduler; its workers
    must see this project and the same files under the same paths, and their threads are set where they are started.
    """
    if not tasks:
        return
    if dask:
        with _dask(dask):
            yield from Parallel(return_as="generator_unordered")(delayed(function)(*task) for task in tasks)
        return
    processes, threads = shares(jobs, len(tasks), allowed_cores())
    if processes == 1:
        yield from (function(*task) for task in tasks)
        return
    with parallel_config(backend="loky", n_jobs=processes, inner_max_num_threads=threads):
        yield from Parallel(return_as="generator_unordered")(delayed(function)(*task) for task in tasks)


def shares(jobs: int, n_tasks: int, cores: int) -> tuple[int, int]:
    """(processes, threads of each): no more processes than tasks, no more threads in sum than cores."""
    processes = max(1, min(jobs or cores, n_tasks))
    return processes, max(1, cores // processes)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[None]:
    """joblib on the cluster at this address; `ConfigError` where it cannot be reached or Dask is not installed."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--dask needs the package dask[distributed], which is in requirements-dev.txt; install it, or leave --dask "
            "out to use this machine's cores."
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with `dask scheduler` and "
            "give its address, as in tcp://127.0.0.1:8786."
        ) from None
    with client, parallel_config(backend="dask"):
        yield
