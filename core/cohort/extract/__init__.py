"""Cohorts from electronic health records, in the layout that `load_cohort` reads."""

from core.cohort.extract.copy import copy_source
from core.cohort.extract.extraction import READERS, extract, extract_mimic_iv, extracting
from core.cohort.extract.options import ExtractOptions
from core.cohort.extract.result import Extraction
from core.cohort.extract.save import report_of, save_extraction, save_study

__all__ = [
    "READERS",
    "ExtractOptions",
    "Extraction",
    "copy_source",
    "extract",
    "extract_mimic_iv",
    "extracting",
    "report_of",
    "save_extraction",
    "save_study",
]
