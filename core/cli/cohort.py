"""Verbs that look at a cohort file, or extract one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args, get_origin

from core.cli.mapping import propose
from core.cli.shared import Parser, print_progress

DATABASES = ("mimic-iv", "eicu", "meds", "clif")
COPY = "cache"


def add_cohort_verbs(verbs: argparse._SubParsersAction[Parser]) -> None:
    """Look at a cohort file, or extract one."""
    verb = verbs.add_parser("map", help="propose a mapping for a file of another form, with the evidence for each line")
    verb.add_argument("file", type=Path)
    verb.add_argument("--study", help="TOML file of the study (default: the ICU heparin study)")
    verb.add_argument("--out", type=Path, required=True, help=".toml, to look at, to correct and to give as --mapping")
    verb.set_defaults(function=propose)

    verb = verbs.add_parser("extract", help="build a cohort from an EHR database")
    verb.add_argument(
        "database",
        choices=(*DATABASES, COPY),
        metavar=f"{{{','.join((*DATABASES, COPY))}}}",
        help=f"{COPY}: make a columnar copy of SOURCE in the folder OUT, once; extract from it in seconds",
    )
    verb.add_argument("source", help="folder of its tables, a DuckDB file, or postgresql://...")
    verb.add_argument(
        "--out", type=Path, required=True,
        help=f".parquet (keeps where the cohort comes from), .csv or .csv.gz; of {COPY} a folder",
    )  # fmt: skip
    verb.add_argument("--database", dest="copied", choices=DATABASES, default=DATABASES[0],
                      help=f"whose tables {COPY} copies (default: {DATABASES[0]})")  # fmt: skip
    verb.add_argument("--study", help="TOML file of the study (default: the ICU heparin study)")
    verb.late = _add_settings
    verb.set_defaults(function=extract)


def _add_settings(verb: argparse.ArgumentParser) -> None:
    """One option for each setting of an extraction, with the words of the settings themselves."""
    from core.cohort.extract.options import ExtractOptions

    for name, field in ExtractOptions.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = "" if field.default is None else f" (default: {field.default})"
        words = f"{field.description}{default}".replace("%", "%%")
        if field.annotation is bool:
            verb.add_argument(flag, dest=f"set_{name}", action=argparse.BooleanOptionalAction, default=None, help=words)
        else:
            verb.add_argument(flag, dest=f"set_{name}", metavar=_values(field.annotation), help=words)


def _values(annotation: object) -> str:
    """The values that a setting takes, for the help: start|end, or what kind it is."""
    kinds = (annotation, *get_args(annotation))
    chosen = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    return "|".join(map(str, chosen)) or "N"


def extract(options: argparse.Namespace) -> None:
    from core.cohort.extract import ExtractOptions, copy_source, extracting, save_extraction, save_study

    given = {name: getattr(options, f"set_{name}") for name in ExtractOptions.model_fields}
    settings = ExtractOptions.build({name: value for name, value in given.items() if value is not None}, "setting")
    if options.database == COPY:
        print_progress(copy_source(options.copied, options.source, options.out, settings))
        print(f"{options.out}: extract {options.copied} {options.out} --out FILE now reads this copy.")
        return
    at_work = extracting(options.database, options.source, settings, options.study)
    print_progress(at_work)
    result = at_work.result
    save_extraction(result, options.out)
    for step in result.attrition:
        print(f"{step.patients_left:>8,} stays left after: {step.reason}")
    print("\n".join(f"- {line}" for line in result.lines()))
    print(f"{options.out}: {result.n_stays:,} stays, {len(result.frame):,} steps")
    if settings.step_hours is not None:
        print(f"Steps of {result.study.step_hours:g} h: use the file with --study {save_study(result, options.out)}")
