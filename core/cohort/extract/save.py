"""Write an extraction to a cohort file, with its missing values left missing."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ExtractError
from core.cohort.extract.options import Extraction
from core.tables.origin import Origin
from core.tables.report import CohortReport
from core.tables.write import write_frame


def save_extraction(extraction: Extraction, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz` for `load_cohort`, which imputes and keeps note of it; returns the path.

    Nothing is imputed here, so that the medians can come from the training patients alone. Parquet also keeps the
    attrition and names the database the stays come from. The file appears under its name only when complete. Raises
    `ExtractError` for another ending or a folder that cannot be written.
    """
    origin = Origin("recorded", like=extraction.database)
    report = CohortReport(attrition=extraction.attrition)
    return write_frame(extraction.frame, Path(path), origin, report, error=ExtractError)
