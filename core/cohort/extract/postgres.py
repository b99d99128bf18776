"""Tables of a PostgreSQL server: read only, one COPY a table, only the columns and codes that are wanted.

Needs the package psycopg, which nothing else does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ExtractError
from core.cohort.extract.concepts import Concepts
from core.cohort.extract.relation import Relation, serves, text

if TYPE_CHECKING:
    import duckdb
    from psycopg import sql


class Server:
    """A server behind a connection string; schemas named as the folders of the release, or mimiciv_hosp and so on."""

    looked_for = "{name} in its schemas"

    def __init__(self, db: duckdb.DuckDBPyConnection, address: str, concepts: Concepts, scratch: Path) -> None:
        try:
            import psycopg
        except ImportError:
            raise ExtractError(
                "reading from PostgreSQL needs the package psycopg; install psycopg[binary], or export the tables to "
                "files."
            ) from None
        self._db, self._concepts, self._scratch = db, concepts, scratch
        try:
            self._connection = psycopg.connect(address, options="-c default_transaction_read_only=on")
            rows = self._connection.execute("""SELECT table_schema, table_name, column_name
                FROM information_schema.columns
                WHERE table_schema NOT IN ('pg_catalog', 'information_schema')""").fetchall()  # fmt: skip
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise ExtractError(
                f"the PostgreSQL server cannot be read: {reason}. Check the connection string."
            ) from None
        info = self._connection.info
        self.label = f"database {info.dbname} on {info.host}"
        self._columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in rows:
            self._columns.setdefault((schema, table.lower()), []).append(column)

    def find(self, folder: str, name: str) -> Relation | None:
        """The table, copied to the scratch folder with the columns and codes that are wanted."""
        for (schema, table), columns in self._columns.items():
            if table == name and serves(schema, folder):
                return self._copy(schema, table, columns)
        return None

    def _copy(self, schema: str, table: str, columns: list[str]) -> Relation:
        from psycopg import sql

        described = self._concepts.tables.get(table)
        wanted = {*described.required, *described.optional} if described else set(columns)
        kept = [column for column in columns if column.lower() in wanted]
        fields = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in kept)
        query = sql.SQL("COPY (SELECT {} FROM {} {}) TO STDOUT (FORMAT csv, HEADER false)").format(
            fields, sql.Identifier(schema, table), self._only(table, columns)
        )
        path = self._scratch / f"{schema}.{table}.csv"
        with path.open("wb") as file, self._connection.cursor().copy(query) as copy:
            for block in copy:
                file.write(block)
        kinds = ", ".join(f"{text(column.lower())}: 'VARCHAR'" for column in kept)
        reader = (
            f"read_csv({text(str(path))}, columns={{{kinds}}}, header=false, auto_detect=false, delim=',', quote='\"')"
        )
        # A column that is not read counts as present: the source has it, and the view leaves it out.
        return Relation(reader, {column.lower(): column.lower() for column in kept}, f"{schema}.{table}")

    def _only(self, table: str, columns: list[str]) -> sql.Composable:
        """A WHERE clause for tables that are streams of codes alone; the largest of a release are."""
        from psycopg import sql

        names = [name for name, stream in self._concepts.streams.items() if stream.table == table and stream.code]
        if not names:
            return sql.SQL("")
        code = self._concepts.streams[names[0]].code
        codes = {
            code
            for concept in self._concepts.concepts.values()
            for source in concept.sources
            if source.stream in names
            for code in source.codes
        }
        return sql.SQL("WHERE {}::text = ANY({})").format(sql.Identifier(code), sql.Literal(sorted(codes)))
