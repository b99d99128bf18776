"""Write an extraction to a cohort file, with its missing values left missing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from core.base.errors import ExtractError
from core.base.files import write_atomic
from core.cohort.extract.result import Extraction
from core.tables.origin import Origin
from core.tables.report import CohortReport
from core.tables.write import write_frame


def save_extraction(extraction: Extraction, path: str | Path) -> Path:
    """Write `.parquet`, `.csv` or `.csv.gz` for `load_cohort`, which imputes and keeps note of it; returns the path.

    Nothing is imputed here, so that the medians can come from the training patients alone. Parquet also keeps the
    attrition, where the stays come from and by which definitions, and the age of each value ("age: <column>", hours).
    The file appears under its name only when complete. Raises `ExtractError` for another ending or a folder that
    cannot be written.
    """
    path = Path(path)
    frame = extraction.frame
    if path.suffix == ".parquet":
        frame = pd.concat([frame, extraction.ages], axis=1)
    return write_frame(
        frame, path, Origin("recorded", like=extraction.database), report_of(extraction), error=ExtractError
    )


def report_of(extraction: Extraction) -> CohortReport:
    """The attrition and every sentence about the extraction, as the cohort's report keeps them."""
    return CohortReport(attrition=extraction.attrition, notes=extraction.lines())


def save_study(extraction: Extraction, cohort_file: str | Path) -> Path:
    """Write the study that the stays were cut by (steps of another length scale it) beside the cohort file, as JSON."""
    path = Path(cohort_file)
    path = path.with_name(f"{path.name.split('.')[0]}.study.json")
    text = extraction.study.model_dump_json(indent=1)
    write_atomic(path, lambda file: file.write(text.encode()))
    return path
