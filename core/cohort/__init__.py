"""Read, check, simulate and split cohorts."""

from core.cohort.cohort import Cohort
from core.cohort.columns import needed_columns
from core.cohort.load import load_cohort, make_cohort, reimpute
from core.cohort.mapped import check_cohort
from core.cohort.save import save_cohort
from core.cohort.simulate import GroundTruth, History, TrueValue, ground_truth, simulate_cohort
from core.cohort.split import split_cohort
from core.tables.origin import Origin
from core.tables.read import RawTable, read_table
from core.tables.report import CohortReport, Exclusion, Problem
from core.tables.split import Split
from core.tables.text import report_text

__all__ = [
    "Cohort",
    "CohortReport",
    "Exclusion",
    "GroundTruth",
    "History",
    "Origin",
    "Problem",
    "RawTable",
    "Split",
    "TrueValue",
    "check_cohort",
    "ground_truth",
    "load_cohort",
    "make_cohort",
    "needed_columns",
    "read_table",
    "reimpute",
    "report_text",
    "save_cohort",
    "simulate_cohort",
    "split_cohort",
]
