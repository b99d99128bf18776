"""Command line: `python -m core VERB --help`.

Exit status: 0 done, 2 bad input (one-line reason on stderr), 1 a fault of ours.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from core.errors import CohortError, ConfigError, PhenoPolicyError
from core.registry.cli import add_registry_verb

if TYPE_CHECKING:
    from core.runs.config import RunConfig
    from core.types import Progress

DEMO_PATIENTS = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.function(options) or 0)
    except CohortError as error:
        print(str(error), file=sys.stderr)
        return 2
    except PhenoPolicyError as error:
        print(f"{options.verb}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0


def build_parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="PhenoPolicy's engine: phenotypes of ICU stays and the policies learned for them. "
        "Research and teaching only, never bedside advice.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    _add_cohort_verbs(verbs)
    _add_run_verbs(verbs)
    _add_experiment_verbs(verbs)
    add_registry_verb(verbs, positive)
    return parser


def _add_cohort_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make a cohort file, or look at one."""
    verb = verbs.add_parser("simulate", help="write a simulated cohort")
    verb.add_argument("--like", choices=("mimic-iv", "eicu"), default="mimic-iv", help="published cohort to resemble")
    verb.add_argument("--patients", type=positive, default=DEMO_PATIENTS)
    verb.add_argument("--seed", type=int, default=0)
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


def _add_run_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def _add_experiment_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Many runs held against each other."""
    verb = verbs.add_parser("experiment", help="presets x repeats with external validation, ending with tables")
    verb.add_argument("name", help="a file in data/presets/experiments by its name, or the path of a TOML file")
    verb.add_argument("--jobs", type=positive, default=0, help="runs at once (default: one for each core)")
    verb.add_argument(
        "--publish",
        action="store_true",
        help="in the end write what it found about settings and estimators to data/reference, where the pages quote it",
    )
    verb.set_defaults(function=experiment)

    verb = verbs.add_parser("sweep", help="n_clusters x lambda x seeds x presets on a cohort file, one row a cell")
    verb.add_argument("file", type=Path)
    verb.add_argument("--run", type=Path, required=True, help="folder of the sweep; holds a run a preset and seed")
    verb.add_argument("--grid", type=Path, required=True, help="TOML file, see core/experiments/sweep.py")
    verb.add_argument("--study", help="TOML file of the study")
    verb.add_argument("--jobs", type=positive, default=0, help="runs at once (default: one for each core)")
    verb.add_argument("--dask", default="", metavar="ADDRESS", help="Dask scheduler to work on, as tcp://HOST:8786")
    verb.set_defaults(function=sweep)


def simulate(options: argparse.Namespace) -> None:
    from core.cohort import save_cohort, simulate_cohort

    cohort, _ = simulate_cohort(like=options.like, n_patients=options.patients, seed=options.seed)
    save_cohort(cohort, options.out)
    died = float((cohort.outcomes < 0).mean())
    print(f"{options.out}: {cohort.n_patients:,} simulated patients, {len(cohort.frame):,} steps, mortality {died:.1%}")


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


def train(options: argparse.Namespace) -> None:
    from core.cohort import load_cohort
    from core.pipeline import run_study
    from core.runs.config import load_preset
    from core.runs.jobs import background_run

    config = load_preset(options.preset, overrides(options.set))
    if options.background:
        with background_run(options.run):
            cohort = load_cohort(options.file, options.study, columns=outcome_column(config))
            for _ in run_study(cohort, config, options.run, name=options.name, owner=options.owner):
                pass
        return
    signal.signal(signal.SIGTERM, _terminate)
    cohort = load_cohort(options.file, options.study, columns=outcome_column(config))
    print_progress(run_study(cohort, config, options.run, name=options.name, owner=options.owner))


def outcome_column(config: RunConfig) -> dict[str, str] | None:
    """Which column of the file is the outcome, where the settings name one (a file may hold several)."""
    label = config.run.outcome_label
    return None if label == "outcome" else {label: "outcome"}


def evaluate(options: argparse.Namespace) -> None:
    from core.cohort import load_cohort
    from core.files import write_json
    from core.pipeline import evaluate_run
    from core.runs.view import RunView

    view = RunView(options.run)
    cohort = load_cohort(options.cohort, view.study)
    result = evaluate_run(view, cohort, options.clusters, options.lambda_, options.mode, options.clinicians)
    write_json(options.out, result)
    for name, values in result["policies"].items():
        numbers = (values["phwdr"][key] for key in ("value", "low", "high", "ess"))
        value, low, high, ess = (float("nan") if number is None else number for number in numbers)
        print(f"{name:<16} PHWDR {value:7.3f} [{low:7.3f}, {high:7.3f}]   ESS {ess:8.1f}   {values['support']}")
    print(f"{options.out}: {result['cohort']['note']} {result['cohort']['clinicians_note']}")


def experiment(options: argparse.Namespace) -> None:
    from core.experiments.run import run_experiment

    signal.signal(signal.SIGTERM, _terminate)
    print_steps(run_experiment(options.name, jobs=options.jobs))
    if options.publish:
        from core.experiments.choice_evidence import publish_evidence
        from core.experiments.run import experiment_folder

        for path in publish_evidence(experiment_folder(options.name)):
            print(path)


def sweep(options: argparse.Namespace) -> None:
    from core.experiments.sweep import TABLE, load_grid, run_sweep

    signal.signal(signal.SIGTERM, _terminate)
    grid = load_grid(options.grid)
    print_steps(run_sweep(options.file, options.run, grid, options.study, options.jobs, options.dask))
    print(options.run / TABLE)


def report(options: argparse.Namespace) -> None:
    from core.report import write_report

    print(write_report(options.run, options.out))


def demo(options: argparse.Namespace) -> None:
    from core.pipeline import build_demo

    print_progress(build_demo(options.patients))


def print_progress(stages: object) -> None:
    """One line a stage on a file, a live line on a terminal."""
    live, last = sys.stdout.isatty(), ""
    for progress in stages:  # type: ignore[attr-defined]
        left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left else ""
        line = f"{progress.stage:<16} {progress.fraction:6.1%}{left}  {progress.message}"
        if live:
            ended = "\n" if progress.stage != last and last else ""
            print(f"{ended}\r{line:<100.100}", end="", flush=True)
        elif progress.done == progress.total:
            print(line, flush=True)
        last = progress.stage
    if live:
        print()


def print_steps(steps: Iterable[Progress]) -> None:
    """One line a step."""
    for step in steps:
        print(f"{step.stage:<12} {step.done:>4} of {step.total}  {step.message}", flush=True)


def overrides(settings: Sequence[str]) -> dict[str, str]:
    """{"encoder.epochs": "5"} from ["encoder.epochs=5"]; `ConfigError` where the equals sign is missing."""
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: write it as GROUP.KEY=VALUE, for example encoder.epochs=5.")
        pairs[key.strip()] = value.strip()
    return pairs


def positive(text: str) -> int:
    """An integer above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """Let a killed run leave through its `finally` blocks."""
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
