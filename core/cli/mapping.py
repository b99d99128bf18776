"""How a verb is told the form of a file: a document, and single columns and units; and the verb that proposes one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ConfigError, Report

if TYPE_CHECKING:
    from core.tables.mapping import TableMapping

HINT = (
    "`python -m core map FILE --out mapping.toml` proposes a mapping. Give it as --mapping mapping.toml, and single "
    "columns and units as --column OURS=THEIRS and --unit OURS=UNIT."
)


def add_mapping_options(verb: argparse.ArgumentParser) -> None:
    """The options that all verbs share which read a cohort file."""
    verb.add_argument("--mapping", type=Path, help="TOML file that brings the file into the study's form; see `map`")
    verb.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="the file's name for one of the study's columns, over the one in the mapping",
    )
    verb.add_argument(
        "--unit", action="append", default=[], metavar="OURS=UNIT", help="the file's unit of one of the study's columns"
    )
    verb.set_defaults(maps=True)


def mapping_of(options: argparse.Namespace) -> TableMapping:
    """The document of these options, the single ones put in; empty where none is given."""
    from core.tables.mapping import load_mapping

    columns, units = _pairs("column", options.column), _pairs("unit", options.unit)
    return load_mapping(options.mapping).merged(columns, units)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """{"Platelets": "PLT"} from ["Platelets=PLT"]; `ConfigError` where one has no equals sign, or comes twice."""
    pairs: dict[str, str] = {}
    for text in given:
        ours, equals, theirs = (part.strip() for part in text.partition("="))
        if not (ours and equals and theirs):
            example = "Platelets=PLT" if option == "column" else "Platelets=10^4/uL"
            raise ConfigError(
                f"--{option} {text}: write it as OURS={'THEIRS' if option == 'column' else 'UNIT'}, "
                f"for example {example}."
            )
        if ours in pairs:
            raise ConfigError(f"--{option} names {ours} twice; keep one.")
        pairs[ours] = theirs
    return pairs


def print_hint(report: Report | None, options: argparse.Namespace) -> None:
    """Say on stderr how this verb takes a mapping, where the remedies of a report speak of one."""
    problems = () if report is None else report.problems
    if getattr(options, "maps", False) and any("mapping" in problem.remedy for problem in problems):
        print(HINT, file=sys.stderr)


def propose(options: argparse.Namespace) -> None:
    """Write a first mapping, its evidence as comments."""
    from core.study import load_study
    from core.tables.mapping import save_mapping
    from core.tables.propose import propose_mapping
    from core.tables.read import read_table

    proposed = propose_mapping(read_table(options.file).frame, load_study(options.study))
    save_mapping(proposed.mapping, options.out, proposed.evidence)
    for line in proposed.proposals:
        print(f"{line.target:<14} <- {line.source}: {line.evidence}")
    for doubt in proposed.doubts:
        print(f"doubt: {doubt}")
    if proposed.lacking:
        names = ", ".join(proposed.lacking)
        print(f"not in the file: {names}. Name their columns under [columns], or go without: leave_out = [...]")
    print(f"{options.out}: look at every line before you use it as --mapping.")
