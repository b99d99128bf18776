"""The verb that writes simulated worlds as data sets."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

from core.base.errors import ConfigError
from core.cli.shared import positive


def add_dataset_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Simulated worlds in Minari's form, true values of policies in the metadata."""
    verb = verbs.add_parser("dataset", help="simulated worlds as Minari data sets with true values; needs minari")
    verb.add_argument("worlds", nargs="*", metavar="WORLD", help="some of the worlds (default: all)")
    verb.add_argument("--patients", type=positive, default=1000, help="in each (default: 1000)")
    verb.add_argument("--truth-patients", type=positive, default=5000, help="in each roll-out (default: 5000)")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--root", type=Path, help="Minari's folder (default: MINARI_DATASETS_PATH, else Minari's own)")
    verb.set_defaults(function=make)


def make(options: argparse.Namespace) -> None:
    if find_spec("gymnasium") is None:
        raise ConfigError("package gymnasium is not installed: pip install 'phenopolicy[worlds]'.")
    from core.environments import NAMES
    from core.environments.datasets import save_minari, world_data

    if options.root is not None:
        os.environ["MINARI_DATASETS_PATH"] = str(options.root)
    for name in options.worlds or NAMES:
        data = world_data(name, options.patients, options.seed, options.truth_patients)
        found = save_minari(data)
        print(f"{found}: {len(data.episodes):,} simulated episodes")
        for policy, value in data.metadata["truth"]["policies"].items():
            print(f"  {policy:<15} true value {value['value']:8.3f} (standard error {value['standard_error']:.3f})")
