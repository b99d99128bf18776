"""The verb that makes the leaderboard."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.base.types import Progress
from core.cli.shared import positive, print_progress


def add_leaderboard_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Policies and estimators on worlds whose truth is known."""
    verb = verbs.add_parser("leaderboard", help="policies and estimators on simulated worlds, against the truth")
    verb.add_argument("--out", type=Path, required=True, help=".json; one that was stopped is gone on with")
    verb.add_argument("--worlds", nargs="+", metavar="WORLD", help="some of the worlds (default: all)")
    verb.add_argument(
        "--patients", type=positive, default=1000, help="in a cohort, to judge or to learn (default: 1000)"
    )
    verb.add_argument("--truth-patients", type=positive, default=5000, help="in each roll-out (default: 5000)")
    verb.add_argument("--updates", type=positive, default=2000, help="of each policy that is learned (default: 2000)")
    verb.add_argument("--d3rlpy", action="store_true", help="d3rlpy's agents and evaluation take part")
    verb.add_argument("--seed", type=int, default=0)
    verb.set_defaults(function=make)


def make(options: argparse.Namespace) -> None:
    from core.base.files import write_json
    from core.cohort.simulate.named import WORLDS
    from core.experiments.board import ESTIMATORS, BoardSettings, Leaderboard
    from core.experiments.leaderboard import kept_rows, leaderboard
    from core.registry.simulate.world import WORLDS as SET_WORLDS

    settings = BoardSettings(options.patients, options.seed, options.truth_patients, options.updates, options.d3rlpy)
    kept, outdated = kept_rows(options.out, settings)
    worlds = options.worlds or [*WORLDS, *SET_WORLDS]
    if outdated:
        print(_left_out(options.out, outdated, worlds), file=sys.stderr)
    boards = leaderboard(worlds, settings, kept)
    found: list[Leaderboard] = []

    def steps() -> Iterator[Progress]:
        for progress, board in boards:
            found[:] = [board]
            write_json(options.out, board.to_json())
            yield progress

    print_progress(steps())
    board = found[0]
    estimates = [name for name in ESTIMATORS if name in board.policies]
    shown = ["world", "policy", "true_difference", "safe", "grade", "ess", *estimates, "true_value"]
    print(board.policies[shown].round(2).to_string(index=False))
    print(board.estimators.round(2).to_string(index=False))
    print(options.out)


def _left_out(path: Path, outdated: Sequence[Mapping[str, object]], worlds: Sequence[str]) -> str:
    """What is not gone on with, and which worlds are not asked for and leave the file with it."""
    said = f"{len(outdated)} rows of {path} are of another version of the judging and left out."
    gone = [world for world in dict.fromkeys(str(row["world"]) for row in outdated) if world not in worlds]
    return f"{said} Not made anew, as --worlds does not name them: {', '.join(gone)}." if gone else said
