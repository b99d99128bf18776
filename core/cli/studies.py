"""The verbs that all studies share (simulate, train, evaluate, demo), and which studies there are.

The ICU study's verbs stand at the top, those of another study under its own word (`registry train`). Studies of other
programs join where PHENOPOLICY_STUDIES names the modules that register them, with commas between.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.config import Config
from core.base.errors import CohortError, ConfigError
from core.base.shipped import NAME
from core.cli.mapping import add_mapping_options, mapping_of, print_hint
from core.cli.shared import Parser, overrides, positive, print_cautions, print_progress, terminate
from core.runs.folders import private_files
from core.runs.integrity import open_run
from core.runs.jobs import WORK, work
from core.runs.run import build_demo, run
from core.runs.study import AnyStudy, Option, studies

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

BUILT_IN = (f"{NAME}.icu.study", f"{NAME}.registry.study")
Verbs = argparse._SubParsersAction


def load_studies() -> None:
    """Let every study join; `ConfigError` where a module that PHENOPOLICY_STUDIES names is not there."""
    named = [name.strip() for name in os.environ.get("PHENOPOLICY_STUDIES", "").split(",")]
    for module in (*BUILT_IN, *filter(None, named)):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
            raise ConfigError(
                f"PHENOPOLICY_STUDIES names '{module}', which cannot be found; correct its path."
            ) from None


def add_study_verbs(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """The shared verbs of every study, and the hidden one that a background run is started with."""
    for study in studies():
        own = verbs
        if study.verb:
            group = verbs.add_parser(study.verb, help=f"{study.title}: simulate, check, train, evaluate, demo")
            own = group.add_subparsers(dest=f"{study.verb}_verb", required=True, metavar="VERB")
        _add_simulate(own, study)
        _add_check(own, study)
        _add_train(own, study)
        _add_evaluate(own, study)
        verb = own.add_parser("demo", help=f"build the app's default run of {study.title} from simulated patients")
        verb.add_argument("--patients", type=positive, default=study.patients)
        verb.set_defaults(function=partial(demo, study))
    child = verbs.add_parser(WORK)
    child.add_argument("run", type=Path)
    child.set_defaults(function=work_in_background)


def _add_simulate(verbs: Verbs[argparse.ArgumentParser], study: AnyStudy) -> None:
    verb = verbs.add_parser("simulate", help=f"write a simulated {study.data_word}")
    _add_options(verb, study.simulate_options)
    verb.add_argument("--patients", type=positive, default=study.patients)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .csv.gz")
    verb.set_defaults(function=partial(simulate, study))


def _add_check(verbs: Verbs[argparse.ArgumentParser], study: AnyStudy) -> None:
    verb = verbs.add_parser("check", help=f"list every problem of a {study.data_word} file")
    verb.add_argument("file", type=Path)
    _add_definition(verb, study)
    _add_mapping(verb, study)
    verb.set_defaults(function=partial(check, study))


def _add_definition(verb: argparse.ArgumentParser, study: AnyStudy) -> None:
    verb.add_argument(
        *dict.fromkeys((study.definition_option, "--study")),
        dest="definition",
        help=f"TOML file of the {study.definition_word} (default: the app's)",
    )


def _add_train(verbs: Verbs[argparse.ArgumentParser], study: AnyStudy) -> None:
    verb = verbs.add_parser(
        "train", help=f"run the whole study on a {study.data_word} file; the same command resumes a killed run"
    )
    verb.add_argument("file", type=Path)
    verb.add_argument("--run", type=Path, required=True, help="run folder")
    if study.presets:
        verb.add_argument("--preset", choices=study.presets, default=study.preset)
    verb.add_argument(
        "--set", action="append", default=[], metavar="GROUP.KEY=VALUE", help=f"as in {study.example}; all below"
    )
    _add_definition(verb, study)
    _add_mapping(verb, study)
    verb.add_argument("--name", default="", help="name that the app shows")
    verb.formatter_class = argparse.RawDescriptionHelpFormatter
    assert isinstance(verb, Parser)
    verb.late = partial(_list_settings, study)
    verb.set_defaults(function=partial(train, study))


def _list_settings(study: AnyStudy, verb: argparse.ArgumentParser) -> None:
    """At the end of the help every setting, its value in the study's own preset, and its meaning."""
    config, lines = study.config(study.preset, {}), []
    for group in type(config).model_fields:
        held = getattr(config, group)
        if isinstance(held, Config):
            fields = type(held).model_fields.items()
            lines += [_setting(f"{group}.{name}", getattr(held, name), field) for name, field in fields]
            if type(held).model_config.get("extra") == "allow":
                lines.append(f"  {group}.NAME\n      Weight of a term of the study, under the name of the term")
    preset = f" (values of the preset {study.preset})" if study.presets else ""
    verb.epilog = "\n".join([f"settings for --set{preset}:", *lines]).replace("%", "%%")


