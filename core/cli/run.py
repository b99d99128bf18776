"""The verb that makes a report of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_report_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is made of a finished run, beside its values."""
    verb = verbs.add_parser("report", help="one self-contained HTML file about a finished run")
    verb.add_argument("run", type=Path)
    verb.add_argument("--out", type=Path, required=True, help=".html")
    verb.set_defaults(function=report)


def report(options: argparse.Namespace) -> None:
    from core.report import write_report

    print(write_report(options.run, options.out))
