"""Verbs that train a run, and make something of a finished one."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.shared import DEMO_PATIENTS, overrides, positive, print_progress, print_smallness, terminate

if TYPE_CHECKING:
    from core.icu.config import RunConfig


def add_run_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Train a run, and what is made of a finished one."""
    verb = verbs.add_parser("train", help="run the whole study on a cohort file; the same command resumes a killed run")
    verb.add_argument("file", type=Path)
    verb.add_argument("--run", type=Path, required=True, help="run folder")
    verb.add_argument("--preset", choices=("quick", "standard", "published"), default="standard")
    verb.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE", help="as in encoder.epochs=5")
    verb.add_argument("--study", help="TOML file of the study")
    verb.add_argument("--name", default="", help="name that the app shows")
    verb.add_argument("--owner", default="", help=argparse.SUPPRESS)
    verb.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    verb.set_defaults(function=train)

    verb = verbs.add_parser("evaluate", help="value of every policy of a run on a cohort, as JSON")
    verb.add_argument("run", type=Path)
    verb.add_argument("--cohort", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--clusters", type=positive, help="K (default: the run's)")
    verb.add_argument("--lambda", dest="lambda_", type=float, help="lambda (default: the run's)")
    verb.add_argument("--mode", choices=("prospective", "retrospective"), help="default: the run's")
    verb.add_argument(
        "--clinicians",
        choices=("auto", "own", "development"),
        default="auto",
        help="on another cohort: divide by its own clinicians' habits (auto: where it is large enough) or by those of "
        "the run's development cohort",
    )
    verb.set_defaults(function=evaluate)

    verb = verbs.add_parser("report", help="one self-contained HTML file about a finished run")
    verb.add_argument("run", type=Path)
    verb.add_argument("--out", type=Path, required=True, help=".html")
    verb.set_defaults(function=report)

    verb = verbs.add_parser("demo", help="build the app's default run from a simulated cohort")
    verb.add_argument("--patients", type=positive, default=DEMO_PATIENTS)
    verb.set_defaults(function=demo)


def train(options: argparse.Namespace) -> None:
    from core.cohort import load_cohort
    from core.icu.config import load_preset
    from core.icu.pipeline import run_study
    from core.runs.jobs import background_run

    config = load_preset(options.preset, overrides(options.set))
    if options.background:
        with background_run(options.run):
            cohort = load_cohort(options.file, options.study, columns=outcome_column(config))
            for _ in run_study(cohort, config, options.run, name=options.name, owner=options.owner):
                pass
        return
    signal.signal(signal.SIGTERM, terminate)
    cohort = load_cohort(options.file, options.study, columns=outcome_column(config))
    print_smallness(cohort)
    print_progress(run_study(cohort, config, options.run, name=options.name, owner=options.owner))


def outcome_column(config: RunConfig) -> dict[str, str] | None:
    """Which column of the file is the outcome, where the settings name one (a file may hold several)."""
    label = config.run.outcome_label
    return None if label == "outcome" else {label: "outcome"}


def evaluate(options: argparse.Namespace) -> None:
    from core.base.files import write_json
    from core.cohort import load_cohort
    from core.icu.pipeline import evaluate_run
    from core.icu.view import RunView

    view = RunView(options.run)
    cohort = load_cohort(options.cohort, view.study)
    result = evaluate_run(view, cohort, options.clusters, options.lambda_, options.mode, options.clinicians)
    write_json(options.out, result)
    for name, values in result["policies"].items():
        numbers = (values["phwdr"][key] for key in ("value", "low", "high", "ess"))
        value, low, high, ess = (float("nan") if number is None else number for number in numbers)
        print(f"{name:<16} PHWDR {value:7.3f} [{low:7.3f}, {high:7.3f}]   ESS {ess:8.1f}   {values['support']}")
    print(f"{options.out}: {result['cohort']['note']} {result['cohort']['clinicians_note']}")


def report(options: argparse.Namespace) -> None:
    from core.report import write_report

    print(write_report(options.run, options.out))


def demo(options: argparse.Namespace) -> None:
    from core.icu.pipeline import build_demo

    print_progress(build_demo(options.patients))
