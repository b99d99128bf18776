"""Memory: what is free, and what nothing uses any more, handed back; the latter needs glibc, else nothing is done."""

from __future__ import annotations

import ctypes
import gc
import os

import psutil

MOST_ARENAS = -8  # M_ARENA_MAX of malloc.h
ARENAS = 2


def keep_few_arenas() -> None:
    """Let threads share memory: glibc gives up to eight a core their own, each with its holes, and Python's threads
    take turns anyway. For threads that are still to come."""
    if (c := _c()) is not None and hasattr(c, "mallopt"):
        c.mallopt(MOST_ARENAS, ARENAS)


def hand_back() -> None:
    """Collect what only refers to itself, then have the C library return the pages that it keeps for later."""
    gc.collect()
    if (c := _c()) is not None and hasattr(c, "malloc_trim"):
        c.malloc_trim(0)


def free_memory() -> int:
    """Bytes that can be had without taking another program's."""
    return int(psutil.virtual_memory().available)


def _c() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if os.name == "posix" else None
