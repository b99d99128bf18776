"""Conferences as files, one each, named by their code: opened, found, changed under a lock, gone after a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from core.base.errors import ConfigError, PhenoPolicyError
from core.runs.folders import data_root
from core.teaching.codes import CODE, new_code
from core.teaching.conference import CaseSteps, Conference, Pace
from core.teaching.kept import change_kept, read_kept, write_kept

LASTS = 24 * 3600.0  # seconds
MOST_OPEN, MOST_OF_ONE = 200, 10  # conferences at once, in all and of one teacher
UNKNOWN = "there is no open conference with this code; ask the teacher for it."


def rooms_root() -> Path:
    """The folder of all open conferences."""
    return data_root() / "conferences"


def open_conference(
    teacher: str, run: str, data_hash: str, asked: CaseSteps, pace: Pace, now: float | None = None
) -> Conference:
    """Open a conference and return it with its code. `ConfigError` where too many are open."""
    now = time.time() if now is None else now
    root = rooms_root()
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        opened = _swept(root, now)
        own = sum(conference.teacher == teacher for conference in opened)
        if own >= MOST_OF_ONE or len(opened) >= MOST_OPEN:
            limit = f"{MOST_OF_ONE} of one teacher, {MOST_OPEN} in all"
            raise ConfigError(f"too many conferences are open ({limit}); close one, or wait: each lasts a day.")
        conference = Conference(
            code=new_code(),
            teacher=teacher,
            run=run,
            data_hash=data_hash,
            opened=now,
            pace=pace,
            cases=(asked,),
            step=asked.first,
        )
        write_kept(_path(conference.code), conference)
    return conference


def end_old(now: float | None = None) -> int:
    """Delete the conferences that are over, and say how many."""
    root = rooms_root()
    if not root.is_dir():
        return 0
    with FileLock(root / ".lock"):
        before = len(_all(root))
        return before - len(_swept(root, time.time() if now is None else now))


def find_conference(code: str, now: float | None = None) -> Conference:
    """The open conference of a code; `ConfigError`, the same for all reasons, where there is none."""
    path = _path(code)
    if not path.is_file():
        raise ConfigError(UNKNOWN)
    conference = read_kept(path, Conference)
    if _over(conference, time.time() if now is None else now):
        raise ConfigError(UNKNOWN)
    return conference


def change_conference(code: str, move: Callable[[Conference], Conference]) -> Conference:
    """Make a move of `core.teaching.conference` while nobody else does; what it refuses changes nothing."""
    find_conference(code)
    return change_kept(_path(code), Conference, move)


def close_conference(code: str, who: str) -> None:
    """Delete a conference with all that was chosen in it; only its teacher may."""
    if find_conference(code).teacher != who:
        raise ConfigError("only the teacher who opened a conference closes it.")
    _remove(_path(code))


def conferences_of(teacher: str, now: float | None = None) -> list[Conference]:
    """Open conferences of a teacher, the newest first."""
    now = time.time() if now is None else now
    found = [c for c in _all(rooms_root()) if c.teacher == teacher and not _over(c, now)]
    return sorted(found, key=lambda conference: -conference.opened)


def _path(code: str) -> Path:
    if not CODE.fullmatch(code):  # a code comes from outside, and names a file
        raise ConfigError(UNKNOWN)
    return rooms_root() / f"{code}.json"


def _over(conference: Conference, now: float) -> bool:
    return now - conference.opened > LASTS


def _all(root: Path) -> list[Conference]:
    found = []
    for path in root.glob("*.json"):
        try:
            found.append(read_kept(path, Conference))
        except PhenoPolicyError:  # closed a moment ago, or damaged: not one that can be joined
            continue
    return found


def _swept(root: Path, now: float) -> list[Conference]:
    """All open conferences, after those that are over were deleted."""
    opened = []
    for conference in _all(root):
        if _over(conference, now):
            _remove(_path(conference.code))
        else:
            opened.append(conference)
    return opened


def _remove(path: Path) -> None:
    lock = path.with_suffix(".lock")
    with FileLock(lock):  # a move under way would write the file again
        path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
