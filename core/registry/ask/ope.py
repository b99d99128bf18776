"""Off-policy estimates over the course of treatment, by the estimators of the ICU study.

A course begins at the first stage at which a learned decision is made, for those who reach it with nothing that ends
the decisions, and has one reward a stage. Where several are made at the same stage, the experts choose them
independently given the state, so that their ratios multiply.

Every course is valued over the same number of stages: after death or a relapse nothing is decided (ratio 1) and nothing
earned. Grouping courses by their length, as stays in the ICU are, would hide what a policy does to survival.

Loss to follow-up is one more choice that no policy makes: a course that is lost at stage t gets propensity 0 there, and
one that is kept is divided by the share that is kept at that stage (inverse probability of censoring). So even the
observed treatment has an effective sample size below the number of patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.base.types import OPEResult
from core.evaluation import Critic, direct_many, propensities, support_light, weighted_many
from core.evaluation import Recorded as Weighable
from core.evaluation.support import Words
from core.policies.doses import total_variation
from core.registry.cohort.courses import Courses
from core.registry.cohort.drugs import Combinations

UNSEEN = 1e-3  # expert probability of all combinations outside the catalog together
WORDS = Words("course", "courses", "combinations", "experts")
RIDGE = 10.0  # penalty of the critic's coefficients


@dataclass(frozen=True, eq=False)
class Advice:
    """What a policy does at the n points of one treatment.

    taken (n,) its probability of the recorded combination; drugs (n, n_drugs) how likely it gives each drug; rare (n,)
    bool: experts hardly ever give its likeliest combination there; distance (n,) total variation from the experts;
    left: it leaves these decisions to the experts, whatever they know.
    """

    taken: np.ndarray
    drugs: np.ndarray
    rare: np.ndarray
    distance: np.ndarray
    left: bool = False


Plan = Mapping[str, Advice]  # a policy, by treatment


@dataclass(frozen=True, eq=False)
class Points:
    """Decision points of some courses for one treatment.

    course, step (n,): where they are on the (N, T) grid; states (n, D); actions (n,), -1 outside the catalog; given
    (n, n_drugs) 0/1 as recorded; matrix (A + beside, n_drugs) the catalog, the last `beside` of whose sets no learning
    patient was given; expert (n, A) calibrated probabilities of the others; place (n,): which of the cohort's decision
    points they are.
    """

    course: np.ndarray
    step: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    given: np.ndarray
    matrix: np.ndarray
    expert: np.ndarray
    place: np.ndarray
    beside: int = 0

    @property
    def behavior(self) -> np.ndarray:
        """(n, A + beside + 1) what the experts do; the last action stands for any combination outside the catalog."""
        return with_unseen(self.expert, self.beside + 1)

    def only(self, here: np.ndarray, position: np.ndarray) -> Points:
        """Some of the points, (n,) bool, on the grid of courses at new positions."""
        each = (self.states, self.actions, self.given)
        states, actions, given = (array[here] for array in each)
        course = position[self.course[here]]
        places = {"course": course, "step": self.step[here], "place": self.place[here], "expert": self.expert[here]}
        return replace(self, states=states, actions=actions, given=given, **places)

    def widened(self, catalog: Combinations) -> Points:
        """The same points over a catalog that begins with the sets that experts gave."""
        beside = len(catalog) - self.expert.shape[1]
        return replace(self, actions=catalog.encode(self.given), matrix=catalog.matrix, beside=beside)

    def learned(self, probs: np.ndarray) -> np.ndarray:
        """(n, A + 1) a policy over the catalog (n, A), which never gives anything outside it."""
        return np.concatenate([probs, np.zeros((len(probs), 1), dtype=np.float32)], axis=1)

    def as_given(self) -> Advice:
        """Of who leaves these decisions to the experts: what was recorded, as likely as they made it."""
        n, actions = len(self.given), np.where(self.actions >= 0, self.actions, len(self.matrix))
        taken, drugs = propensities(self.behavior, actions), self.given.astype(np.float32)
        return Advice(taken, drugs, rare=np.zeros(n, dtype=bool), distance=np.zeros(n), left=True)

    def advice(self, probs: np.ndarray, probability_floor: float) -> Advice:
        """What a policy with probabilities (n, A + 1) does here; see `behavior` for the last action."""
        behavior, n_actions = self.behavior, len(self.matrix)
        return Advice(
            taken=propensities(probs, np.where(self.actions >= 0, self.actions, n_actions)),
            drugs=probs[:, :n_actions] @ self.matrix.astype(np.float32),
            rare=propensities(behavior, probs.argmax(axis=1)) < probability_floor,
            distance=total_variation(probs, behavior),
        )


def with_unseen(expert: np.ndarray, beside: int) -> np.ndarray:
    """(n, A + beside) float32, rows sum to 1: experts' probabilities (n, A) and those of choices outside the catalog,
    to which they leave `UNSEEN` in equal parts, however many are told apart; as they are where none is."""
    if not beside:
        return expert
    unseen = np.full((len(expert), beside), UNSEEN / beside, dtype=np.float32)
    return np.concatenate([np.asarray(expert * (1 - UNSEEN), dtype=np.float32), unseen], axis=1)


def grid_propensities(courses: Courses, treatments: Mapping[str, Points], plan: Plan, kept: np.ndarray) -> np.ndarray:
    """(N, T) probability of what was recorded under a policy; kept (N, T): that the course was followed on as it was,
    where a decision was posed."""
    grid = np.where(courses.going, kept, 1.0)
    for name, points in treatments.items():
        grid[points.course, points.step] *= plan[name].taken
    return grid


class LinearCritic:
    """Fitted Q evaluation of one policy, stage by stage from the last, linear in the drugs.

        Q_t(s, a) = w_t . [1, s, drugs(a), drugs(a) x (what the decisions treat: acute GVHD, chronic GVHD)]
        V_t(s) = sum_a pi(a|s) Q_t(s, a) = Q_t at the drugs that the policy expects to give

    Linearity makes the expectation over hundreds of combinations one matrix product. It is a control variate: PHWDR
    stays right where the propensities are, however crude the critic.
    """

    def __init__(self, gamma: float, indicator_columns: tuple[int, ...]) -> None:
        self.gamma, self.indicators = gamma, indicator_columns
        self._weights: dict[int, np.ndarray] = {}

    def fit(self, recorded: Recorded, plan: Plan) -> None:
        """Fit on recorded courses, of a policy by what it does at their decisions."""
        courses, states = recorded.courses, recorded.states
        given, expected = drugs_given(recorded, None), drugs_given(recorded, plan)
        following = np.zeros(len(courses))
        for t in reversed(range(courses.going.shape[1])):
            used = courses.followed[:, t]
            rows = self._features(states[used, t], given[used, t])
            target = courses.rewards[used, t] + self.gamma * following[used]
            self._weights[t] = _ridge(rows, target)
            value = self._features(states[:, t], expected[:, t]) @ self._weights[t]
            following = np.where(courses.going[:, t], value, 0.0)

    def values(self, recorded: Recorded, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
        """Q of what was recorded and V under a policy, both (N, T), 0 where nothing is decided."""
        courses, states, out = recorded.courses, recorded.states, []
        for drugs in (drugs_given(recorded, None), drugs_given(recorded, plan)):
            columns = [self._features(states[:, t], drugs[:, t]) @ w for t, w in sorted(self._weights.items())]
            out.append(np.where(courses.going, np.stack(columns, axis=1), 0.0))
        return out[0], out[1]

    def _features(self, states: np.ndarray, drugs: np.ndarray) -> np.ndarray:
        crossed = [drugs * states[:, [column]] for column in self.indicators]
        return np.concatenate([np.ones((len(states), 1)), states, drugs, *crossed], axis=1)


def drugs_given(recorded: Recorded, plan: Plan | None) -> np.ndarray:
    """(N, T, drugs of all treatments) recorded (None), or expected under a policy."""
    parts = []
    for name, points in recorded.treatments.items():
        grid = np.zeros((*recorded.courses.going.shape, points.given.shape[1]))
        grid[points.course, points.step] = points.given if plan is None else plan[name].drugs
        parts.append(grid)
    return np.concatenate(parts, axis=2)


def _ridge(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Coefficients of least squares with an equal penalty on all but the intercept (first column)."""
    penalty = np.full(rows.shape[1], RIDGE)
    penalty[0] = 1e-6
    return np.linalg.solve(rows.T @ rows + np.diag(penalty), rows.T @ target)


