"""What killed programs left in a data folder: never read, since its name is hidden, and cleared away here.

Several servers may work on one data folder, so that another may delete the same at the same time, or be writing still.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from core.base.files import PART, files_below

GONE = ".gone-"  # of folders that are being deleted, see `core.keep.delete`
LONGEST_WRITE = 24 * 3600  # seconds; what is older is nobody's any more


def clear(root: Path, now: float | None = None) -> list[Path]:
    """Delete half-written files that no writer has touched for a day, and folders whose deletion was cut short."""
    now = time.time() if now is None else now
    left = [path for path in files_below(root) if _half_written(path) and now - _touched(path, now) > LONGEST_WRITE]
    for path in left:
        path.unlink(missing_ok=True)
    gone = [folder for home in (root, *_folders(root)) for folder in remove_gone(home)]
    return left + gone


def remove_gone(home: Path) -> list[Path]:
    """Finish the deletions in a folder of folders that were cut short."""
    found = list(home.glob(f"{GONE}*"))
    for folder in found:
        remove_tree(folder)
    return found


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, also while somebody else does."""
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:  # somebody else took a file out before us
            continue


def _half_written(path: Path) -> bool:
    """By its name: see `core.base.files.write_atomic`, and the upload that is stored before it is entered."""
    return path.name.startswith(".") and path.suffix in (PART, ".parquet")


def _touched(path: Path, now: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return now


def _folders(root: Path) -> Iterator[Path]:
    """Folders of kept folders: `runs`, `registry`, `uploads` and each owner's."""
    for home in sorted(path for path in root.glob("[!.]*") if path.is_dir()):
        yield home
        if home.name == "uploads":
            yield from (path for path in sorted(home.glob("[!.]*")) if path.is_dir())
