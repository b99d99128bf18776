"""The lock that proves that a run is alive: it falls with the process that holds it, however that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.base.errors import RunError

LOCK = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs; one process may hold it twice (waiting, then running).

    Raises `RunError` where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=1)  # a page that asks `is_held` takes the lock for a moment
    except Timeout:
        raise RunError(f"another process is already working on {folder}; wait for it or cancel it.") from None
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """True while a live process works on the folder."""
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
