"""Runs and uploads of one owner become another's: of a key that stood in an address, once its holder has a cookie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.base.errors import PhenoPolicyError, RunError
from core.runs.folders import data_root
from core.runs.job import JOB, read_record
from core.runs.lock import hold
from core.runs.manifest import MANIFEST, read_manifest
from core.runs.study import studies


def owned_runs(owner: str) -> list[Path]:
    """Folders of an owner's runs of every study."""
    found = [path.parent for study in studies() for path in sorted(study.folder.glob(f"*/{MANIFEST}"))]
    return [folder for folder in found if _is_owned(folder, owner)]


def adopt(before: str, owner: str) -> int:
    """Give runs and uploads of one owner to another; how many runs. Those at work keep theirs until they have ended."""
    moved = 0
    for folder in owned_runs(before):
        try:
            with hold(folder):
                read_manifest(folder).model_copy(update={"owner": owner}).write(folder)
                if (folder / JOB).is_file():
                    read_record(folder).model_copy(update={"owner": owner}).write(folder)
        except RunError:
            continue
        except PhenoPolicyError:
            pass  # the job's record is damaged, or of an earlier version: the manifest says whose the run is
        moved += 1
    _move(data_root() / "uploads" / before, data_root() / "uploads" / owner)
    return moved


def _is_owned(folder: Path, owner: str) -> bool:
    try:
        return read_manifest(folder).owner == owner
    except PhenoPolicyError:
        return False


def _move(source: Path, target: Path) -> None:
    """Move every file that the target lacks; uploads are named by their content, so that one of the same name is it."""
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        goal = target / path.relative_to(source)
        if path.is_file() and not goal.exists():
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, goal)
    shutil.rmtree(source, ignore_errors=True)
