"""Where runs lie, who may see them, and files that nobody else on the machine can read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.base.shipped import INSTALLED, shipped

PRIVATE = 0o077  # the umask of what holds patients: for the user of this process alone


def data_root() -> Path:
    """The folder that PHENOPOLICY_DATA names, or `data/` of the checkout; once installed, the user's data folder."""
    named = os.environ.get("PHENOPOLICY_DATA")
    if named or not INSTALLED:
        return Path(named or shipped())
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "phenopolicy"


def owner_of(key: str) -> str:
    """The owner that files name in place of a visitor's key, from which the key cannot be told; "" (shared) for ""."""
    return hashlib.sha256(f"phenopolicy owner {key}".encode()).hexdigest()[:32] if key else ""


@contextmanager
def private_files() -> Iterator[None]:
    """Within it, files and folders are made for this user alone; the umask is the whole process's."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)
