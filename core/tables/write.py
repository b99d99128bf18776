"""Write a table so that `read_table` reads back the same data."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.base.errors import CohortError, PhenoPolicyError
from core.base.files import write_atomic
from core.tables.kept_report import report_metadata
from core.tables.origin import Origin, origin_metadata
from core.tables.report import CohortReport
from core.tables.seal import seal

ENDINGS = (".csv.gz", ".csv", ".parquet")


def write_frame(
    frame: pd.DataFrame,
    path: Path,
    origin: Origin,
    report: CohortReport,
    beside: Mapping[str, pa.Array] | None = None,
    error: type[PhenoPolicyError] = CohortError,
) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz`, by the ending of the path; returns the path.

    Parquet also keeps the origin, the report and the columns `beside`, under checksums and a seal that `read_table`
    verifies; CSV holds the table alone. The file appears
    under its name only when complete. `error` is raised where the path does not serve.
    """
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise error(f"{path.name}: a cohort is saved as .parquet, .csv or .csv.gz; choose one of these endings.")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if ending == ".parquet":
        for name, column in (beside or {}).items():
            table = table.append_column(name, column)
        table = table.replace_schema_metadata(origin_metadata(origin) | report_metadata(report))
    try:
        write_atomic(path, lambda file: _write(table, file, ending))
    except OSError as fault:
        raise error(f"{path} cannot be written: {fault.strerror or fault}.") from None
    return path


def _write(table: pa.Table, file: IO[bytes], ending: str) -> None:
    if ending == ".parquet":
        packed = io.BytesIO()
        pq.write_table(table, packed, compression="zstd", write_page_checksum=True)
        file.write(seal(packed.getvalue()))
    elif ending == ".csv.gz":
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=5, mtime=0, filename="") as packed_file:
            pa_csv.write_csv(table, packed_file)
    else:
        pa_csv.write_csv(table, file)
