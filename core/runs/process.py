"""The process of a run, known by its number and the time it began: a number alone is given to another one day."""

from __future__ import annotations

import os
import signal

import psutil

from core.base.config import Config

# The clock may be set between two looks, which moves all start times; no number comes round again within this time.
TOLERANCE_SECONDS = 2.0


class ProcessId(Config):
    """A process, or none (pid 0)."""

    pid: int = 0
    began: float = 0.0  # seconds since 1970, as the system tells it

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The process that has this number now; none where it is gone."""
        try:
            return cls(pid=pid, began=psutil.Process(pid).create_time()) if pid > 0 else cls()
        except psutil.Error:
            return cls()

    @property
    def alive(self) -> bool:
        """True while this very process runs; False for another one of its number, and for one that is only unreaped."""
        if self.pid <= 0:
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.began) <= TOLERANCE_SECONDS
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def end_group(self) -> bool:
        """Ask the process and those it started to end; False, and no signal, where it does not live or leads none."""
        try:
            if not self.alive or os.getpgid(self.pid) != self.pid:
                return False
            os.killpg(self.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            return False
        return True
