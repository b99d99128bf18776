"""Verbs that hold many runs against each other."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from core.cli.mapping import add_mapping_options, mapping_of
from core.cli.shared import positive, print_steps, terminate
from core.runs.folders import private_files


def add_experiment_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    add_mapping_options(verb)
    verb.add_argument("--jobs", type=positive, default=0, help="runs at once (default: one for each core)")
    verb.add_argument("--dask", default="", metavar="ADDRESS", help="Dask scheduler to work on, as tcp://HOST:8786")
    verb.set_defaults(function=sweep)


def experiment(options: argparse.Namespace) -> None:
    from core.experiments.run import run_experiment

    signal.signal(signal.SIGTERM, terminate)
    with private_files():
        print_steps(run_experiment(options.name, jobs=options.jobs))
    if options.publish:
        from core.experiments.choice_evidence import publish_evidence
        from core.experiments.run import experiment_folder

        for path in publish_evidence(experiment_folder(options.name)):
            print(path)


def sweep(options: argparse.Namespace) -> None:
    from core.experiments.sweep import TABLE, load_grid, run_sweep
    from core.tables.mapping import mapping_text

    signal.signal(signal.SIGTERM, terminate)
    grid, mapping = load_grid(options.grid), mapping_text(mapping_of(options))
    with private_files():
        print_steps(run_sweep(options.file, options.run, grid, options.study, options.jobs, options.dask, mapping))
    print(options.run / TABLE)
