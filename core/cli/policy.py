"""Verbs on the policies that were added to a run from elsewhere: add, list, remove."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_policy_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`policy add`, `policy list`, `policy remove`."""
    group = verbs.add_parser("policy", help="add a policy from elsewhere to a run, list or remove those there are")
    own = group.add_subparsers(dest="policy_verb", required=True, metavar="VERB")

    verb = own.add_parser("add", help="judge a policy on a run's test patients and keep it beside the run's own")
    verb.add_argument("run", type=Path)
    verb.add_argument(
        "file",
        type=Path,
        help="table (.parquet, .csv) of every step of the run: traj, step, p0 .. pn; of a registry run, of every "
        "decision: patient, stage, decision, combination, probability",
    )
    verb.add_argument("--name", default="", help="by which it stands everywhere (default: its file's)")
    verb.add_argument("--replace", action="store_true", help="in place of the one of that name")
    verb.set_defaults(function=add)

    verb = own.add_parser("list", help="policies that were added to a run, with difference and grade")
    verb.add_argument("run", type=Path)
    verb.set_defaults(function=list_added)

    verb = own.add_parser("remove", help="delete a policy that was added to a run")
    verb.add_argument("run", type=Path)
    verb.add_argument("name")
    verb.set_defaults(function=remove)


def open_finished(folder: Path) -> Any:
    """The run in a folder, of either study, its files as they were written."""
    from core.runs.integrity import open_run
    from core.runs.manifest import read_manifest
    from core.runs.study import study_of

    return open_run(study_of(read_manifest(folder).kind), folder)


def add(options: argparse.Namespace) -> None:
    from core.bring import add_policy
    from core.runs.folders import private_files

    name = options.name or options.file.stem
    with private_files():
        evidence = add_policy(open_finished(options.run), name, options.file, replace=options.replace)
    print(f"{evidence}\n{options.run}: '{name}' stands beside the run's own policies")


def list_added(options: argparse.Namespace) -> None:
    from core.bring import policies_in

    found, refused = policies_in(open_finished(options.run))
    for name, one in found.items():
        row = one.judgments.iloc[0]
        interval = f"[{row['difference_low']:+7.3f}, {row['difference_high']:+7.3f}]"
        print(f"{name:<24} {row['difference']:+7.3f} {interval}  {row['grade']}")
    for name, why in refused.items():
        print(f"{name:<24} not used: {why}")
    if not found and not refused:
        print(f"{options.run}: no policy was added")


def remove(options: argparse.Namespace) -> None:
    from core.bring import remove_policy

    remove_policy(options.run, options.name)
    print(f"{options.run}: '{options.name}' is removed")
