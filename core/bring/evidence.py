"""A policy from elsewhere and its evidence: judged on a cohort alone, or on a run's test patients and kept there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.files import write_array
from core.base.rng import derive_seed
from core.bring.card import Card, make_card, read_card, write_card
from core.bring.judgment import Bench, JudgeConfig, Judgment, judge_on, make_bench
from core.bring.policy import BroughtPolicy, bring
from core.cohort import Cohort
from core.icu.advice import at_most
from core.icu.ask.judge import histories_of
from core.icu.view import RunView
from core.policies.key import PolicyKey

FOLDER = "brought"  # of a run folder: one folder a policy, with card.html, card.json and policy.npy
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a policy's value rests on, in numbers (`judgment`) and as a sealed card."""

    policy: BroughtPolicy
    judgment: Judgment = field(repr=False)
    card: Card = field(repr=False)

    def save(self, path: str | Path) -> list[Path]:
        """Write the card as HTML, and JSON beside it; returns both."""
        return write_card(self.card, Path(path))

    def __repr__(self) -> str:
        return repr(self.judgment)


def judge_policy(cohort: Cohort, source: Any, name: str = "policy", config: JudgeConfig | None = None) -> Evidence:
    """Judge a policy, as `bring` takes it, on all stays of a cohort, five folds by person; no run is needed."""
    config, policy = config or JudgeConfig(), bring(source, cohort, name)
    found = judge_on(make_bench(cohort, config), policy)
    return Evidence(policy, found, make_card(found, policy, cohort, config))


def add_policy(view: RunView, name: str, source: Any) -> Evidence:
    """Judge a policy on the test patients of a run, beside the run's own, and keep it in the run's folder.

    source: as `bring` takes it, for every row of the run's cohort. Phenotypes are those of the run, as for its own
    policies. Replaces a policy of that name; `ConfigError` for a name that cannot be a folder's, or is the run's own.
    """
    _check_name(view, name)
    policy = bring(source, view.cohort, name)
    bench = run_bench(view)
    found = judge_on(bench, policy)
    card = make_card(found, policy, view.cohort, bench.config, basis="run")
    folder = view.path / FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    write_array(folder / "policy.npy", policy.probs.astype(np.float32))
    write_card(card, folder / "card.html")
    return Evidence(policy, found, card)


def added_policies(view: RunView) -> dict[str, Card]:
    """Cards of the policies that were added to a run, by name."""
    return {path.parent.name: read_card(path) for path in sorted((view.path / FOLDER).glob("*/card.json"))}


def added_table(view: RunView) -> pd.DataFrame:
    """One row a policy that was added, with the columns of `core.icu.ask.against.against_clinicians`; may be empty."""
    return pd.DataFrame([_row(name, card) for name, card in added_policies(view).items()])


def _row(name: str, card: Card) -> dict[str, Any]:
    row: dict[str, Any] = dict(PolicyKey(name).row)
    for column, found in (("mix", card.value), ("difference", card.difference)):
        row |= {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high, f"{column}_se": found.se}
    truths = (("true_value", card.true_value), ("true_difference", card.true_difference))
    for column, true in truths:
        row |= {column: np.nan if true is None else true.value, f"{column}_se": np.nan if true is None else true.se}
    if card.gamma is not None and card.gamma.hidden is not None:
        row |= card.gamma.hidden.row
    row |= {"ess": card.difference.ess, "n": card.stays, "grade": card.grade, "doubts": " ".join(card.reasons)}
    return row


def run_bench(view: RunView) -> Bench:
    """The test patients of a run; all others teach those who judge."""
    asked, seed = view.config.evaluation, derive_seed(view.config.run.seed, "judgment")
    config = JudgeConfig(
        gamma=view.config.agents.gamma,
        seed=view.config.run.seed,
        n_bootstrap=asked.n_bootstrap,
        ess_floor=asked.ess_floor,
        probability_floor=asked.probability_floor,
        truth_patients=asked.truth_patients,
    )
    test = at_most(view.split.test, seed)
    rows = np.concatenate([test, at_most(np.concatenate([view.split.train, view.split.valid]), seed)])
    histories = histories_of(view.only(rows), view.study, view.n_clusters)
    held = (np.arange(len(rows)) < len(test),)
    return Bench(view.cohort, rows, view.trajectories.subset(rows), histories, held, config)


def _check_name(view: RunView, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot name a policy: use letters, digits, '.', '-' and '_', 80 at most.")
    if any(PolicyKey(key.policy).base == name for key in view.evaluated):
        raise ConfigError(f"the run has a policy of its own called '{name}'; choose another name.")
