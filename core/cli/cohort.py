"""Verbs that make a cohort file, or look at one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.base.errors import CohortError
from core.base.worlds import EFFECTS
from core.cli.shared import DEMO_PATIENTS, positive


def add_cohort_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make a cohort file, or look at one."""
    verb = verbs.add_parser("simulate", help="write a simulated cohort")
    verb.add_argument("--like", choices=("mimic-iv", "eicu"), default="mimic-iv", help="published cohort to resemble")
    verb.add_argument("--patients", type=positive, default=DEMO_PATIENTS)
    verb.add_argument("--seed", type=int, default=0)
    add_world(verb)
    verb.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .csv.gz")
    verb.set_defaults(function=simulate)

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


def add_world(verb: argparse.ArgumentParser) -> None:
    """Options that choose the simulated world; named as the arguments of `simulate_cohort`."""
    verb.add_argument("--effect", choices=EFFECTS, default="full",
                      help="what heparin does; none: nothing, so that every policy is worth the same")  # fmt: skip
    verb.add_argument("--confounding", type=float, default=0.0, metavar="S",
                      help="clinicians who know the hidden phenotype: log odds of a dose rise by S in the sick one and "
                      "fall by S in the healthy one (S < 0: the other way round)")  # fmt: skip
    verb.add_argument("--irregular", action="store_true", help="clinicians who follow sharp protocols, no smooth line")
    verb.add_argument("--memory", action="store_true",
                      help="second version: heparin in courses, held in danger; onset at first low count")  # fmt: skip
    verb.add_argument("--late-starts", type=float, metavar="SHARE",
                      help="share of stays whose record starts late in the window; adds a column hours")  # fmt: skip


def simulate(options: argparse.Namespace) -> None:
    from core.cohort import save_cohort, simulate_cohort

    world = {name: getattr(options, name) for name in ("effect", "confounding", "irregular", "late_starts", "memory")}
    cohort, _ = simulate_cohort(like=options.like, n_patients=options.patients, seed=options.seed, **world)
    save_cohort(cohort, options.out)
    died = float((cohort.outcomes < 0).mean())
    kind = f"patients of the world {cohort.origin.world}" if cohort.origin.world else "patients"
    print(f"{options.out}: {cohort.n_patients:,} simulated {kind}, {len(cohort.frame):,} steps, mortality {died:.1%}")


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
