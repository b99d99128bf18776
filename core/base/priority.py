"""Work that nobody looks at gives way to what somebody waits for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil

LOW = 10  # of Unix: each step is about a tenth less


def give_way(pid: int) -> None:
    """Lower a process, and what it will start. One that is over, or may not be touched, stays as it is.

    Linux shares the processors among sessions first, and looks at single processes only within one. So a process that
    leads a session of its own is lowered as a session too; it would take as much as all others together else.
    """
    with suppress(psutil.Error, OSError):
        psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else LOW)
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists() and os.getsid(pid) == pid:
            group.write_text(str(LOW), encoding="ascii")
