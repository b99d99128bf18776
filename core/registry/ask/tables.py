"""A run's policies on the patients of a registry: the published comparisons and the off-policy estimates, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.base.rng import derive_seed
from core.registry.ask.compared import GREEDY, OBSERVED, POLICIES
from core.registry.ask.ope import Judging, Plan, Points, Recorded
from core.registry.cohort.courses import make_courses
from core.registry.cohort.decisions import DecisionData, StateEncoder, decision_points
from core.registry.cohort.drugs import Combinations
from core.registry.cohort.table import RegistryCohort
from core.registry.fit.evaluate import ALL, ILL, matched_rewards, modeled_rewards, predicted_rewards
from core.registry.fit.screening import accuracy_table, calibration_table
from core.registry.view import RegistryView


@dataclass(eq=False)
class Evaluation:
    """The patients (positions) of a cohort on which a run is evaluated; its own test patients, or another cohort's."""

    view: RegistryView
    cohort: RegistryCohort
    patients: np.ndarray
    _points: dict[str, DecisionData] = field(default_factory=dict)

    @classmethod
    def own(cls, view: RegistryView) -> Evaluation:
        return cls(view, view.cohort, view.split.test, view.points)

    def points(self, decision: str) -> DecisionData:
        if decision not in self._points:
            self._points[decision] = decision_points(self.cohort, decision, self.view.encoder)
        return self._points[decision]

    @property
    def seed(self) -> int:
        return derive_seed(self.view.config.run.seed, "registry", "evaluation")

    def screening_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Top-N accuracy and calibration of every decision; see `RegistryView.accuracy` and `.calibration`."""
        view, settings = self.view, self.view.config
        accuracy, calibration = [], []
        for name in view.decisions:
            data = self.points(name)
            here = data.of(self.patients)
            x = view.inputs[name].transform(data.states[here], data.stage[here])
            probs = view.screening(name).probs(x)
            actions, stage = view.catalogs[name].encode(data.drugs[here]), data.stage[here]
            ns = [n for n in settings.screening.top_n if n <= probs.shape[1]]
            draws = min(settings.evaluation.n_bootstrap, 1000)
            table = accuracy_table(probs, actions, data.patient[here], stage, ns, draws, self.seed)
            accuracy.append(self._named(table, name))
            calibration.append(self._named(calibration_table(probs, actions, stage), name))
        return pd.concat(accuracy, ignore_index=True), pd.concat(calibration, ignore_index=True)

    def matched(self) -> pd.DataFrame:
        """Matched rewards of each treatment; see `RegistryView.matched`."""
        view, tables = self.view, []
        for name in view.treatments:
            data, here = self._posed(name)
            states, stage = data.states[here], data.stage[here]
            models = view.models(name)
            actions = models.catalog.encode(data.drugs[here])
            choices = {policy: models.choices(policy, states, stage, view.screen) for policy in GREEDY}
            for group, some in self._groups(name, data, here):
                table = matched_rewards(
                    data.patient[here][some],
                    actions[some],
                    data.rewards[here][some],
                    {policy: chosen[some] for policy, chosen in choices.items()},
                    view.config.evaluation.n_bootstrap,
                    self.seed,
                )
                table.insert(0, "decision", name)
                table.insert(1, "group", group)
                tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def modeled(self) -> pd.DataFrame:
        """Predicted rewards of each treatment; see `RegistryView.modeled`."""
        view, tables = self.view, []
        for name in view.treatments:
            data, here = self._posed(name)
            states, stage = data.states[here], data.stage[here]
            models = view.models(name)
            predicted = predicted_rewards(
                view.reward_model(name), models.inputs.transform(states, stage), models.catalog.matrix
            )
            choices = {policy: models.choices(policy, states, stage, view.screen) for policy in GREEDY}
            n_bootstrap = view.config.evaluation.n_bootstrap
            table = modeled_rewards(data.patient[here], stage, predicted, choices, GREEDY[0], n_bootstrap, self.seed)
            tables.append(self._named(table, name))
        return pd.concat(tables, ignore_index=True)

    def off_policy(self) -> pd.DataFrame:
        """PHWIS and PHWDR of the course of treatment; see `RegistryView.ope`; critics learn from the run's patients."""
        critics, plans = [], []
        for policy in POLICIES:
            critics.append(self.judging.critic(self.learned, self.plan(self.learned, policy)))
            plans.append(self.plan(self.recorded, policy))
        table = self.judging.table(self.recorded, plans, critics)
        table.insert(0, "policy", np.repeat(POLICIES, len(table) // len(POLICIES)))
        return table

    @cached_property
    def judging(self) -> Judging:
        """How courses are valued. The shares kept under observation are those of the run's learning patients, but in
        another registry its own."""
        view, settings, names = self.view, self.view.config.evaluation, self.view.encoder.names
        followed = self.learned if self.cohort is view.cohort else self.recorded
        return Judging(
            kept_share=followed.courses.kept_share(),
            gamma=view.spec.gamma,
            indicator_columns=tuple(names.index(name) for name in self._treated),
            n_bootstrap=settings.ope_bootstrap,
            ess_floor=settings.ess_floor,
            probability_floor=settings.probability_floor,
            seed=self.seed,
        )

    @cached_property
    def learned(self) -> Recorded:
        """Courses of the patients that the run learned from."""
        view = self.view
        return Evaluation(view, view.cohort, learned(view), view.points).recorded

    def plan(self, recorded: Recorded, policy: str) -> Plan:
        """What one of the compared policies does at every decision of recorded courses."""
        view, floor = self.view, self.view.config.evaluation.probability_floor
        plan = {}
        for name, points in recorded.treatments.items():
            probs = points.behavior
            if policy != OBSERVED:
                stage = points.step + recorded.courses.first
                probs = points.learned(view.models(name).probs(policy, points.states, stage, view.screen))
            plan[name] = points.advice(probs, floor)
        return plan

    def _posed(self, decision: str) -> tuple[DecisionData, np.ndarray]:
        data = self.points(decision)
        return data, data.of(self.patients)

    def _groups(self, decision: str, data: DecisionData, here: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield ALL, np.ones(int(here.sum()), dtype=bool)
        treats = self.view.spec.decision(decision).treats
        if treats:
            yield ILL, data.states[here][:, data.names.index(treats)] > 0

    @property
    def _treated(self) -> tuple[str, ...]:
        """Indicators that the learned decisions treat, each once."""
        treats = (self.view.spec.decision(name).treats for name in self.view.treatments)
        return tuple(dict.fromkeys(filter(None, treats)))

    def _named(self, table: pd.DataFrame, decision: str) -> pd.DataFrame:
        """Stage indices as the registry's names and days; -1 is all stages together."""
        stages = self.view.spec.stages
        index = table["stage"].to_numpy()
        table = table.assign(stage=["all" if i < 0 else stages[i].name for i in index])
        table.insert(0, "decision", decision)
        table.insert(2, "day", [-1 if i < 0 else stages[i].day for i in index])
        return table

    @cached_property
    def recorded(self) -> Recorded:
        """Courses of the patients, with their decisions."""
        view = self.view

        def experts(decision: str, data: DecisionData, here: np.ndarray) -> np.ndarray:
            return view.models(decision).expert_probs(data.states[here], data.stage[here])

        points = {name: self.points(name) for name in view.treatments}
        return recorded_courses(self.cohort, self.patients, view.encoder, view.catalogs, points, experts)


def recorded_courses(
    cohort: RegistryCohort,
    patients: np.ndarray,
    encoder: StateEncoder,
    catalogs: Mapping[str, Combinations],
    points: Mapping[str, DecisionData],
    experts: Callable[[str, DecisionData, np.ndarray], np.ndarray],
) -> Recorded:
    """Courses of patients (positions) with the points of learned decisions that lie on them.

    points: all of the cohort's, by decision; experts: calibrated probabilities (n, A) of a decision at some of its
    points, (points,) bool. `CohortError` where no patient has a course.
    """
    spec = cohort.spec
    first = min(spec.decision(name).stages[0] for name in points)
    courses = make_courses(cohort, patients, first)
    if not len(courses):
        raise CohortError(
            f"none of the {len(patients)} patients to evaluate on is recorded at stage {spec.stages[first].name} with "
            "anything left to decide; more patients are needed."
        )
    position = np.full(cohort.n_patients, -1)
    position[courses.patients] = np.arange(len(courses))
    states = np.zeros((*courses.going.shape, len(encoder.names)), dtype=np.float32)
    rows = cohort.row_of[courses.patients][:, first : spec.horizon]
    states[courses.going] = encoder.transform(cohort.frame.iloc[rows[courses.going]])
    treatments = {}
    for name, data in points.items():
        course, step = position[data.patient], data.stage - courses.first
        here = (course >= 0) & courses.going[np.maximum(course, 0), step]
        treatments[name] = Points(
            course=course[here],
            step=step[here],
            states=data.states[here],
            actions=catalogs[name].encode(data.drugs[here]),
            given=data.drugs[here],
            matrix=catalogs[name].matrix,
            expert=experts(name, data, here),
            place=np.flatnonzero(here),
        )
    return Recorded(courses, treatments, states)


def learned(view: RegistryView) -> np.ndarray:
    """Positions of the patients that the run learned from: training and validation."""
    return np.sort(view.split.learners)
