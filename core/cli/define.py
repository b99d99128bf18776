"""Verbs about a study's own file: propose one from a table, list its keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.shared import Parser, print_cautions


def add_definition_verbs(verbs: argparse._SubParsersAction[Parser]) -> None:
    """`study init` and `study keys`."""
    group = verbs.add_parser("study", help="a study of your own: propose one from a file, list the keys of its TOML")
    own = group.add_subparsers(dest="study_verb", required=True, metavar="VERB")
    verb = own.add_parser("init", help="propose a study from a table, with the evidence for each line as a comment")
    verb.add_argument("file", type=Path, help="one row a stay and step (or time): .csv, .csv.gz or .parquet")
    verb.add_argument("--out", type=Path, required=True, help=".toml, to look at, to correct and to give as --study")
    verb.add_argument("--drug", default="", help="name of the drug (default: as the dose's column is named)")
    verb.add_argument("--dose", default="", metavar="COLUMN", help="column of doses (default: found by its name)")
    verb.add_argument("--outcome", default="", metavar="COLUMN", help="column that says who died (default: found)")
    verb.add_argument("--stay", default="", metavar="COLUMN", help="column that names the stays (default: found)")
    verb.add_argument("--step-hours", type=float, metavar="HOURS", help="hours a step (default: from the file's times)")
    verb.set_defaults(function=init)
    verb = own.add_parser("keys", help="list every key of a study's TOML file with its meaning")
    verb.set_defaults(function=keys)


def init(options: argparse.Namespace) -> None:
    from core.base.files import write_atomic
    from core.cohort import check_cohort
    from core.cohort.define import Told, propose_study, study_text
    from core.tables.read import read_table

    told = Told(options.drug, options.dose, options.outcome, options.stay, options.step_hours)
    frame = read_table(options.file).frame
    proposed = propose_study(frame, options.file.name.split(".")[0], told)
    text = study_text(proposed)
    write_atomic(options.out, lambda file: file.write(text.encode("utf-8")))
    study = proposed.study
    print(
        f"{study.actions.drug}: {study.n_actions} dose bins, {study.n_static} static and {study.n_temporal} temporal "
        f"columns, {study.horizon} steps of {study.step_hours:g} h, {len(study.rewards)} reward terms and the outcome"
    )
    for name, why in proposed.left_out:
        print(f"no state: {name}, {why}")
    for doubt in proposed.doubts:
        print(f"doubt: {doubt}")
    report = check_cohort(frame, study)
    print_cautions(str(problem) for problem in report.errors[:5])
    usable = "can be used" if report.ok else "cannot be used as it is"
    print(f"{options.out}: look at every line before you use it as --study. Under it {options.file} {usable}.")


def keys(_options: argparse.Namespace) -> None:
    from core.cohort.define.keys import key_table

    print(key_table())
