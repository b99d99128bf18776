"""The same tables from csv.gz, Parquet, a DuckDB file and a PostgreSQL server give the same cohort."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, ExtractOptions, extract, extract_mimic_iv
from tests.cohort.hospital import hospital, write

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-made hospital as files."""
    return write(hospital(), tmp_path_factory.mktemp("csv"))


@pytest.fixture(scope="module")
def made(tables: Path) -> Extraction:
    return extract_mimic_iv(tables)


def each_table(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Folder, name and SQL of each table."""
    for path in sorted(folder.glob("*/*.csv*")):
        yield path.parent.name, path.name.split(".")[0], f"read_csv('{path}', all_varchar=true)"


def same(extraction: Extraction, made: Extraction) -> None:
    pd.testing.assert_frame_equal(extraction.frame, made.frame)
    pd.testing.assert_frame_equal(extraction.ages, made.ages)
    assert extraction.counts == made.counts
    assert extraction.attrition == made.attrition


def test_parquet_files_and_folders_of_parts(tables: Path, made: Extraction, tmp_path: Path) -> None:
    for folder, name, rows in each_table(tables):
        (tmp_path / folder).mkdir(exist_ok=True)
        if name != "chartevents":
            duckdb.execute(f"COPY (SELECT * FROM {rows}) TO '{tmp_path / folder / name}.parquet'")
            continue
        (tmp_path / folder / name).mkdir()
        for part, rule in (("a", "<"), ("b", ">=")):
            query = f"SELECT * FROM {rows} WHERE itemid {rule} '223000'"
            duckdb.execute(f"COPY ({query}) TO '{tmp_path / folder / name / part}.parquet'")
    same(extract_mimic_iv(tmp_path), made)


@pytest.mark.parametrize("prefix", ["", "mimiciv_"])
def test_a_duckdb_file_with_types_of_its_own(tables: Path, made: Extraction, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "mimic.duckdb"
    with duckdb.connect(str(path)) as db:
        for folder, name, rows in each_table(tables):
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {prefix}{folder}")
            db.execute(
                f"CREATE TABLE {prefix}{folder}.{name} AS SELECT * FROM {rows.replace(', all_varchar=true', '')}"
            )
    before = path.read_bytes()
    same(extract_mimic_iv(path), made)
    assert path.read_bytes() == before


def test_the_first_release_kept_persons_in_another_folder(tables: Path, made: Extraction, tmp_path: Path) -> None:
    shutil.copytree(tables, tmp_path / "old")
    (tmp_path / "old" / "core").mkdir()
    for name in ("patients", "admissions"):
        path = next((tmp_path / "old" / "hosp").glob(f"{name}.csv*"))
        path.rename(tmp_path / "old" / "core" / path.name)
    same(extract_mimic_iv(tmp_path / "old"), made)


def test_what_no_source_is_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"no database")
    with pytest.raises(ExtractError, match=r"x\.duckdb cannot be extracted"):
        extract_mimic_iv(tmp_path / "x.duckdb")
    with duckdb.connect(str(tmp_path / "empty.duckdb")):
        pass
    with pytest.raises(ExtractError, match=r"table hosp/patients is missing \(looked for patients in its schemas\)"):
        extract_mimic_iv(tmp_path / "empty.duckdb")


# ---------------------------------------------------------------- a real server

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def _as_server_user(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    """PostgreSQL refuses to run as root; Debian's package brings a user."""
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=120, **more)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Connection string of a server that this test starts and stops."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if POSTGRES is None:
        pytest.skip("no PostgreSQL server is installed (Debian's package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # pytest's own folders are too deep for the server's user
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        made = _as_server_user([str(POSTGRES / "initdb"), "-D", str(data), "-U", "reader", "-A", "trust"])
        assert made.returncode == 0, made.stderr
        started = _as_server_user(
            [str(POSTGRES / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"]
        )
        assert started.returncode == 0, started.stderr
        yield f"postgresql://reader@127.0.0.1:{port}/postgres"
    finally:
        _as_server_user([str(POSTGRES / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


def test_a_postgresql_server(server: str, tables: Path, made: Extraction) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for folder, name, rows in each_table(tables):
            frame = duckdb.execute(f"SELECT * FROM {rows}").df()
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS mimiciv_{folder}")
            columns = ", ".join(f'"{column}" text' for column in frame)
            connection.execute(f"CREATE TABLE mimiciv_{folder}.{name} ({columns})")
            with connection.cursor().copy(f"COPY mimiciv_{folder}.{name} FROM STDIN") as copy:
                for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
                    copy.write_row(row)
    extraction = extract("mimic-iv", server)
    same(extraction, made)
    assert "reader" not in extraction.provenance["Source"]
    with pytest.raises(ExtractError, match="the PostgreSQL server cannot be read"):
        extract("mimic-iv", server.replace("postgres?", "").rsplit("/", 1)[0] + "/nowhere", ExtractOptions())
