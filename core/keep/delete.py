"""Deletion: what is deleted is gone from every copy that the program made, and what still holds its rows is named."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from core.base.errors import RunError
from core.base.files import write_atomic
from core.keep.holdings import Holding, Kind, holdings
from core.keep.leftovers import GONE, remove_gone, remove_tree
from core.runs.lock import changing, hold
from core.runs.study import studies

STAMP = ".deleted"  # changes with every deletion, so that a server drops what it holds in memory
DAY = 24 * 3600


def delete(root: Path, what: Holding) -> None:
    """Delete one thing; `RunError` for a run at work. A folder is taken out of sight before its files go."""
    refuse_at_work(what)
    if what.kind == "run":
        with hold(what.path):
            gone = _out_of_sight(what.path)
        remove_tree(gone)
    elif what.kind == "policy":
        if not what.path.is_dir():  # it went with its run
            return
        with changing(what.path.parent):
            gone = _out_of_sight(what.path)
        remove_tree(gone)
    elif what.path.is_dir():
        with changing(what.path.parent):
            gone = _out_of_sight(what.path)
        remove_tree(gone)
    else:
        with changing(what.path.parent):
            for path in what.files:
                path.unlink(missing_ok=True)
    write_atomic(root / STAMP, lambda file: file.write(secrets.token_bytes(8)))


def refuse_at_work(what: Holding) -> None:
    """Raise `RunError` for a run at work."""
    if what.at_work:
        raise RunError(f"{what} is at work; cancel it, then delete it.")


def stamp(root: Path) -> bytes:
    """Tells whether anything was deleted since, by whichever process."""
    try:
        return (root / STAMP).read_bytes()
    except OSError:
        return b""


def past(root: Path, days: Mapping[Kind, float], now: float | None = None) -> list[Holding]:
    """What visitors made and is older than its kind is kept; days: by kind, 0 for ever. Runs at work stay."""
    if not any(days.values()):
        return []
    now = time.time() if now is None else now
    demos = {study.demo_folder for study in studies()}
    return [
        one
        for one in holdings(root)
        if days.get(one.kind, 0) > 0
        and now - one.created > days[one.kind] * DAY
        and (one.owner or one.kind == "link")
        and one.path not in demos
        and not one.at_work
    ]


def _out_of_sight(folder: Path) -> Path:
    """Rename a folder, in one step, to a name that nothing lists; what a stopped deletion leaves goes with the next."""
    remove_gone(folder.parent)
    gone = folder.with_name(f"{GONE}{secrets.token_hex(8)}")
    if folder.is_symlink():  # only the link is ours
        gone.mkdir()
        folder.unlink()
        return gone
    os.replace(folder, gone)
    return gone
