"""One table of a columnar copy: Parquet parts, each written under its name only when whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from core.base.errors import ExtractError
from core.cohort.extract.blocks import blocks
from core.cohort.extract.concepts import Kind
from core.cohort.extract.faults import LINE, bad_line, not_utf8
from core.cohort.extract.manifest import CopiedTable
from core.cohort.extract.relation import Csv, Relation, text, texts
from core.cohort.extract.wanted import Wanted, read_column
from core.cohort.extract.work import PARSERS, code_of, plain_time

if TYPE_CHECKING:
    import duckdb

BLOCK_BYTES = 128 << 20  # of unpacked text in a part; bounds what a stop loses, not the memory


def new_table(relation: Relation, need: Wanted) -> CopiedTable:
    """A table of which nothing is copied yet."""
    columns = tuple(name for name in need.columns if name in relation.columns)
    parsed = {name: kind for name, kind in need.parsed.items() if name in columns}
    return CopiedTable(
        label=relation.label,
        stamp=stamp(relation.file),
        columns=columns,
        code=need.code,
        codes=need.codes,
        parsed=parsed,
    )


def stamp(file: Path | None) -> str:
    """What tells that a file is still the one that was read: its size and time of change."""
    if file is None:
        return ""
    about = file.stat()
    return f"{about.st_size} {about.st_mtime_ns}"


def copy_table(
    db: duckdb.DuckDBPyConnection, relation: Relation, so_far: CopiedTable, folder: Path, scratch: Path
) -> Iterator[CopiedTable]:
    """Go on with a table of which `so_far` is copied to `folder`, yielding how far it is after each part.

    scratch: a file that this table may use. A CSV file that turns out not to be UTF-8 is copied anew as Latin-1.
    """
    import duckdb

    if not so_far.parts:
        rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    relation.fetch()
    if relation.csv is None:
        kept = _write(db, relation, relation.sql, so_far, folder)
        rows = _count(db, relation.sql)
        yield so_far.model_copy(update={"parts": 1, "rows": rows, "kept": kept, "done": True})
        return
    file, at = replace(relation.csv, latin=so_far.latin), so_far
    try:
        for at in _copy_blocks(db, relation, file, so_far, folder, scratch):
            yield at
    except duckdb.Error as error:
        if so_far.latin or not not_utf8(str(error), [scratch.name]):
            if not LINE.search(str(error)):
                raise
            said = bad_line(str(error), relation.label, at.rows + 1)
            raise ExtractError(f"{said} Download the table again, or write that row anew.") from None
        latin = new_table(relation, Wanted(so_far.columns, so_far.code, so_far.codes, so_far.parsed)).model_copy(
            update={"latin": True}
        )
        yield from copy_table(db, relation, latin, folder, scratch)


def _copy_blocks(
    db: duckdb.DuckDBPyConnection, relation: Relation, file: Csv, at: CopiedTable, folder: Path, scratch: Path
) -> Iterator[CopiedTable]:
    lines = file.rows(scratch)
    for block in blocks(file.path, at.offset, BLOCK_BYTES, scratch):
        kept = _write(db, relation, lines, at, folder)
        rows = _count(db, lines) if block.lines is None else block.lines
        at = at.model_copy(
            update={
                "offset": block.end,
                "consumed": block.consumed,
                "parts": at.parts + 1,
                "rows": at.rows + rows,
                "kept": at.kept + kept,
            }
        )
        yield at
    if not at.parts:  # a table without rows still has its columns
        scratch.write_bytes(b"")
        _write(db, relation, lines, at, folder)
        at = at.model_copy(update={"parts": 1})
    scratch.unlink(missing_ok=True)
    yield at.model_copy(update={"consumed": file.path.stat().st_size, "done": True})


def _write(db: duckdb.DuckDBPyConnection, relation: Relation, rows: str, at: CopiedTable, folder: Path) -> int:
    """Write the next part; returns its rows."""
    select = relation.select(at.columns, rows)
    if at.code:
        code = code_of(at.code)
        select = f'SELECT * REPLACE ({code} AS "{at.code}") FROM ({select}) WHERE {code} IN ({texts(at.codes)})'
    if at.parsed:  # read once here, so that no extraction does it again; the text stays where that is not all it says
        held = {name: read_column(name, kind) for name, kind in at.parsed.items()}
        read = ", ".join(f'{PARSERS[kind](name)} AS "{held[name]}"' for name, kind in at.parsed.items())
        left = ", ".join(
            f'CASE WHEN {_says_more(name, kind)} THEN "{name}" END AS "{name}"' for name, kind in at.parsed.items()
        )
        select = f"SELECT * REPLACE ({left}) FROM (SELECT *, {read} FROM ({select}))"
    part = folder / f"part-{at.parts:05d}.parquet"
    hidden = part.with_name(f".{part.name}")
    written = db.execute(f"COPY ({select}) TO {text(str(hidden))} (FORMAT parquet)").fetchall()
    os.replace(hidden, part)
    return int(written[0][0])


def _says_more(name: str, kind: Kind) -> str:
    """SQL: whether the text of a column says what its reading does not: that it cannot be read, or how it was."""
    unread = f'"{read_column(name, kind)}" IS NULL'
    return f"{unread} OR NOT {plain_time(name)}" if kind == "moment" else unread


def _count(db: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
