"""A columnar copy of a database: the tables that an extraction reads, their described columns, the concepts' codes.

A table lies as <folder>/<table>/part-00000.parquet and so on; `extract` reads the folder like the release itself, and
yields the same cohort. CSV files are read in blocks, one part each, several files side by side; a copy that was
stopped goes on with the next block. What stands in a column stays the text that it was; of the columns that are kept
read, as numbers and times, only the text that cannot be read.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from core.base.errors import ExtractError
from core.base.types import Progress
from core.cohort.extract.concepts import Concepts, load_concepts
from core.cohort.extract.faults import in_words
from core.cohort.extract.manifest import CopiedTable, CopyManifest, read_manifest
from core.cohort.extract.options import ExtractOptions
from core.cohort.extract.relation import Relation, hidden
from core.cohort.extract.source import connect, find_tables, open_source
from core.cohort.extract.table_copy import copy_table, new_table
from core.cohort.extract.wanted import wanted

if TYPE_CHECKING:
    import duckdb

SCRATCH = ".work-"


def copy_source(
    database: str, source: str | Path, folder: str | Path, options: ExtractOptions | None = None
) -> Generator[Progress, None, None]:
    """Make or finish the copy of `source` in `folder`, yielding how far it is, with rows read and kept.

    options: memory of the database engine, and threads: as many files are read side by side. Raises `ExtractError`
    where a table is missing or damaged, or where the folder holds something else.
    """
    import duckdb

    options, folder, concepts = options or ExtractOptions(), Path(folder), load_concepts(database)
    manifest = _begun(database, hidden(source), folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for left in folder.glob(f"{SCRATCH}*"):
                rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
                db = connect(Path(scratch), options.memory_gb, options.threads)
                try:
                    opened = open_source(db, source, concepts, Path(scratch), frozenset())
                    tables = find_tables(opened, concepts)
                    threads = options.threads if opened.side_by_side else 1
                    yield from _Copy(db, concepts, tables, folder, Path(scratch), manifest).run(threads)
                finally:
                    db.close()
    except duckdb.Error as error:
        raise in_words(error, hidden(source), (), "making the copy") from error
    except Timeout:
        raise ExtractError(f"another program is making the copy in {folder}; wait for it.") from None


def _begun(database: str, source: str, folder: Path) -> CopyManifest:
    """The manifest of the folder, a new one where it is empty."""
    found = read_manifest(folder)
    if found is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ExtractError(f"{folder} holds what is no copy of a database; name an empty or a new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        found = CopyManifest(database=database, source=source)
        found.write(folder)
    if (found.database, found.source) != (database, source):
        raise ExtractError(
            f"{folder} is a copy of {found.database} from {found.source}; name another folder for {source}."
        )
    return found


class _Copy:
    """A copy under way: workers copy tables and note each part in the manifest; who waits is told."""

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        concepts: Concepts,
        tables: dict[str, Relation],
        folder: Path,
        scratch: Path,
        manifest: CopyManifest,
    ) -> None:
        self._db, self._concepts, self._relations = db, concepts, tables
        self._folder, self._scratch = folder, scratch
        self._tables = {name: self._so_far(name, manifest.tables.get(name)) for name in tables}
        self._manifest = manifest
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._news: queue.Queue[Future[None] | None] = queue.Queue()  # a part was written, or a table ended
        self._sizes = {name: _size(relation) for name, relation in tables.items()}
        self._begun, self._at_begin = time.monotonic(), self._consumed()

    def _so_far(self, name: str, found: CopiedTable | None) -> CopiedTable:
        """What is copied of a table; nothing where the source's file or the concepts have changed since."""
        new = new_table(self._relations[name], wanted(self._concepts, name))
        return found if found is not None and found.begun_as == new.begun_as else new

    def run(self, threads: int) -> Generator[Progress, None, None]:
        """Copy what is not copied yet, the largest files first."""
        names = [name for name, table in self._tables.items() if not table.done]
        if names:
            self._note(made="")
        with ThreadPoolExecutor(threads) as pool:
            try:
                for name in sorted(names, key=lambda name: -self._sizes[name]):
                    pool.submit(self._work, name).add_done_callback(self._news.put)
                left = len(names)
                while left:
                    ended = self._news.get()
                    if ended is not None:
                        ended.result()
                        left -= 1
                    progress = self._progress()
                    if progress.done < progress.total:
                        yield progress
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
        self._note(made=self._manifest.made or date.today().isoformat())
        yield self._progress()

    def _work(self, name: str) -> None:
        where = self._folder / self._concepts.tables[name].folders[0] / name
        with self._db.cursor() as db:
            scratch = self._scratch / f"{name}.csv"
            for table in copy_table(db, self._relations[name], self._tables[name], where, scratch):
                with self._lock:
                    self._tables[name] = table
                    self._note()
                self._news.put(None)
                if self._stop.is_set():
                    return

    def _note(self, made: str | None = None) -> None:
        changed: dict[str, object] = {"tables": dict(self._tables)}
        self._manifest = self._manifest.model_copy(update=changed if made is None else {**changed, "made": made})
        self._manifest.write(self._folder)

    def _consumed(self) -> int:
        """Bytes that were read; a table counts whole only when it is done."""
        sizes = self._sizes
        return sum(sizes[name] if table.done else min(table.consumed, sizes[name] - 1)
                   for name, table in self._tables.items())  # fmt: skip

    def _progress(self) -> Progress:
        """Bytes of the source's files that were read, and rows."""
        tables, done, total = self._tables, self._consumed(), sum(self._sizes.values())
        seconds, fresh = time.monotonic() - self._begun, done - self._at_begin
        rows, kept = (sum(getattr(table, name) for table in tables.values()) for name in ("rows", "kept"))
        at_work = ", ".join(name for name, table in tables.items() if table.parts and not table.done)
        message = f"{rows:,} rows read, {kept:,} kept" + (f"; at {at_work}" if at_work else "")
        left = seconds * (total - done) / fresh if fresh > 0 and done < total else None
        return Progress("copy", done, total, message, {"rows": rows, "kept": kept}, left)


def _size(relation: Relation) -> int:
    """Bytes of what holds the table; 1 where the engine does not tell, so that every table counts."""
    if relation.file is None or relation.file.suffix in (".duckdb", ".db"):
        return 1
    files = relation.file.glob("*.parquet") if relation.file.is_dir() else [relation.file]
    return max(sum(file.stat().st_size for file in files), 1)
