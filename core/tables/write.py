"""Write a cohort so that `load_cohort` reads back the same data."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.base.errors import CohortError, PhenoPolicyError
from core.base.files import write_atomic
from core.cohort.cohort import Cohort, Origin
from core.cohort.columns import IMPUTED
from core.tables.kept_report import report_metadata
from core.tables.origin import origin_metadata
from core.tables.report import CohortReport

ENDINGS = (".csv.gz", ".csv", ".parquet")


def save_cohort(cohort: Cohort, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz`, by the ending of the path; returns the path.

    Values, order and `data_hash` survive in all formats. Parquet also keeps the origin (so that a simulated cohort is
    known as one), which values were imputed, and the report (who was left out, what was mended); CSV holds the table
    alone. The file appears under its name only when complete. Raises `CohortError` for another ending or a folder that
    cannot be written.
    """
    frame = cohort.frame if cohort.extra is None else pd.concat([cohort.frame, cohort.extra], axis=1)
    return write_frame(frame, Path(path), cohort.origin, cohort.report, cohort.imputed)


def write_frame(
    frame: pd.DataFrame,
    path: Path,
    origin: Origin,
    report: CohortReport,
    imputed: np.ndarray | None = None,
    error: type[PhenoPolicyError] = CohortError,
) -> Path:
    """Write a table in cohort layout, as `save_cohort` does; `error` is raised where the path does not serve."""
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise error(f"{path.name}: a cohort is saved as .parquet, .csv or .csv.gz; choose one of these endings.")
    metadata = origin_metadata(origin) | report_metadata(report)
    try:
        write_atomic(path, lambda file: _write(frame, file, ending, metadata, imputed))
    except OSError as fault:
        raise error(f"{path} cannot be written: {fault.strerror or fault}.") from None
    return path


def _write(
    frame: pd.DataFrame, file: IO[bytes], ending: str, metadata: dict[bytes, bytes], imputed: np.ndarray | None
) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if ending == ".parquet":
        if imputed is not None and imputed.any():
            packed = np.packbits(imputed, axis=1)
            flags = pa.array([row.tobytes() for row in packed], type=pa.binary())
            table = table.append_column(IMPUTED, flags)
        table = table.replace_schema_metadata(metadata)
        pq.write_table(table, file, compression="zstd")
    elif ending == ".csv.gz":
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=5, mtime=0, filename="") as packed_file:
            pa_csv.write_csv(table, packed_file)
    else:
        pa_csv.write_csv(table, file)
