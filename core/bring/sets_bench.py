"""What a policy of drug sets from elsewhere is worth on recorded courses, by the judges of the registry study.

In a run its test patients judge it, as they judge the run's own policies. Without a run all patients do, in five folds:
the experts' probabilities and the critics of each come from the patients outside it. The states' scaling, the known
sets and the shares kept under observation are those of the whole registry; none of them knows what followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from core.base.rng import derive_seed, stream
from core.base.types import OPEResult
from core.bring.judgment import SETS, JudgeConfig, Judgment
from core.bring.sets import Asked, BroughtSets
from core.bring.sets_truth import true_of_sets
from core.evaluation.judging.atlas import policies_under
from core.evaluation.judging.choices import PolicyChoices
from core.evaluation.judging.crossfit import Fold, assign_folds
from core.evaluation.judging.crossfit import judge as judge_folds
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.left_out import ColumnOdds
from core.evaluation.judging.mix import Judged
from core.icu.hidden_causes import HiddenCauses
from core.registry.ask.atlas import choices_of, records_of
from core.registry.ask.frontier import Ends, brought_ends, plan_at
from core.registry.ask.hidden import TOLD, hidden_row
from core.registry.ask.judge import Bench
from core.registry.ask.ope import WORDS, Judging, LinearCritic, Plan, Points, Recorded
from core.registry.ask.tables import Evaluation, recorded_courses
from core.registry.cohort.choices import SetChoices
from core.registry.cohort.decisions import DecisionData, StateEncoder
from core.registry.config import ScreeningConfig
from core.registry.fit.inputs import Inputs
from core.registry.fit.screening import train_screening
from core.registry.view import RegistryView

VALID = 0.1  # share of a fold's learners that choose the epoch of its networks and calibrate them


class SetBench(Protocol):
    """Courses that judge. ends: what a policy does at them; judged: by the mix; otherwise: so in other rewards and
    discounts; table: PHWIS and PHWDR, two rows; left_out: how far recorded columns move the odds, where it is known."""

    @property
    def asked(self) -> Asked: ...
    @property
    def config(self) -> JudgeConfig: ...
    @property
    def left_out(self) -> tuple[ColumnOdds, ...]: ...
    def ends(self, choices: Mapping[str, SetChoices]) -> Ends: ...
    def judged(self, choices: Mapping[str, SetChoices]) -> Judged: ...
    def otherwise(self, choices: Mapping[str, SetChoices]) -> PolicyChoices: ...
    def table(self, choices: Mapping[str, SetChoices]) -> pd.DataFrame: ...


@dataclass(frozen=True, eq=False)
class RunBench:
    """The test patients of a run; all others teach."""

    evaluation: Evaluation
    asked: Asked
    config: JudgeConfig

    @classmethod
    def of(cls, view: RegistryView) -> RunBench:
        settings = view.config.evaluation
        config = JudgeConfig(
            gamma=view.spec.gamma,
            seed=view.config.run.seed,
            n_bootstrap=settings.ope_bootstrap,
            ess_floor=settings.ess_floor,
            probability_floor=settings.probability_floor,
            truth_patients=settings.truth_patients,
        )
        return cls(Evaluation.own(view), Asked.of_run(view), config)

    @property
    def left_out(self) -> tuple[ColumnOdds, ...]:
        advice = self.evaluation.view.advice
        return () if advice is None or advice.left_out is None else advice.left_out

    @cached_property
    def bench(self) -> Bench:
        one = self.evaluation
        return Bench.of(one.judging, one.recorded, one.learned)

    def ends(self, choices: Mapping[str, SetChoices]) -> Ends:
        return brought_ends(self.evaluation.recorded, choices)

    def plans(self, choices: Mapping[str, SetChoices]) -> tuple[Plan, Plan]:
        """What it does at courses that judge, and at those that teach."""
        one, floor = self.evaluation, self.config.probability_floor
        judged, taught = (plan_at(brought_ends(part, choices), floor) for part in (one.recorded, one.learned))
        return judged, taught

    def judged(self, choices: Mapping[str, SetChoices]) -> Judged:
        return self.bench.judge([self.plans(choices)])[0]

    def otherwise(self, choices: Mapping[str, SetChoices]) -> PolicyChoices:
        return _otherwise(self, self.bench, [self.bench.fold([self.plans(choices)])])

    def table(self, choices: Mapping[str, SetChoices]) -> pd.DataFrame:
        one, (plan, taught) = self.evaluation, self.plans(choices)
        return one.judging.table(one.recorded, [plan], [one.judging.critic(one.learned, taught)])


@dataclass(frozen=True, eq=False)
class FoldBench:
    """All courses of a registry. held (folds, N) bool: of each fold; seen: all courses as its experts' model sees
    them."""

    asked: Asked
    config: JudgeConfig
    judging: Judging
    held: np.ndarray
    seen: tuple[Recorded, ...]
    left_out: tuple[ColumnOdds, ...] = ()

    @cached_property
    def recorded(self) -> Recorded:
        """All courses, the experts' probabilities of each by the model that it did not teach."""
        treatments = {}
        for name, points in self.seen[0].treatments.items():
            fold = self.held.argmax(axis=0)[points.course]
            every = np.stack([one.treatments[name].expert for one in self.seen])
            treatments[name] = replace(points, expert=every[fold, np.arange(len(fold))])
        return replace(self.seen[0], treatments=treatments)

    def ends(self, choices: Mapping[str, SetChoices]) -> Ends:
        return brought_ends(self.recorded, choices)

    def judged(self, choices: Mapping[str, SetChoices]) -> Judged:
        bench, folds = self._folds(choices)
        return judge_folds(bench.histories, folds, bench.settings)[0]

    def otherwise(self, choices: Mapping[str, SetChoices]) -> PolicyChoices:
        return _otherwise(self, *self._folds(choices))

    def _folds(self, choices: Mapping[str, SetChoices]) -> tuple[Bench, list[Fold]]:
        """Courses, which are the same in all folds, and who judges them."""
        floor, folds = self.config.probability_floor, []
        for held, recorded in zip(self.held, self.seen, strict=True):
            bench = Bench.of(self.judging, recorded)
            policy = bench.policy("policy", [plan_at(brought_ends(recorded, choices), floor)])
            folds.append(Fold(held, [policy], bench.behavior))
        return bench, folds

    def table(self, choices: Mapping[str, SetChoices]) -> pd.DataFrame:
        floor, critics = self.config.probability_floor, []
        for held, recorded in zip(self.held, self.seen, strict=True):
            taught = recorded.only(~held)
            critics.append(self.judging.critic(taught, plan_at(brought_ends(taught, choices), floor)))
        plan = plan_at(self.ends(choices), floor)
        return self.judging.table(self.recorded, [plan], [_FoldedCritic(critics, self.held)])


