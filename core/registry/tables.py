"""A run's policies on the patients of a registry: the published comparisons and the off-policy estimates, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.errors import CohortError
from core.registry.cohort import RegistryCohort
from core.registry.decisions import DecisionData, decision_points
from core.registry.evaluate import ALL, ILL, matched_rewards, modeled_rewards, predicted_rewards
from core.registry.ope import Courses, Points, Recorded, make_courses, off_policy_table
from core.registry.policies import DISEASE, GREEDY, MIXED_POLICIES, OBSERVED, POLICIES
from core.registry.screening import accuracy_table, calibration_table
from core.registry.view import RegistryView
from core.rng import derive_seed

EVALUATED = (*POLICIES, *MIXED_POLICIES)


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
        """PHWIS and PHWDR of the course of treatment; see `RegistryView.ope`; critics learn from the run's patients.
        The shares kept under observation are those of the run's patients too, but in another registry its own."""
        view, settings = self.view, self.view.config.evaluation
        names = view.encoder.names
        train, test = Evaluation(view, view.cohort, learned(view), view.points)._recorded(), self._recorded()
        followed = train if self.cohort is view.cohort else test
        return off_policy_table(
            train,
            test,
            EVALUATED,
            kept_share=followed.courses.kept_share(),
            gamma=view.spec.gamma,
            indicator_columns=tuple(names.index(DISEASE[name]) for name in view.treatments),
            follow_share=settings.follow_share,
            n_bootstrap=settings.ope_bootstrap,
            ess_floor=settings.ess_floor,
            seed=self.seed,
        )

    def _posed(self, decision: str) -> tuple[DecisionData, np.ndarray]:
        data = self.points(decision)
        return data, data.of(self.patients)

    def _groups(self, decision: str, data: DecisionData, here: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        ill = data.states[here][:, data.names.index(DISEASE[decision])] > 0
        yield ALL, np.ones(len(ill), dtype=bool)
        yield ILL, ill

    def _named(self, table: pd.DataFrame, decision: str) -> pd.DataFrame:
        """Stage indices as the registry's names and days; -1 is all stages together."""
        stages = self.view.spec.stages
        index = table["stage"].to_numpy()
        table = table.assign(stage=["all" if i < 0 else stages[i].name for i in index])
        table.insert(0, "decision", decision)
        table.insert(2, "day", [-1 if i < 0 else stages[i].day for i in index])
        return table

    def _recorded(self) -> Recorded:
        """Courses of the patients, with what every policy would do at each of their decisions."""
        view = self.view
        first = min(view.spec.decision(name).stages[0] for name in view.treatments)
        courses = make_courses(self.cohort, self.patients, first)
        if not len(courses):
            raise CohortError(
                f"none of the {len(self.patients)} patients to evaluate on is recorded alive and without relapse at "
                f"stage {view.spec.stages[first].name}; more patients are needed."
            )
        position = np.full(self.cohort.n_patients, -1)
        position[courses.patients] = np.arange(len(courses))
        states = np.zeros((*courses.going.shape, len(view.encoder.names)), dtype=np.float32)
        rows = self.cohort.row_of[courses.patients][:, first : view.spec.horizon]
        states[courses.going] = view.encoder.transform(self.cohort.frame.iloc[rows[courses.going]])
        treatments = {name: self._points_of(name, courses, position) for name in view.treatments}
        return Recorded(courses, treatments, states)

    def _points_of(self, decision: str, courses: Courses, position: np.ndarray) -> Points:
        view, data = self.view, self.points(decision)
        course, step = position[data.patient], data.stage - courses.first
        here = (course >= 0) & courses.going[np.maximum(course, 0), step]
        states, stage = data.states[here], data.stage[here]
        models, share = view.models(decision), view.config.evaluation.follow_share
        policies = models.many_probs(EVALUATED, states, stage, view.screen, share)
        return Points(
            course=course[here],
            step=step[here],
            states=states,
            actions=models.catalog.encode(data.drugs[here]),
            given=data.drugs[here],
            matrix=models.catalog.matrix,
            expert=policies[OBSERVED],
            policies=policies,
        )


def learned(view: RegistryView) -> np.ndarray:
    """Positions of the patients that the run learned from: training and validation."""
    return np.sort(np.concatenate([view.split.train, view.split.valid]))
