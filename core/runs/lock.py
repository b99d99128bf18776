"""The lock that proves that a run is alive: it falls with the process that holds it, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.base.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

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


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Within it nobody else stores or deletes things of several files in a folder, on another server either."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        yield


def is_held(folder: Path) -> bool:
    """True while a live process works on the folder."""
    return is_locked(folder / LOCK)


def is_locked(path: Path) -> bool:
    """True while somebody holds a lock file.

    Asking writes nothing, so that it may be asked of what can only be read, and two who ask at once do not take each
    other for a holder.
    """
    if fcntl is None:
        return _cannot_be_had(path)
    try:
        asked = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(asked, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(asked)
    return False


def _cannot_be_had(path: Path) -> bool:
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
