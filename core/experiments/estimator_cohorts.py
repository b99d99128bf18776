"""Cases of the estimator lab from the ICU simulator: a cohort a seed, cheap policies, known propensities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pandas as pd

from core.base.neighbors import Neighbors
from core.cohort import History, simulate_cohort, split_cohort
from core.cohort.simulate.truth import GAMMA
from core.evaluation import NeighborPolicy, reliability
from core.experiments.estimator_cases import CLINICIAN, DEFAULT, TRUE, Case, Source
from core.experiments.estimator_policies import (
    Forward,
    LabPolicy,
    estimated_from,
    lab_policies,
    recorded_probs,
    train_fused,
)
from core.experiments.estimator_truth import (
    LIKE,
    TrueMean,
    clinician_value,
    reference_scaler,
    true_clinicians,
    true_value,
)
from core.trajectories import Trajectories, make_trajectories

STUDY = "simulated"
SWEEP = tuple(Source("knn", k, c) for k in (50, 100, 300, 600) for c in (0.0, 1.0, 5.0))
FIXED_SHARE, NEIGHBORS_SHARE = 8, 0.25
SPLIT = (0.55, 0.05, 0.40)  # training and validation patients together train; the rest are the recorded stays


@dataclass(frozen=True, eq=False)
class Simulated:
    """Cases of cohorts of n_patients; true values of policies that are the same for all seeds are rolled out once.

    A trained policy is rolled out on truth_patients, a fixed one on FIXED_SHARE times as many, one whose clinicians are
    searched among neighbors at every step on NEIGHBORS_SHARE times as many.
    """

    n_patients: int
    truth_patients: int
    epochs: int
    _fixed: dict[str, TrueMean] = field(default_factory=dict)

    def case(self, seed: int) -> tuple[Case, pd.DataFrame]:
        """The case of one seed, and the calibration curves of its estimated clinicians."""
        cohort, known = simulate_cohort(LIKE, self.n_patients, seed)
        data = make_trajectories(cohort, reference_scaler())
        split = split_cohort(cohort, seed, SPLIT)
        train, test = np.sort(split.learners), split.test
        behaviors, curves = estimated_clinicians(data, train, test, known.action_probs, SWEEP)
        policies = lab_policies(train_fused(data, train, seed, self.epochs), data.study.n_actions)
        neighbors, probs, truth = estimated_from(data, train), [behaviors[DEFAULT]], [clinician_value()]
        for policy in policies:
            clinicians = behaviors[DEFAULT] if policy.neighbors else known.action_probs
            probs.append(recorded_probs(policy, data, clinicians, known.phenotype))
            truth.append(self._truth(policy, neighbors))
        case = Case(
            STUDY,
            seed,
            data,
            train,
            test,
            (CLINICIAN, *(policy.name for policy in policies)),
            np.stack(probs).astype(np.float32),
            np.array([known_value.value for known_value in truth]),
            np.array([known_value.error for known_value in truth]),
            GAMMA,
            behaviors,
            swept=[source for source in behaviors if source not in (TRUE, DEFAULT)],
        )
        return case, curves.assign(study=STUDY, seed=seed)

    def _truth(self, policy: LabPolicy, neighbors: NeighborPolicy) -> TrueMean:
        scaler = reference_scaler()
        if policy.neighbors:
            forward = Forward(policy, scaler, lambda history, states: _while_active(neighbors, history, states))
            return true_value(forward, max(2, int(self.truth_patients * NEIGHBORS_SHARE)))
        forward = Forward(policy, scaler, lambda history, states: true_clinicians(history))
        if policy.trained:
            return true_value(forward, self.truth_patients)
        if policy.name not in self._fixed:
            self._fixed[policy.name] = true_value(forward, self.truth_patients * FIXED_SHARE)
        return self._fixed[policy.name]


def _while_active(neighbors: NeighborPolicy, history: History, states: np.ndarray) -> np.ndarray:
    """The neighbors' answer for patients still in the stay; what is said of the others is ignored."""
    probs = np.full((len(history), neighbors.n_actions), 1 / neighbors.n_actions)
    if history.active.any():
        probs[history.active] = neighbors(states[history.active])
    return probs


def estimated_clinicians(
    data: Trajectories, train: np.ndarray, test: np.ndarray, true: np.ndarray, sources: Sequence[Source]
) -> tuple[dict[Source, np.ndarray], pd.DataFrame]:
    """Clinicians' probabilities (N, T, A) by source, and their calibration curves on the test stays.

    Estimated from the training stays' nearest states, for the test stays alone: on training stays, where only critics
    need them, the true ones stand. One search serves all: the counts among the k nearest, k rising.
    """
    bank, asked, n_actions = _steps_of(data, train), _steps_of(data, test), data.study.n_actions
    factor = np.array([column.behavior_weight for column in data.study.columns], dtype=np.float32)
    most = min(max(source.k for source in sources), int(bank.sum()))
    _, nearest = Neighbors(data.states[bank] * factor).search(data.states[asked] * factor, most)
    given = data.actions[bank].astype(np.int8)[nearest]
    behaviors = {TRUE: true}
    for k, same in groupby(sources, key=lambda source: source.k):
        counts = np.stack([(given[:, :k] == action).sum(axis=1) for action in range(n_actions)], axis=1)
        for source in same:
            behaviors[source] = true.copy()
            c = source.pseudo_count
            behaviors[source][asked] = (counts + c) / (min(k, given.shape[1]) + c * n_actions)
    some, known = data.subset(test), true[test]
    curves = [curve for source, grid in behaviors.items() for curve in _curves(source, grid[test], some, known)]
    return behaviors, pd.concat(curves, ignore_index=True)


def _steps_of(data: Trajectories, patients: np.ndarray) -> np.ndarray:
    """(N, T) real steps of these patients."""
    inside = np.zeros(data.n, dtype=bool)
    inside[patients] = True
    return data.mask & inside[:, None]


def _curves(source: Source, behavior: np.ndarray, some: Trajectories, true: np.ndarray) -> Iterator[pd.DataFrame]:
    """Calibration on the test stays: of all doses pooled (action -1) and of any drug at all (action 1 of two)."""
    probs, actions = behavior[some.mask], some.actions[some.mask]
    drug = np.stack([probs[:, 0], 1 - probs[:, 0]], axis=1)
    given, known = probs[np.arange(len(actions)), actions], true[some.mask][np.arange(len(actions)), actions]
    usable = given > 0
    off = np.log(given[usable] / known[usable])
    for what, result in (
        ("all doses", reliability(probs, actions)),
        ("any drug", reliability(drug, np.minimum(actions, 1), action=1)),
    ):
        yield result.curve.assign(
            what=what,
            propensities=source.kind,
            k=source.k,
            pseudo_count=source.pseudo_count,
            calibration_error=result.error,
            log_loss=result.log_loss,
            log_ratio_rmse=float(np.sqrt((off**2).mean())),
        )
