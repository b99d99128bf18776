"""The process of a run, known by its number and the time it began: a number alone is given to another one day."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
from pydantic import Field

from core.base.config import Config

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Where the system tells nothing better; a clock that is corrected a little moves start times a little.
TOLERANCE_SECONDS = 2.0


class ProcessId(Config):
    """A process, or none (pid 0)."""

    pid: int = 0
    began: float = 0.0  # seconds since 1970, as the system tells it: moves with a clock that is set
    mark: str = Field(
        "", max_length=80
    )  # this start of the machine and the ticks since: no clock moves it; "": not told

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The process that has this number now; none where it is gone."""
        try:
            return cls(pid=pid, began=psutil.Process(pid).create_time(), mark=_mark(pid)) if pid > 0 else cls()
        except psutil.Error:
            return cls()

    @property
    def alive(self) -> bool:
        """True while this very process runs; False for another one of its number, and for one that is only unreaped."""
        if self.pid <= 0:
            return False
        try:
            process = psutil.Process(self.pid)
            return bool(self._is(process) and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def _is(self, process: psutil.Process) -> bool:
        mark = _mark(self.pid) if self.mark else ""
        if mark:
            return mark == self.mark
        return bool(abs(process.create_time() - self.began) <= TOLERANCE_SECONDS)

    def end_group(self) -> bool:
        """Ask the process and those it started to end; False, and no signal, where it does not live or leads none."""
        try:
            if not self.alive or os.getpgid(self.pid) != self.pid:
                return False
            os.killpg(self.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _mark(pid: int) -> str:
    """Which start of the machine, and clock ticks from then to the process's own (proc(5)); "" where not told."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{BOOT_ID.read_text(encoding='ascii').strip()} {ticks}"
    except (OSError, IndexError):
        return ""