def _otherwise(of: SetBench, bench: Bench, folds: list[Fold]) -> PolicyChoices:
    """The one policy of the folds in other rewards and discounts."""
    asked = of.asked.spec.model_copy(update={"gamma": of.config.gamma})
    records, named = records_of(of.asked.cohort, bench, folds, choices_of(asked, of.config.seed))
    return policies_under(records, named, of.config.ess_floor)[0]


class _FoldedCritic(LinearCritic):
    """Each course is valued by the critic that it did not teach."""

    def __init__(self, critics: list[LinearCritic], held: np.ndarray) -> None:
        super().__init__(critics[0].gamma, critics[0].indicators)
        self.critics, self.held = critics, held

    def values(self, recorded: Recorded, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
        every = [critic.values(recorded, plan) for critic in self.critics]
        q, v = (np.select([one[:, None] for one in self.held], part) for part in zip(*every, strict=True))
        return q, v


def make_set_bench(asked: Asked, config: JudgeConfig, screening: ScreeningConfig | None = None) -> FoldBench:
    """All courses of a registry in five folds; takes minutes, for it fits the experts' networks five times over.

    screening: of these networks (None: those of a default run).
    """
    cohort, spec = asked.cohort, asked.spec
    encoder, everybody = StateEncoder.fit(cohort), np.arange(cohort.n_patients)
    seed = derive_seed(config.seed, "registry", "judgment")
    fold_of, seen = assign_folds(everybody, seed=seed), []
    for fold in range(fold_of.max() + 1):
        learners = np.flatnonzero(fold_of != fold)
        experts = partial(_experts, asked, screening or ScreeningConfig(), learners, seed)
        seen.append(recorded_courses(cohort, everybody, encoder, asked.catalogs, asked.points, experts))
    courses = seen[0].courses
    held = fold_of[courses.patients] == np.arange(len(seen))[:, None]
    treated = dict.fromkeys(filter(None, (spec.decision(name).treats for name in asked.points)))
    judging = Judging(
        kept_share=courses.kept_share(),
        gamma=config.gamma,
        indicator_columns=tuple(encoder.names.index(name) for name in treated),
        n_bootstrap=config.n_bootstrap,
        ess_floor=config.ess_floor,
        probability_floor=config.probability_floor,
        seed=seed,
    )
    return FoldBench(asked, config, judging, held, tuple(seen))


def _experts(
    asked: Asked,
    settings: ScreeningConfig,
    learners: np.ndarray,
    seed: int,
    decision: str,
    data: DecisionData,
    at: np.ndarray,
) -> np.ndarray:
    """(n, A) experts' probabilities at some points of a decision, (points,) bool, by a network that learns from these
    patients."""
    catalog, stages = asked.catalogs[decision], asked.spec.decision(decision).stages
    here = data.of(learners)
    valid = stream(seed, "valid", decision).permutation(learners)[: max(1, round(VALID * len(learners)))]
    inputs = Inputs.fit(data.states[here], data.stage[here], data.names, stages, settings.min_variance)
    x, actions = inputs.transform(data.states[here], data.stage[here]), catalog.encode(data.drugs[here])
    steps = train_screening(settings, x, actions, data.of(valid)[here], len(catalog), name=decision, seed=seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return np.asarray(end.value.probs(inputs.transform(data.states[at], data.stage[at])))


def judge_sets_on(bench: SetBench, policy: BroughtSets, choices: bool = False) -> Judgment:
    """Everything about one policy on these courses; choices: also in other reasonable rewards and discounts."""
    config, ends = bench.config, bench.ends(policy.choices)
    judged, plan = bench.judged(policy.choices), plan_at(ends, config.probability_floor)
    own: dict[str, tuple[Points, np.ndarray]] = {
        name: (points, probs) for name, (points, probs) in ends.items() if probs is not None
    }
    agree = np.concatenate([probs.argmax(axis=1) == points.actions for points, probs in own.values()])
    phwis, phwdr = (_as_estimate(row) for row in bench.table(policy.choices).to_dict("records"))
    truth, gain = true_of_sets(bench.asked, policy, config)
    told_at = HiddenCauses.of_row({**hidden_row(judged), "hidden_gamma": TOLD})
    return Judgment(
        name=policy.name,
        judged=judged,
        survival=None,
        light=grade(judged, GradeSettings(ess=config.ess_floor), WORDS),
        hidden=None if judged.hidden is None else told_at,
        left_out=bench.left_out,
        phwis=phwis,
        phwdr=phwdr,
        concordance=float(agree.mean()),
        unsupported=float(np.concatenate([plan[name].rare for name in own]).mean()),
        action_shares=np.concatenate([plan[name].drugs.mean(axis=0) for name in own]),
        hazards=pd.DataFrame(),
        n_persons=judged.difference.n,
        truth=truth,
        gain=gain,
        form=SETS,
        choices=bench.otherwise(policy.choices) if choices else None,
    )


def _as_estimate(row: Mapping[Any, Any]) -> OPEResult:
    """A row of `Judging.table`."""
    names = ("value", "low", "high", "n", "ess", "zero_weight", "max_weight", "estimator")
    return OPEResult(**{name: row[name] for name in names})
