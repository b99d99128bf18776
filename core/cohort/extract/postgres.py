"""Tables of a PostgreSQL server: read only, one COPY a table, only the columns and codes that are wanted.

Needs the package psycopg, which nothing else does.
"""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ExtractError
from core.cohort.extract.relation import Relation, Schemas, text
from core.cohort.extract.wanted import Wanted


class Server:
    """A server behind a connection string."""

    side_by_side = False  # one connection

    def __init__(self, address: str, scratch: Path) -> None:
        try:
            import psycopg
        except ImportError:
            raise ExtractError(
                "reading from PostgreSQL needs the package psycopg; install psycopg[binary], or export the tables to "
                "files."
            ) from None
        self._scratch = scratch
        try:
            self._connection = psycopg.connect(address, options="-c default_transaction_read_only=on -c TimeZone=UTC")
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
        self._schemas = Schemas(rows)

    def looked_for(self, folder: str, name: str) -> str:
        return f"{name} in its schemas"

    def find(self, folder: str, name: str, need: Wanted) -> Relation | None:
        """The table; `fetch` copies the columns and codes that are wanted to the scratch folder."""
        found = self._schemas.find(folder, name)
        if found is None:
            return None
        schema, table, columns = found
        kept = [column for column in columns if column.lower() in need.columns]
        path = self._scratch / f"{schema}.{table}.csv"
        kinds = ", ".join(f"{text(column.lower())}: 'VARCHAR'" for column in kept)
        reader = (
            f"read_csv({text(str(path))}, columns={{{kinds}}}, header=false, auto_detect=false, delim=',', quote='\"')"
        )
        named = {column.lower(): column.lower() for column in kept}
        return Relation(reader, named, f"{schema}.{table}", fetch=lambda: self._fetch(schema, table, kept, need, path))

    def _fetch(self, schema: str, table: str, columns: list[str], need: Wanted, path: Path) -> None:
        from psycopg import sql

        fields = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)
        only: sql.Composable = sql.SQL("")
        if need.code:
            code = next(column for column in columns if column.lower() == need.code)
            only = sql.SQL(r"WHERE regexp_replace(btrim({}::text), '\.0+$', '') = ANY({})").format(
                sql.Identifier(code), sql.Literal(list(need.codes))
            )
        query = sql.SQL("COPY (SELECT {} FROM {} {}) TO STDOUT (FORMAT csv, HEADER false)").format(
            fields, sql.Identifier(schema, table), only
        )
        with path.open("wb") as file, self._connection.cursor().copy(query) as copy:
            for block in copy:
                file.write(block)
