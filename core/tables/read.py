"""Read a table from CSV, gzipped CSV or Parquet; nothing in it is executed or unpickled."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd

from core.tables.csv_text import read_csv
from core.tables.kept_report import read_report
from core.tables.origin import Origin, read_origin
from core.tables.parquet import read_parquet
from core.tables.report import CohortReport, Problem
from core.tables.sniff import read_content


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as the file holds it, unchecked; columns of a CSV are text, cell by cell as written.

    `origin` and `earlier`, what was left out and mended before it was saved, come from Parquet metadata; `warnings`
    are about the file.
    """

    frame: pd.DataFrame
    origin: Origin = field(default_factory=Origin)
    warnings: tuple[Problem, ...] = ()
    earlier: CohortReport = field(default_factory=CohortReport)


def read_table(source: str | Path | IO[Any]) -> RawTable:
    """Read a path or file object (bytes or text, with or without `.name`) without checking what is in it.

    Raises `CohortError` where the file is no table: missing, empty, damaged, too large for its size or at all, of
    another format, not UTF-8, cut off, or with rows of unequal length (each listed by row).
    """
    content = read_content(source)
    if content.kind == "parquet":
        frame, metadata = read_parquet(content.data, content.budget)
        return RawTable(frame, read_origin(metadata), content.warnings, read_report(metadata))
    frame, warnings = read_csv(content.data, content.budget)
    return RawTable(frame, Origin(), content.warnings + warnings)
