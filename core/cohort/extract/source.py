"""Open an EHR database in DuckDB: a folder of .csv, .csv.gz or .parquet, a DuckDB file, or a PostgreSQL server.

Each table becomes a view `raw_<table>` with the described columns as text, NULL where an optional one is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ExtractError
from core.cohort.extract.concepts import Concepts, Table
from core.cohort.extract.dialect import read_header
from core.cohort.extract.manifest import check_copy, read_manifest
from core.cohort.extract.relation import Csv, Relation, Schemas, Source, text
from core.cohort.extract.wanted import Wanted, read_column, wanted

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".csv.gz", ".csv", ".parquet")
POSTGRES = ("postgresql://", "postgres://")


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
    db = duckdb.connect(str(scratch / "extract.duckdb"), config=config)
    db.execute("SET TimeZone = 'UTC'")  # what has a zone would else be told in that of this machine
    return db


def open_source(
    db: duckdb.DuckDBPyConnection, source: str | Path, concepts: Concepts, scratch: Path, latin: frozenset[str]
) -> Source:
    """The folder, file or server behind `source`; `ExtractError` where it is none. `latin`: tables in Latin-1."""
    if str(source).startswith(POSTGRES):
        from core.cohort.extract.postgres import Server

        return Server(str(source), scratch)
    path = Path(source)
    if path.is_file() and path.suffix in (".duckdb", ".db"):
        return DuckDBFile(db, path)
    _check_folder(path, concepts)
    copied = read_manifest(path)
    if copied is not None:
        check_copy(path, copied, concepts)
    return Folder(path, latin)


def find_tables(source: Source, concepts: Concepts) -> dict[str, Relation]:
    """The described tables that the source has; `ExtractError` lists everything that is missing at once."""
    problems: list[str] = []
    found: dict[str, Relation] = {}
    for name, table in concepts.tables.items():
        if table.made:
            continue
        relation = _find(source, name, table, wanted(concepts, name))
        if relation is None:
            if not table.may_lack:
                where = "/".join(part for part in (table.folders[0], name) if part)
                looked_for = source.looked_for(table.folders[0], name)
                problems.append(f"table {where} is missing (looked for {looked_for})")
            continue
        lacking = [column for column in table.required if column not in relation.columns]
        if lacking:
            problems.append(f"table {relation.label} has no column {', '.join(lacking)}")
        found[name] = relation
    if problems:
        raise ExtractError(
            f"{source.label} cannot be extracted: {'; '.join(problems)}. Download the missing files of "
            f"{concepts.layout} again, and keep their folders and column names as released."
        )
    return found


def open_tables(db: duckdb.DuckDBPyConnection, source: Source, concepts: Concepts) -> dict[str, set[str]]:
    """Create a view `raw_<table>` for each table, empty where it is missing; returns the columns of each one found.

    All columns are text: a type guessed from the first rows of a table of 300 million would fail late. A columnar copy
    has some of them as read, too.
    """
    found = find_tables(source, concepts)
    for name, table in concepts.tables.items():
        need = wanted(concepts, name)
        columns = need.columns
        if name in found:
            found[name].fetch()
            held = [read_column(*parsed) for parsed in need.parsed.items()]
            db.execute(f"CREATE VIEW raw_{name} AS {found[name].select(columns, as_is=held)}")
        elif not table.made:
            nothing = ", ".join(f'NULL::VARCHAR AS "{column}"' for column in columns)
            db.execute(f"CREATE VIEW raw_{name} AS SELECT {nothing} WHERE false")
    return {name: set(relation.columns) for name, relation in found.items()}


def _find(source: Source, name: str, table: Table, need: Wanted) -> Relation | None:
    for folder in table.folders:
        for file in (name, *table.files):
            relation = source.find(folder, file, need)
            if relation is not None:
                return relation
    return None


@dataclass(frozen=True)
class Folder:
    """Tables as files, compressed or not; a Parquet table may be a folder of parts."""

    path: Path
    latin: frozenset[str] = frozenset()
    side_by_side: bool = True

    @property
    def label(self) -> str:
        return str(self.path)

    def looked_for(self, folder: str, name: str) -> str:
        said = f"{name}.csv.gz, {name}.csv and {name}.parquet"
        like = [path.name for path in sorted((self.path / folder).glob("*")) if path.stem.lower().startswith(name)]
        return f"{said}; {', '.join(like[:3])} is not one of them, unpack or rename it" if like else said

    def find(self, folder: str, name: str, need: Wanted) -> Relation | None:
        for suffix in SUFFIXES:
            path = self.path / folder / f"{name}{suffix}"
            if path.is_file():
                return _parquet(path, str(path)) if suffix == ".parquet" else self._csv(path, folder)
        if "*" in name:
            found = sorted((self.path / folder).glob(f"{name}.parquet"))
            return _parquet(found[0], str(self.path / folder / f"{name}.parquet")) if found else None
        parts = self.path / folder / name
        if parts.is_dir() and any(parts.glob("*.parquet")):
            return _parquet(parts, str(parts / "*.parquet"))
        return None

    def _csv(self, path: Path, folder: str) -> Relation:
        header = read_header(path)
        file = Csv(path, header.names, path.name in self.latin, header.delimiter)
        label = f"{folder}/{path.name}".lstrip("/")
        return Relation(file.rows(), {name: name for name in file.names}, label, path, file)


def _parquet(path: Path, pattern: str) -> Relation:
    import pyarrow.parquet as pq

    first = path if path.is_file() else next(iter(sorted(path.glob("*.parquet"))))
    try:
        names = pq.read_schema(first).names
    except (OSError, ValueError) as error:
        raise ExtractError(f"{first} cannot be read as a Parquet table: {error}. Download the file again.") from None
    return Relation(f"read_parquet({text(pattern)})", {name.lower(): name for name in names}, path.name, path)


class DuckDBFile:
    """Tables of a DuckDB file, opened read only."""

    side_by_side = True

    def __init__(self, db: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.label, self._path = str(path), path
        db.execute(f"ATTACH {text(str(path))} AS source (READ_ONLY)")
        self._schemas = Schemas(
            db.execute("""SELECT schema_name, table_name, column_name FROM duckdb_columns()
                          WHERE database_name = 'source' AND NOT internal""").fetchall()
        )

    def looked_for(self, folder: str, name: str) -> str:
        return f"{name} in its schemas"

    def find(self, folder: str, name: str, need: Wanted) -> Relation | None:
        found = self._schemas.find(folder, name)
        if found is None:
            return None
        schema, table, columns = found
        named = {column.lower(): column for column in columns}
        return Relation(f'source."{schema}"."{table}"', named, f"{schema}.{table}", self._path)


def _check_folder(source: Path, concepts: Concepts) -> None:
    if not source.is_dir():
        raise ExtractError(f"{source} is not a folder; give the folder that holds the tables of {concepts.layout}.")
    folders = sorted({table.folders[0] for table in concepts.tables.values() if not table.made} - {""})
    if not folders or any((source / folder).is_dir() for folder in folders):
        return
    inner = [str(path.parent) for deep in ("*", "*/*") for path in sorted(source.glob(f"{deep}/{folders[0]}"))]
    inner = inner or [str(source.parent)] * (source.name in folders)
    hint = f"Give the folder of {concepts.layout} as it was unpacked, its tables in these folders."
    hint = f"Did you mean {inner[0]}?" if inner else hint
    raise ExtractError(f"{source} holds none of the folders {', '.join(folders)}. {hint}")
