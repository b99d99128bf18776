"""Verbs of a finished run of whatever study: its report, and whether its files are as they were written."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_run_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is made of a finished run, beside its values."""
    verb = verbs.add_parser("report", help="one self-contained HTML file about a finished run")
    verb.add_argument("run", type=Path)
    verb.add_argument("--out", type=Path, required=True, help=".html")
    verb.set_defaults(function=report)


def report(options: argparse.Namespace) -> None:
    from core.report import write_report

    print(write_report(options.run, options.out))


def verify_run(folder: Path) -> None:
    """Compare every file of a run with its checksum."""
    from core.runs import integrity

    manifest = integrity.verify(folder)
    if manifest.has_checksums:
        print(f"{folder}: {len(manifest.files)} files of {len(manifest.stages)} stages are as they were written")
    else:
        print(f"{folder}: {integrity.UNCHECKED}")
