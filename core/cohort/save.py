"""Write a cohort so that `load_cohort` reads back the same data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from core.cohort.cohort import Cohort
from core.cohort.columns import IMPUTED
from core.study import StudySpec
from core.tables.write import write_frame


def save_cohort(cohort: Cohort, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz`, by the ending of the path; returns the path.

    Values, order and `data_hash` survive in all formats. Parquet also keeps the origin (so that a simulated cohort is
    known as one), which values were imputed, and the report (who was left out, what was mended); CSV holds the table
    alone. The file appears under its name only when complete. Raises `CohortError` for another ending or a folder that
    cannot be written.
    """
    frame = cohort.frame if cohort.extra is None else pd.concat([cohort.frame, cohort.extra], axis=1)
    return write_frame(frame, Path(path), cohort.origin, cohort.report, _flags(cohort.imputed))


def _flags(imputed: np.ndarray | None) -> dict[str, pa.Array]:
    """The imputation flags (rows, D), packed to bits, as one binary column; nothing where none is set."""
    if imputed is None or not imputed.any():
        return {}
    packed = np.packbits(imputed, axis=1)
    return {IMPUTED: pa.array([row.tobytes() for row in packed], type=pa.binary())}


def stored_flags(column: pd.Series, study: StudySpec) -> np.ndarray | None:
    """(rows, D) flags that `save_cohort` packed into a column; None where it is foreign."""
    packed, size = column.to_numpy(dtype=object), (study.n_columns + 7) // 8
    if not len(packed) or not all(isinstance(cell, bytes) and len(cell) == size for cell in packed):
        return None
    bits = np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(len(packed), size)
    return np.unpackbits(bits, axis=1, count=study.n_columns).astype(bool)
