"""What an extraction is at: one thread extracts and tells, another asks and shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from core.base.types import Progress

if TYPE_CHECKING:
    import duckdb

Result = TypeVar("Result")
POLL = 0.3  # seconds
WHOLE = 100  # units of a part of the work


@dataclass
class Watch:
    """The part that is being worked on, `done` of `total` being finished; `values` that were kept so far."""

    part: str = "opening the tables"
    done: int = 0
    total: int = 1
    values: int = 0
    db: duckdb.DuckDBPyConnection | None = None

    def begin(self, db: duckdb.DuckDBPyConnection, parts: int) -> None:
        """Tell that `parts` pieces of work are to come."""
        self.db, self.done, self.total, self.values = db, 0, parts + 1, 0

    def at(self, part: str, values: int = 0) -> None:
        """Tell that a piece of work is over, and the next one is at hand."""
        self.part, self.done, self.values = part, min(self.done + 1, self.total - 1), values or self.values

    def progress(self) -> Progress:
        """How far the work is, with the engine's own estimate within a part."""
        percent = 0.0
        if self.db is not None:
            with suppress(Exception):  # the engine has closed since: the next answer is the last
                percent = self.db.query_progress()
        done = WHOLE * self.done + int(min(max(percent, 0.0), WHOLE - 1))
        return Progress("extract", done, WHOLE * self.total, f"{self.part}; {self.values:,} values kept")

    def interrupt(self) -> None:
        """End the engine's work, where there is any."""
        if self.db is not None:
            with suppress(Exception):
                self.db.interrupt()


class Watched(Generic[Result]):
    """Work done in a thread: going through it yields how far it is, then `result` is there.

    Who stops going through it ends the work. An error of the work is raised at its end.
    """

    result: Result

    def __init__(self, work: Callable[[Watch], Result]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[Progress]:
        watch = Watch()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self._work, watch)
            try:
                while not wait([future], POLL).done:
                    yield watch.progress()
            finally:
                watch.interrupt()
        self.result = future.result()
