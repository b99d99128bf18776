"""Open a folder of EHR tables in DuckDB: one view per table, columns as text, optional columns NULL where missing."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ExtractError

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".csv.gz", ".csv")


@dataclass(frozen=True)
class Table:
    """A table of the source: its folder, the columns it must have, and those used where present."""

    folder: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    may_lack: bool = False  # the whole table may be missing; the view is then empty


def connect(scratch: Path, memory_gb: float, threads: int) -> duckdb.DuckDBPyConnection:
    """A database file in `scratch`, so that tables larger than memory spill to disk.

    Joins run as written, the large side first: DuckDB cannot know the rows of a CSV file, takes it for tiny, and would
    build its hash table from 300 million of them.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_gb}GB",
        "disabled_optimizers": "join_order,build_side_probe_side",
        "preserve_insertion_order": False,  # order is asked for where it matters; keeping it would buffer whole tables
        "threads": threads,
        "temp_directory": str(scratch / "spill"),
    }
    return duckdb.connect(str(scratch / "extract.duckdb"), config=config)


def open_tables(
    db: duckdb.DuckDBPyConnection, source: Path, tables: Mapping[str, Table], layout: str
) -> dict[str, set[str]]:
    """Create a view `raw_<table>` for each table; returns the columns of each file.

    `ExtractError` lists everything that is missing at once.

    All columns are read as text: a type guessed from the first rows of a table of 300 million would fail late.
    """
    _check_folder(source, tables, layout)
    problems: list[str] = []
    found: dict[str, set[str]] = {}
    for name, table in tables.items():
        path = find_table(source, table.folder, name)
        if path is None:
            if table.may_lack:
                _empty_view(db, name, table)
            else:
                problems.append(f"table {table.folder}/{name} is missing (looked for {name}.csv.gz and {name}.csv)")
            continue
        header = read_header(path)
        found[name] = set(header)
        lacking = [column for column in table.required if column not in header]
        if lacking:
            problems.append(f"table {table.folder}/{path.name} has no column {', '.join(lacking)}")
        else:
            _view(db, name, table, path, header)
    if problems:
        raise ExtractError(
            f"{source} cannot be extracted: {'; '.join(problems)}. Download the missing files of {layout} again, "
            f"and keep their folders and column names as released."
        )
    return found


def find_table(source: Path, folder: str, name: str) -> Path | None:
    """Path of a table, compressed or not, or None."""
    for suffix in SUFFIXES:
        path = source / folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file, lower case; `ExtractError` where it cannot be read."""
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open("rt", newline="") as file:
            return [name.strip().lower() for name in next(csv.reader(file), [])]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ExtractError(f"{path} cannot be read as a CSV table: {error}. Download the file again.") from None


def _check_folder(source: Path, tables: Mapping[str, Table], layout: str) -> None:
    if not source.is_dir():
        raise ExtractError(f"{source} is not a folder; give the folder that holds the tables of {layout}.")
    folders = sorted({table.folder for table in tables.values()})
    if any((source / folder).is_dir() for folder in folders):
        return
    inner = [str(path.parent) for path in sorted(source.glob(f"*/{folders[0]}"))]
    hint = f"Did you mean {inner[0]}?" if inner else f"Give the folder of {layout} as it was unpacked."
    raise ExtractError(f"{source} holds none of the folders {', '.join(folders)}. {hint}")


def _view(db: duckdb.DuckDBPyConnection, name: str, table: Table, path: Path, header: list[str]) -> None:
    wanted = [f'"{column}"' for column in table.required]
    wanted += [f'"{c}"' if c in header else f'NULL::VARCHAR AS "{c}"' for c in table.optional]
    columns = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in header)
    reader = (
        f"read_csv({_text(str(path))}, columns={{{columns}}}, header=true, auto_detect=false, delim=',', quote='\"')"
    )
    db.execute(f"CREATE VIEW raw_{name} AS SELECT {', '.join(wanted)} FROM {reader}")


def _empty_view(db: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    columns = ", ".join(f'NULL::VARCHAR AS "{column}"' for column in (*table.required, *table.optional))
    db.execute(f"CREATE VIEW raw_{name} AS SELECT {columns} WHERE false")


def _text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"
