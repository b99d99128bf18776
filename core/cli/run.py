"""Verbs of a finished run of whatever study: its report, and whether its files are as they were written."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_run_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is made of a finished run, beside its values."""
    verb = verbs.add_parser("report", help="self-contained HTML about a finished run: its report, or its model card")
    verb.add_argument("run", type=Path)
    what = verb.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="the report, .html")
    what.add_argument(
        "--card", type=Path, help="the model card, .html; .json and .croissant.json are written beside it"
    )
    verb.add_argument(
        "--sites", type=Path, nargs="+", default=[], help="what `validate` wrote at other sites, for the model card"
    )
    verb.set_defaults(function=report)
    verb = verbs.add_parser("compare", help="values of an ICU run's policies less those of another run's")
    verb.add_argument("run", type=Path)
    verb.add_argument("other", type=Path)
    verb.add_argument("--estimator", choices=("phwis", "phwdr"), default="phwdr")
    verb.set_defaults(function=compare)


def compare(options: argparse.Namespace) -> None:
    from core.icu.study import ICU
    from core.report.comparison import differing_settings, shared_policies, value_differences
    from core.runs.integrity import open_run

    pair = open_run(ICU, options.other), open_run(ICU, options.run)
    differing = differing_settings(*pair).rename(columns={"first": str(options.other), "second": str(options.run)})
    print("no setting differs" if differing.empty else differing.to_string(index=False))
    found = value_differences(*pair, shared_policies(*pair, options.estimator), options.estimator)
    basis = "on the same test patients" if found["paired"].all() else "on different test patients"
    print(f"{options.estimator.upper()} of {options.run} minus {options.other}, with 95 % intervals, {basis}:")
    print(found.drop(columns="paired").round(2).to_string(index=False))


def report(options: argparse.Namespace) -> None:
    from core.base.errors import ConfigError
    from core.report import write_report

    if options.card is None:
        if options.sites:
            raise ConfigError("--sites are shown in the model card; write it with --card.")
        print(write_report(options.run, options.out))
        return
    from core.report.card import write_model_card
    from core.sites import read_site

    print(*write_model_card(options.run, options.card, [read_site(path) for path in options.sites]), sep="\n")


def verify_run(folder: Path) -> None:
    """Compare every file of a run with its checksum."""
    from core.runs import integrity

    manifest = integrity.verify(folder)
    if manifest.has_checksums:
        print(f"{folder}: {len(manifest.files)} files of {len(manifest.stages)} stages are as they were written")
    else:
        print(f"{folder}: {integrity.UNCHECKED}")
