"""Check a table against the rules of a registry: every problem, attrition, summary; never an exception."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from core.cohort.report import CohortReport, Problem
from core.registry.spec import RegistrySpec


@dataclass(frozen=True, eq=False)
class Checked:
    """A report, and the table as `RegistryCohort.frame`; None where it cannot be used."""

    report: CohortReport
    frame: pd.DataFrame | None


def examine(frame: pd.DataFrame, spec: RegistrySpec) -> Checked:
    """`check_registry` that also returns the mended table."""
    missing = [name for name in spec.columns if name not in frame.columns]
    problems = tuple(Problem("missing-column", "the column is missing.", column=name) for name in missing)
    facts = {"rows": len(frame), "patients": 0 if missing else frame["patient"].nunique()}
    report = CohortReport(problems, (), facts)
    if missing:
        return Checked(report, None)
    ordered = frame[list(spec.columns)].sort_values(["patient", "stage"], ignore_index=True)
    return Checked(report, ordered)
