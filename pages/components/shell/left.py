"""Visitors who left: their sessions are let go in time, and what these held goes back to the machine.

Streamlit keeps the session of a lost connection for two minutes, in case its browser comes back. It drops what is over
when the next visitor leaves, so that after the last one everything stayed until somebody came again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from core.base.memory import hand_back

LOG = logging.getLogger(__name__)
LOOK = 30.0  # seconds between two looks at who is gone


@asynccontextmanager
async def letting_go(app: object) -> AsyncIterator[None]:
    """As long as the server lives, let go of the sessions to which nobody came back."""
    looking = asyncio.create_task(_look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _look() -> None:
    """Look for ever; what goes wrong is logged once, and the next look may go well."""
    told = False
    while True:
        await asyncio.sleep(LOOK)
        try:
            if let_go():
                hand_back()
        except Exception:
            if not told:
                LOG.exception("sessions of visitors who left cannot be let go of; the next attempts fail silently")
            told = True


def let_go() -> int:
    """Drop the sessions that are over, and say how many. The names are Streamlit's own; its version is pinned."""
    from streamlit.runtime import get_instance

    sessions: Any = get_instance()._session_mgr
    with sessions._storage_lock:
        over = sessions._session_storage._cache.expire()
    return len(over)
