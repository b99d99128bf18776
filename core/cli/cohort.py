"""Verbs that look at a cohort file, or extract one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.base.errors import CohortError


def add_cohort_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Look at a cohort file, or extract one."""
    verb = verbs.add_parser("check", help="list every problem of a cohort file")
    verb.add_argument("file", type=Path)
    verb.add_argument("--study", help="TOML file of the study (default: the ICU heparin study)")
    verb.set_defaults(function=check)

    verb = verbs.add_parser("extract", help="build a cohort from a folder of an EHR database")
    verb.add_argument("database", choices=("mimic-iv",))
    verb.add_argument("source", type=Path, help="folder that holds hosp/ and icu/")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--population", choices=("sepsis", "platelets"), default="sepsis",
                      help="sepsis by ICD code and platelets < 150, or platelets < 150 alone")  # fmt: skip
    verb.set_defaults(function=extract)


def check(options: argparse.Namespace) -> int:
    from core.cohort import load_cohort, report_text

    try:
        cohort = load_cohort(options.file, options.study)
    except CohortError as error:
        if error.report is None:
            raise
        print(report_text(error.report))
        print(f"check: {options.file} cannot be used: {len(error.report.errors)} errors.", file=sys.stderr)
        return 2
    print(report_text(cohort.report))
    return 0


def extract(options: argparse.Namespace) -> None:
    from core.cohort.extract import ExtractOptions, extract_mimic_iv, save_extraction

    result = extract_mimic_iv(options.source, ExtractOptions(population=options.population))
    save_extraction(result, options.out)
    for step in result.attrition:
        print(f"{step.patients_left:>8,} stays left after: {step.reason}")
    print("\n".join(f"- {note}" for note in result.notes))
    print(f"{options.out}: {result.frame['traj'].nunique():,} stays, {len(result.frame):,} steps")
