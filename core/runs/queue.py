"""The queue for the slots in which background runs work: fair between owners, and no death in it holds up the others.

Whoever waits holds a ticket, a file in `.queue` that is locked by its process and worth nothing once that has ended.
Tickets carry a round: one more than the owner's last waiting ticket, or than the round that is served. The lowest round
is served first, so that the next run of everybody comes before the second of anybody; in a round, the first come, but
not the owner who was served last (fair queuing with runs of one length; Demers, Keshav and Shenker 1989). Rounds and
numbers only count: no clock is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.base.errors import ArtifactError
from core.base.files import read_json, write_json
from core.runs.folders import data_root
from core.runs.lock import LOCK, is_locked

QUEUE, SERVED, TICKET = ".queue", "served.json", ".ticket"
NOBODY = "shared"  # in place of an owner, of runs that have none


@dataclass(frozen=True)
class Ticket:
    """One run that waits. number: counts who came; round: see above."""

    path: Path
    round: int
    number: int
    owner: str

    @classmethod
    def at(cls, path: Path) -> Ticket:
        round_, number, owner = path.stem.split("-", 2)
        return cls(path, int(round_), int(number), owner)


@contextmanager
def slot(
    root: Path | None = None,
    n_slots: int = 1,
    poll_seconds: float = 0.5,
    on_wait: Callable[[], None] | None = None,
    owner: str = "",
) -> Iterator[None]:
    """Wait for one of the slots in which background runs may work; `on_wait` is called once if none is free."""
    root = root or data_root() / "runs"
    queue = root / QUEUE
    queue.mkdir(parents=True, exist_ok=True)
    with _ticket(queue, owner or NOBODY) as mine:
        taken = _served(queue, mine, root, n_slots)
        while taken is None:
            if on_wait is not None:
                on_wait()
                on_wait = None
            time.sleep(poll_seconds)
            taken = _served(queue, mine, root, n_slots)
    try:
        yield
    finally:
        taken.release()


@contextmanager
def _ticket(queue: Path, owner: str) -> Iterator[Ticket]:
    """Stand in the queue until the block ends."""
    with FileLock(queue / LOCK):
        waiting, (served, _) = _waiting(queue), _read_served(queue)
        round_ = 1 + max([served, *(ticket.round for ticket in waiting if ticket.owner == owner)])
        number = 1 + max((ticket.number for ticket in waiting), default=0)
        mine = Ticket(queue / f"{round_:09d}-{number:09d}-{owner}{TICKET}", round_, number, owner)
        lock = FileLock(mine.path)
        lock.acquire()
    try:
        yield mine
    finally:
        with FileLock(queue / LOCK):
            lock.release()
            mine.path.unlink(missing_ok=True)


def _served(queue: Path, mine: Ticket, root: Path, n_slots: int) -> FileLock | None:
    """The slot that is taken, where it is this ticket's turn and one is free."""
    with FileLock(queue / LOCK):
        served, last = _read_served(queue)
        turn = min(_waiting(queue), key=lambda ticket: (ticket.round, ticket.owner == last, ticket.number))
        taken = _free(root, n_slots) if turn.path == mine.path else None
        if taken is not None:
            write_json(queue / SERVED, {"round": max(served, mine.round), "owner": mine.owner})
        return taken


def _free(root: Path, n_slots: int) -> FileLock | None:
    """A slot that nobody holds, taken."""
    for index in range(n_slots):
        lock = FileLock(root / f".slot-{index}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    return None


def _waiting(queue: Path) -> list[Ticket]:
    """Tickets of the living; those that a dead process left are deleted. The queue is locked."""
    found = []
    for path in queue.glob(f"*{TICKET}"):
        if is_locked(path):
            found.append(Ticket.at(path))
        else:
            path.unlink(missing_ok=True)
    return found


def _read_served(queue: Path) -> tuple[int, str]:
    """Round and owner that were served last; the beginning where that is not told."""
    try:
        told = read_json(queue / SERVED)
        return int(told["round"]), str(told["owner"])
    except (ArtifactError, KeyError, TypeError, ValueError):
        return 0, ""
