"""Command line of the registry study: `python -m core registry {simulate,train,evaluate,demo}`."""

from __future__ import annotations

import argparse
import math
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.shared import overrides, positive, print_progress, terminate

if TYPE_CHECKING:
    from core.registry.document import PolicyMetrics, Reach

PUBLISHED_PATIENTS = 6021


def add_registry_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `registry` with its own verbs; each sets `function`."""
    registry = verbs.add_parser("registry", help="the transplant registry study: simulate, train, evaluate")
    own = registry.add_subparsers(dest="registry_verb", required=True, metavar="VERB")

    verb = own.add_parser("simulate", help="write a simulated registry")
    verb.add_argument("--patients", type=positive, default=PUBLISHED_PATIENTS)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .csv.gz")
    verb.set_defaults(function=simulate)

    verb = own.add_parser("train", help="run the whole study on a registry file; the same command resumes a killed run")
    verb.add_argument("file", type=Path)
    verb.add_argument("--run", type=Path, required=True, help="run folder")
    verb.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE", help="as in dqn.updates=2000")
    verb.add_argument("--spec", help="TOML file of the registry (default: the transplant registry)")
    verb.add_argument("--name", default="", help="name that the app shows")
    verb.add_argument("--owner", default="", help=argparse.SUPPRESS)
    verb.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    verb.set_defaults(function=train)

    verb = own.add_parser("evaluate", help="value of every policy of a run on a registry, as JSON")
    verb.add_argument("run", type=Path)
    verb.add_argument("--cohort", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb.set_defaults(function=evaluate)

    verb = own.add_parser("demo", help="build the app's default run of this study from a simulated registry")
    verb.add_argument("--patients", type=positive, default=PUBLISHED_PATIENTS)
    verb.set_defaults(function=demo)


def simulate(options: argparse.Namespace) -> None:
    from core.registry.load import save_registry
    from core.registry.simulate import simulate_registry

    cohort, _ = simulate_registry(options.patients, options.seed)
    save_registry(cohort, options.out)
    print(f"{options.out}: {cohort.n_patients:,} simulated patients, {len(cohort.frame):,} rows")


def train(options: argparse.Namespace) -> None:
    from core.registry.config import registry_config
    from core.registry.load import load_registry
    from core.registry.pipeline import train_registry
    from core.runs.jobs import background_run

    config = registry_config(overrides(options.set))
    if options.background:
        with background_run(options.run):
            cohort = load_registry(options.file, options.spec)
            for _ in train_registry(cohort, config, options.run, options.name, options.owner):
                pass
        return
    signal.signal(signal.SIGTERM, terminate)
    cohort = load_registry(options.file, options.spec)
    print_progress(train_registry(cohort, config, options.run, options.name, options.owner))


def evaluate(options: argparse.Namespace) -> None:
    from core.base.files import write_json
    from core.registry.document import evaluate_registry
    from core.registry.load import load_registry
    from core.registry.view import RegistryView

    view = RegistryView(options.run)
    document = evaluate_registry(view, load_registry(options.cohort, view.spec))
    write_json(options.out, document.model_dump(mode="json"))
    for name, policy in document.policies.items():
        print(f"{name:<20} {_line(policy)}")
    print("As far as the records support it, from the experts (a = 0) to the softened policy (a = 1):")
    for name, policy in document.policies.items():
        if policy.frontier:
            print(f"{name:<20} {_reach(policy.frontier['mixture'])}")
    print(f"{options.out}: {document.cohort.note}")


def demo(options: argparse.Namespace) -> None:
    from core.registry.pipeline import build_registry_demo

    print_progress(build_registry_demo(options.patients))


def _line(policy: PolicyMetrics | Reach) -> str:
    """PHWDR with interval, ESS and grade, and the true value where it is known."""
    found = policy.phwdr
    text = "no recorded course follows it"
    if found.value is not None:
        low, high, ess = (math.nan if end is None else end for end in (found.low, found.high, found.ess))
        text = f"PHWDR {found.value:6.3f} [{low:6.3f}, {high:6.3f}]   ESS {ess:7.1f}   {policy.support}"
    if policy.true_value is not None:
        text += f"   true {policy.true_value:6.3f} (SE {policy.true_se:.3f})"
    return text


def _reach(point: Reach | None) -> str:
    """The furthest supported point of the mixture; nowhere where not even the experts' own treatment is supported."""
    if point is None:
        return "nowhere: not even the experts' own treatment rests on enough patients"
    return f"a = {point.setting:<4g} {_line(point)}"
