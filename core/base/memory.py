"""Memory that nothing uses any more, handed back to the machine."""

from __future__ import annotations

import ctypes
import gc
import os


def hand_back() -> None:
    """Collect what only refers to itself, then have the C library return the pages that it keeps for later.

    Only glibc keeps them to a degree that matters, and only glibc has a call for it; elsewhere this collects alone.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
