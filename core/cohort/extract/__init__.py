"""Cohorts from electronic health records, in the layout that `load_cohort` reads."""

from core.cohort.extract.mimic import extract_mimic_iv
from core.cohort.extract.options import Extraction, ExtractOptions
from core.cohort.extract.save import save_extraction

__all__ = ["ExtractOptions", "Extraction", "extract_mimic_iv", "save_extraction"]
