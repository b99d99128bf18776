"""A mechanistic simulator of ICU stays with known phenotypes, propensities and policy values, in chosen worlds.

patients -> physiology (hidden factors) -> measurement (the chart) -> clinicians or any policy -> physiology ... hazard
"""

from core.cohort.simulate.generate import ground_truth, simulate_cohort
from core.cohort.simulate.history import History, Policy
from core.cohort.simulate.policies import constant_policy, oracle_policy, random_policy
from core.cohort.simulate.report import CalibrationReport, calibration_report
from core.cohort.simulate.truth import GroundTruth, TrueValue
from core.cohort.simulate.world import World

__all__ = [
    "CalibrationReport",
    "GroundTruth",
    "History",
    "Policy",
    "TrueValue",
    "World",
    "calibration_report",
    "constant_policy",
    "ground_truth",
    "oracle_policy",
    "random_policy",
    "simulate_cohort",
]
