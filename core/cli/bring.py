"""Verbs on policies that were made elsewhere: judge one, verify the card of one, or the files of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli.policy import open_finished
from core.cli.run import verify_run


def add_bring_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Judge a policy, verify its card."""
    verb = verbs.add_parser("judge", help="what a policy from elsewhere is worth on a cohort, as an evidence card")
    verb.add_argument("file", type=Path, help="cohort, or with --registry a registry")
    verb.add_argument(
        "--policy",
        type=Path,
        required=True,
        help="table (.parquet, .csv): traj, step, p0 .. pn; of a registry: patient, stage, decision, combination, "
        "probability",
    )
    verb.add_argument("--registry", action="store_true", help="the file is a registry, its policy gives sets of drugs")
    verb.add_argument("--out", type=Path, required=True, help="card, .html; .json is written beside it")
    verb.add_argument("--name", default="", help="of the policy (default: its file's)")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--gamma", type=float, help="discount (default: 0.99; of a registry: its own)")
    _add_cohort_options(verb)
    verb.set_defaults(function=judge)

    verb = verbs.add_parser(
        "verify", help="check an evidence card (and, with its files, compute it anew) or a run's files"
    )
    verb.add_argument("card", type=Path, metavar="CARD|RUN", help="the card, or the folder of a run: its checksums")
    verb.add_argument("--cohort", type=Path, help="cohort file (default: the named one beside the card)")
    verb.add_argument("--policy", type=Path, help="policy file (default: the named one beside the card)")
    verb.add_argument("--run", type=Path, help="folder of the run that the policy was added to, in place of a cohort")
    _add_cohort_options(verb)
    verb.set_defaults(function=verify)


def _add_cohort_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--study", help="TOML file of the study or registry (default: the app's)")
    verb.add_argument("--mapping", type=Path, help="TOML file that brings the file into the study's form; see `map`")


def judge(options: argparse.Namespace) -> None:
    from core.bring import JudgeConfig, judge_policy, write_card

    cohort = _judged_on(options.file, options, options.registry)
    usual = cohort.spec.gamma if options.registry else 0.99
    gamma = usual if options.gamma is None else options.gamma
    config = JudgeConfig.build({"seed": options.seed, "gamma": gamma}, "judge")
    files = {"policy": options.policy.name, "cohort": options.file.name}
    found = judge_policy(cohort, options.policy, options.name or options.policy.stem, config, files)
    page, data = write_card(found.card, options.out)
    print(f"{found}\n{page} and {data.name}")


def _judged_on(file: Path, options: argparse.Namespace, registry: bool) -> Any:
    """The cohort or registry of a verb, under its study and through its mapping."""
    if registry:
        from core.registry.study import REGISTRY
        from core.tables.mapping import mapping_document

        mapping = "" if options.mapping is None else mapping_document(options.mapping)
        return REGISTRY.read(file, options.study, REGISTRY.config("", {}), mapping)
    from core.cohort import load_cohort
    from core.tables.mapping import load_mapping

    return load_cohort(file, options.study, mapping=load_mapping(options.mapping))


def verify(options: argparse.Namespace) -> None:
    if options.card.is_dir():
        verify_run(options.card)
        return
    from core.bring import read_card, verify_card

    card, folder = read_card(options.card), options.card.parent
    if options.run is not None:
        print(verify_card(options.card, open_finished(options.run), options.policy))
        return
    file = options.cohort or _beside(folder, card.cohort_file)
    policy = options.policy or _beside(folder, card.policy_file)
    cohort = None
    if file is not None and policy is not None:
        cohort = _judged_on(file, options, card.form == "drug sets")
    print(verify_card(options.card, cohort, policy))


def _beside(folder: Path, name: str) -> Path | None:
    """The file of that plain name in the card's folder, None where there is none."""
    found = folder / Path(name).name
    return found if name and found.is_file() else None
