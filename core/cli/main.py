"""Command line: `python -m core VERB --help`.

Exit status: 0 done, 2 bad input (one-line reason on stderr), 1 a fault of ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from core.base.errors import CohortError, PhenoPolicyError, refused
from core.cli.app import add_app_verb
from core.cli.audit import add_audit_verbs
from core.cli.bring import add_bring_verbs
from core.cli.cohort import add_cohort_verbs
from core.cli.dataset import add_dataset_verb
from core.cli.define import add_definition_verbs
from core.cli.experiment import add_experiment_verbs
from core.cli.keep import add_keep_verbs
from core.cli.leaderboard import add_leaderboard_verb
from core.cli.mapping import print_hint
from core.cli.policy import add_policy_verbs
from core.cli.run import add_run_verbs
from core.cli.shared import Parser
from core.cli.sites import add_site_verbs
from core.cli.studies import add_study_verbs, load_studies


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    try:
        load_studies()
    except PhenoPolicyError as error:
        print(error, file=sys.stderr)
        return 2
    options = build_parser().parse_args(arguments)
    try:
        return int(options.function(options) or 0)
    except CohortError as error:
        print(str(error), file=sys.stderr)
        print_hint(error.report, options)
        return 2
    except PhenoPolicyError as error:
        print(f"{options.verb}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"{options.verb}: {refused(error)}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"{options.verb}: the memory of this machine does not hold this; give fewer patients.", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    parser = Parser(
        prog="python -m core",
        description="PhenoPolicy's engine: phenotypes of ICU stays and the policies learned for them. "
        "Research and teaching only, never bedside advice.",
    )
    verbs: Any = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    add_study_verbs(verbs)
    add_cohort_verbs(verbs)
    add_definition_verbs(verbs)
    add_run_verbs(verbs)
    add_experiment_verbs(verbs)
    add_bring_verbs(verbs)
    add_policy_verbs(verbs)
    add_leaderboard_verb(verbs)
    add_dataset_verb(verbs)
    add_site_verbs(verbs)
    add_audit_verbs(verbs)
    add_keep_verbs(verbs)
    add_app_verb(verbs)
    return parser