@dataclass(frozen=True, eq=False)
class Recorded:
    """Courses with the points of each treatment and the states on their grid (N, T, D)."""

    courses: Courses
    treatments: Mapping[str, Points]
    states: np.ndarray

    def only(self, chosen: np.ndarray) -> Recorded:
        """The chosen courses, (N,) bool, in their order."""
        courses, place = self.courses, np.cumsum(chosen) - 1
        kept = Courses(
            courses.first,
            courses.patients[chosen],
            courses.going[chosen],
            courses.followed[chosen],
            courses.rewards[chosen],
        )
        treatments = {name: points.only(chosen[points.course], place) for name, points in self.treatments.items()}
        return Recorded(kept, treatments, self.states[chosen])


@dataclass(frozen=True)
class Judging:
    """How courses are valued. kept_share (T,): share kept under observation at each stage (`Courses.kept_share`) where
    the courses were recorded; indicator_columns: of the states, crossed with the drugs in critics."""

    kept_share: np.ndarray
    gamma: float
    indicator_columns: tuple[int, ...]
    n_bootstrap: int
    ess_floor: float
    probability_floor: float
    seed: int

    def critic(self, train: Recorded, plan: Plan) -> LinearCritic:
        """The critic of a policy, from training courses."""
        critic = LinearCritic(self.gamma, self.indicator_columns)
        critic.fit(train, plan)
        return critic

    def experts(self, recorded: Recorded) -> Plan:
        """What the experts do at every decision, by their calibrated probabilities."""
        points = recorded.treatments.items()
        return {name: some.advice(some.behavior, self.probability_floor) for name, some in points}

    def table(self, test: Recorded, plans: Sequence[Plan], critics: Sequence[LinearCritic]) -> pd.DataFrame:
        """PHWIS and PHWDR of policies on courses, two rows a policy in their order: estimator, value, low, high, ess,
        zero_weight, max_weight, support, reasons, n, distance (mean total variation from the experts).

        Each has a critic, its own or that of a policy nearby. All courses have one length here, so the ESS of PHWIS is
        also that over all of them together.
        """
        courses, treatments = test.courses, test.treatments
        observed = self.experts(test)
        lost = np.where(courses.lost, 0.0, 1.0)  # a policy loses no one
        behavior = grid_propensities(courses, treatments, observed, np.broadcast_to(self.kept_share, lost.shape))
        pi = np.stack([grid_propensities(courses, treatments, plan, lost) for plan in plans])
        pairs = [critic.values(test, plan) for critic, plan in zip(critics, plans, strict=True)]
        q_taken, v = (np.stack(values) for values in zip(*pairs, strict=True))
        mask, recorded = np.ones(behavior.shape, dtype=bool), courses.rewards
        weighed = Weighable(recorded, mask, behavior, self.gamma)
        phwis = weighted_many("phwis", weighed, pi, None, self.n_bootstrap, self._rng())
        phwdr = weighted_many("phwdr", weighed, pi, Critic(q_taken, v), self.n_bootstrap, self._rng())
        rows = []
        for plan, *results in zip(plans, phwis, phwdr, direct_many(v, mask), strict=True):
            rows += self._rows(plan, results[0].known, results[1].known, results[2])
        return pd.DataFrame(rows)

    def _rng(self) -> np.random.Generator:
        return stream(self.seed, "registry", "bootstrap")

    def _rows(self, plan: Plan, phwis: OPEResult, phwdr: OPEResult, critic: OPEResult) -> list[dict[str, object]]:
        """Both estimates of one policy with their common grade."""
        unusual = float(np.concatenate([advice.rare for advice in plan.values()]).mean())
        distance = float(np.concatenate([advice.distance for advice in plan.values()]).mean())
        light = support_light(phwis, self.ess_floor, unusual, (phwdr, critic), words=WORDS)
        shared = {"support": light.grade, "reasons": " ".join(light.reasons), "n": phwis.n, "distance": distance}
        names = ("estimator", "value", "low", "high", "ess", "zero_weight", "max_weight")
        return [{**{name: getattr(result, name) for name in names}, **shared} for result in (phwis, phwdr)]