def _setting(path: str, value: object, field: FieldInfo) -> str:
    told = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"  {path}={told}\n      {field.description or ''}"


def _add_evaluate(verbs: Verbs[argparse.ArgumentParser], study: AnyStudy) -> None:
    verb = verbs.add_parser("evaluate", help=f"value of every policy of a run on a {study.data_word}, as JSON")
    verb.add_argument("run", type=Path)
    verb.add_argument("--cohort", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    _add_options(verb, study.evaluate_options)
    _add_mapping(verb, study)
    verb.set_defaults(function=partial(evaluate, study))


def _add_mapping(verb: argparse.ArgumentParser, study: AnyStudy) -> None:
    if study.maps and study.single_columns:
        add_mapping_options(verb)
    elif study.maps:
        verb.add_argument(
            "--mapping", type=Path, help="TOML file that brings the file into the study's form; see docs/format.md"
        )


def _add_options(verb: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    for option in options:
        kind = positive if option.kind is int else option.kind
        given: dict[str, Any] = {"choices": option.choices} if option.choices else {"type": kind}
        if isinstance(option.default, bool):
            given = {"action": argparse.BooleanOptionalAction if option.default else "store_true"}
        verb.add_argument(option.flag, dest=option.name, help=option.help, default=option.default, **given)


def simulate(study: AnyStudy, options: argparse.Namespace) -> None:
    data = study.simulate(options.patients, options.seed, vars(options))
    study.save(data, options.out)
    print(f"{options.out}: {study.summary(data)}")


def check(study: AnyStudy, options: argparse.Namespace) -> int:
    from core.tables.text import report_text

    try:
        data = _loaded(study, options, study.config(study.preset, {}))
    except CohortError as error:
        if error.report is None:
            raise
        print(report_text(error.report))
        kinds = len({(problem.rule, problem.column) for problem in error.report.errors})
        print(f"check: {options.file} cannot be used: {kinds} kind{'s' * (kinds > 1)} of problem.", file=sys.stderr)
        print_hint(error.report, options)
        return 2
    print(report_text(data.report))
    print_hint(data.report, options)
    print_cautions(study.cautions(data))
    return 0


def _loaded(study: AnyStudy, options: argparse.Namespace, config: Any) -> Any:
    """The file of a verb under its definition, through its mapping where one is given."""
    return study.read(options.file, options.definition, config, _mapping(study, options))


def train(study: AnyStudy, options: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, terminate)
    config = study.config(getattr(options, "preset", study.preset), overrides(options.set))
    data = _loaded(study, options, config)
    print_cautions(study.cautions(data))
    with private_files():
        print_progress(run(study, data, config, options.run, options.name))
    if options.run.resolve().parent != study.folder.resolve():
        print(f"The app does not list this run: it shows those in {study.folder}. Move {options.run} there to see it.")


def evaluate(study: AnyStudy, options: argparse.Namespace) -> None:
    from core.base.files import write_json

    view = open_run(study, options.run)
    mapping = _mapping(study, options)
    if mapping:
        data = study.load_mapped(options.cohort, study.manifest(options.run).study, mapping)
    else:
        data = study.load_for(options.cohort, view)
    found = study.evaluate(view, data, vars(options))
    write_json(options.out, found.document.model_dump(mode="json", by_alias=True))
    print("\n".join(found.lines))
    print(f"{options.out}: {found.note}")


def _mapping(study: AnyStudy, options: argparse.Namespace) -> str:
    """What the options say of the file's form, as the text of one document; "" for nothing."""
    from core.tables.mapping import mapping_document, mapping_text

    if study.maps and study.single_columns:
        return mapping_text(mapping_of(options))
    given: Path | None = getattr(options, "mapping", None)
    return "" if given is None else mapping_document(given)


def demo(study: AnyStudy, options: argparse.Namespace) -> None:
    with private_files():
        print_progress(build_demo(study, options.patients))


def work_in_background(options: argparse.Namespace) -> None:
    with private_files():
        work(options.run)
