"""A policy from elsewhere and its evidence: judged on a cohort alone, or on the test patients of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.base.rng import derive_seed
from core.bring.card import Card, make_card, write_card
from core.bring.judgment import Bench, JudgeConfig, Judgment, judge_on, make_bench
from core.bring.policy import BroughtPolicy, bring
from core.bring.sets import Asked, BroughtSets, bring_sets
from core.bring.sets_bench import RunBench, judge_sets_on, make_set_bench
from core.cohort import Cohort
from core.icu.advice import at_most
from core.icu.ask.judge import histories_of
from core.icu.view import RunView
from core.registry.cohort.table import RegistryCohort


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a policy's value rests on, in numbers (`judgment`) and as a sealed card."""

    policy: BroughtPolicy | BroughtSets
    judgment: Judgment = field(repr=False)
    card: Card = field(repr=False)

    def save(self, path: str | Path) -> list[Path]:
        """Write the card as HTML, and JSON beside it; returns both."""
        return write_card(self.card, Path(path))

    def __repr__(self) -> str:
        return repr(self.judgment)


def judge_policy(
    cohort: Cohort | RegistryCohort,
    source: Any,
    name: str = "policy",
    config: JudgeConfig | None = None,
    files: Mapping[str, str] | None = None,
) -> Evidence:
    """Judge a policy, as `bring` (of a registry: `bring_sets`) takes it, on all of a cohort, in five folds by person;
    no run is needed. files: names for the card, see `make_card`."""
    config = config or JudgeConfig()
    if isinstance(cohort, RegistryCohort):
        asked = Asked.of_cohort(cohort)
        sets = bring_sets(source, asked, name)  # before the experts' networks, which take minutes
        found = judge_sets_on(make_set_bench(asked, config), sets, choices=True)
        return Evidence(sets, found, make_card(found, sets, cohort, config, files))
    policy = bring(source, cohort, name)
    found = judge_on(make_bench(cohort, config), policy, choices=True)
    return Evidence(policy, found, make_card(found, policy, cohort, config, files))


def judge_sets_beside(bench: RunBench, policy: BroughtSets) -> Evidence:
    """Judge a policy of drug sets on the test patients of a registry run, as the run's own were."""
    found = judge_sets_on(bench, policy, choices=True)
    return Evidence(policy, found, make_card(found, policy, bench.asked.cohort, bench.config, basis="run"))


def judge_beside(view: RunView, policy: BroughtPolicy) -> Evidence:
    """Judge a policy on the test patients of a run, as the run's own were. Phenotypes are those of the run."""
    bench = run_bench(view)
    found = judge_on(bench, policy, choices=True)
    return Evidence(policy, found, make_card(found, policy, view.cohort, bench.config, None, "run", bench.centered))


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
    rows = np.concatenate([test, at_most(view.split.learners, seed)])
    histories = histories_of(view.only(rows), view.study, view.n_clusters)
    held = (np.arange(len(rows)) < len(test),)
    moved = view.advice.left_out if view.advice else None
    return Bench(view.cohort, rows, view.trajectories.subset(rows), histories, held, config, moved, view.centered)
