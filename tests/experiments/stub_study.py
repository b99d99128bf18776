"""A study that is done at once: a finished run is copied into the folder that was asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.base.types import Progress


def copied(run: Path) -> Callable[..., Iterator[Progress]]:
    """In place of `run_study`: whatever the cohort and the settings, the folder holds a copy of `run` in the end."""

    def study(_cohort: Any, _config: Any, folder: Path, name: str = "") -> Iterator[Progress]:
        if not folder.exists():
            shutil.copytree(run, folder, ignore=shutil.ignore_patterns(".lock"))
        yield Progress("evaluation", 1, 1, name)

    return study
