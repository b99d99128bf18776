"""The first visit of a page imports what the page needs, and nobody imports beside it.

Visitors who come at once to a fresh server would import the same modules in several threads, and one of them may find
a module half there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = threading.RLock()
_DRAWN: set[str] = set()  # pages that were drawn once, whatever came of it


@contextmanager
def alone_at_first(page: str) -> Iterator[None]:
    """Within it a page is drawn: the first time while no other page is drawn for the first time."""
    if page in _DRAWN:
        yield
        return
    with _TURN:
        try:
            yield
        finally:
            _DRAWN.add(page)
