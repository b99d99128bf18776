"""A leaderboard on worlds whose truth is known: what policies are worth there, and which estimators say so.

Policies are fixed rules that anybody can write down, which change with nothing but the simulator, and those that our
learning rules (and d3rlpy's agents, where asked for) find on another cohort of the world. Each is judged on one cohort
of each world as a policy from elsewhere is (`core.bring`), and rolled out. Safe: it gives the hazardous doses of the
study's rules no more often than the clinicians did, and its true difference to them is not below 0 by more than two
standard errors. Fitted Q evaluation, ours and d3rlpy's, has no interval: nobody knows the error of its critic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from core.base.errors import ConfigError
from core.base.files import read_json
from core.base.judging import JUDGING
from core.base.types import Estimate, Progress
from core.bring import JudgeConfig, Judgment, bring, judge_on, make_bench
from core.bring.judgment import Bench
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.named import RULES, WORLDS, Rule
from core.cohort.simulate.world import World
from core.experiments import board_d3rlpy
from core.experiments.board import FQE, MIX, THEIR_FQE, BoardSettings, Leaderboard, Row, estimator_scores
from core.experiments.board_learned import School, forest_value, make_school, our_names, our_policy
from core.experiments.board_sets import SET_RULES, judged_sets
from core.policies.hazards import GIVEN
from core.registry.simulate.world import WORLDS as SET_WORLDS

STEPS = 1000  # of progress, a world


def kept_rows(path: Path, settings: BoardSettings) -> tuple[list[Row], list[Row]]:
    """Rows of the board in a file, to go on with, and those of another version of the judging.

    None where there is no file. `ConfigError` where it was made with other settings.
    """
    if not path.is_file():
        return [], []
    stored = read_json(path)
    if not isinstance(stored, dict) or stored.get("settings") != asdict(settings):
        raise ConfigError(
            f"{path} holds a board of other settings; give the settings that it was made with, or another --out."
        )
    rows = list(stored["policies"])
    kept = [row for row in rows if row.get("judging") == JUDGING]
    return kept, [row for row in rows if row.get("judging") != JUDGING]


def leaderboard(
    worlds: Sequence[str], settings: BoardSettings, kept: Sequence[Row] = ()
) -> Iterator[tuple[Progress, Leaderboard]]:
    """Judge all policies on a cohort of each world; yields progress and the board so far, at least once.

    kept: rows of a board of the same settings that was stopped, or of other worlds (`kept_rows`); none is made again.
    `ConfigError` for an unknown world, or where d3rlpy is asked for and not installed.
    """
    unknown = [name for name in worlds if name not in SET_WORLDS and name not in WORLDS]
    if unknown:
        raise ConfigError(f"world '{unknown[0]}' is not known; choose among {', '.join((*WORLDS, *SET_WORLDS))}.")
    kinds = [name if name in SET_WORLDS else WORLDS[name] for name in worlds]
    if settings.d3rlpy:
        board_d3rlpy.d3rlpy()
    rows = [dict(row) for row in kept]
    for place, (name, world) in enumerate(zip(worlds, kinds, strict=True)):
        names = list(SET_RULES) if isinstance(world, str) else _names(settings)
        done = {row["policy"] for row in rows if row["world"] == name}
        missing = [policy for policy in names if policy not in done]
        for number, row in enumerate(_rows(world, missing, settings), start=1 + len(names) - len(missing)):
            rows.append({"world": name, **row})
            fraction = round(STEPS * (place + number / len(names)))
            said = Progress("leaderboard", fraction, STEPS * len(worlds), f"{name}: {row['policy']}")
            yield said, _board(rows, settings)
    yield Progress("leaderboard", STEPS * len(worlds), STEPS * len(worlds), "done"), _board(rows, settings)


def _board(rows: Sequence[Row], settings: BoardSettings) -> Leaderboard:
    table = pd.DataFrame(rows)
    return Leaderboard(table, estimator_scores(table), asdict(settings))


def _names(settings: BoardSettings) -> list[str]:
    """Policies that take part in a world of doses."""
    return [*RULES, *our_names(), *(board_d3rlpy.their_names() if settings.d3rlpy else ())]


def _rows(world: World | str, names: Sequence[str], settings: BoardSettings) -> Iterator[Row]:
    """A row for each of these policies of a world; a name is that of a world of drug sets."""
    if not names:
        return
    config = JudgeConfig(seed=settings.seed, truth_patients=settings.truth_patients)
    if isinstance(world, str):
        yield from map(policy_row, judged_sets(world, settings.patients, config, names))
        return
    cohort, _ = simulate_world("mimic-iv", settings.patients, settings.seed, world)
    bench = make_bench(cohort, config)
    school = make_school(world, settings.patients, settings.seed, settings.updates)
    yield from (_judged(bench, name, _rule(name, school), settings) for name in names)


def _rule(name: str, school: School) -> Rule:
    """The policy of that name, learned where it is not written down."""
    if name in RULES:
        return RULES[name]
    return our_policy(school, name) if name in our_names() else board_d3rlpy.their_policy(school, name)


def _judged(bench: Bench, name: str, rule: Rule, settings: BoardSettings) -> dict[str, object]:
    """A row of the board without its world."""
    policy = bring(rule, bench.cohort, name)
    row = policy_row(judge_on(bench, policy)) | {FQE: forest_value(bench, policy)}
    return row | ({THEIR_FQE: board_d3rlpy.network_value(bench, rule, settings.updates)} if settings.d3rlpy else {})


def policy_row(found: Judgment) -> dict[str, object]:
    """One policy: its true difference to the clinicians, its hazards, and what each estimator says of the value."""
    assert found.gain is not None, "a rule can be rolled out"
    assert found.truth is not None
    usual = found.truth.value - found.gain.value
    estimates: dict[str, Estimate] = {MIX: found.judged.value, "phwis": found.phwis, "phwdr": found.phwdr}
    row: dict[str, object] = {
        "policy": found.name,
        "judging": JUDGING,
        "true_value": found.truth.value,
        "true_value_se": found.truth.standard_error,
        "true_difference": found.gain.value,
        "true_difference_se": found.gain.standard_error,
        "clinicians": usual,
        "safe": is_safe(found),
        "grade": found.light.grade,
        "ess": found.judged.difference.ess,
    }
    for name, one in estimates.items():
        row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return row


def is_safe(found: Judgment) -> bool:
    """No more hazardous doses than the clinicians gave, under any rule, and no true harm beyond two standard errors."""
    hazards = found.hazards
    harmless = found.gain is not None and found.gain.value >= -2 * found.gain.standard_error
    if not len(hazards):  # sets of drugs have no such rules
        return bool(harmless)
    own, given = (hazards.loc[hazards["policy"] == who, "rate"].to_numpy() for who in ("policy", GIVEN))
    return bool(harmless and not (own > given).any())
