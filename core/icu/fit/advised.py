"""True gain of what a run advises, on simulated patients: each fold's pessimistic step, rolled out in the simulator.

A stay of the run is advised by the fold that never saw it, so the advice is five policies; each is rolled out on fresh
patients of its own, and their gains are averaged by how many stays each advises. Where a step defers, the simulator's
own clinicians act, since doing as clinicians do is what it advises there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.base.rng import derive_seed
from core.base.threads import side_by_side
from core.cohort import GroundTruth, History
from core.cohort.simulate.history import Policy
from core.cohort.simulate.truth import TrueValue
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.pessimism import PessimisticStep
from core.evaluation.judging.stacked import Propensities
from core.fusion import fusion_weights
from core.icu.fit.simulated import SimulatedStays
from core.icu.view import RunView
from core.policies.key import PROSPECTIVE


@dataclass(frozen=True, eq=False)
class FoldStep:
    """What one fold learned: clinicians' probabilities and the step; stays: how many others it advises."""

    clinicians: Propensities
    step: PessimisticStep
    stays: int


@dataclass(frozen=True)
class TrueGain:
    """Mean gain on the clinicians over n simulated patients who meet both, in reward and in survival, with standard
    errors."""

    value: float
    se: float
    n: int
    survival: float
    survival_se: float


def true_gains(
    view: RunView, truth: GroundTruth, learned: Sequence[FoldStep], shares: Sequence[float], n: int, seed: int
) -> list[TrueGain]:
    """Of the advice at each share of the way from the clinicians, over n patients in all (at least 2 a fold)."""
    each = max(n // len(learned), 2)
    weights = np.array([one.stays for one in learned]) / sum(one.stays for one in learned)
    view.encoder()  # loaded once, before several ask for it

    def gained(k: int) -> list[TrueValue]:
        own, policies = derive_seed(seed, "advice", k), [_Dialed(view, truth, learned[k], share) for share in shares]
        return truth.policy_gains(policies, each, own, spans=view.scaler.spans, gamma=view.config.agents.gamma)

    found = np.empty((len(learned), 4, len(shares)))  # value, survival, and the standard error of each
    for k, gains in enumerate(side_by_side(gained, range(len(learned)))):
        found[k, :2] = [gain.value for gain in gains], [gain.survival for gain in gains]
        found[k, 2:] = [gain.standard_error for gain in gains], [gain.survival_standard_error for gain in gains]
    value, survival = np.tensordot(weights, found[:, :2], axes=1)
    se, survival_se = np.sqrt(np.tensordot(weights**2, found[:, 2:] ** 2, axes=1))
    total = each * len(learned)
    columns = zip(value, se, survival, survival_se, strict=True)
    return [TrueGain(float(v), float(e), total, float(s), float(se_)) for v, e, s, se_ in columns]


class _Dialed:
    """A fold's step at one share, as the simulator calls it: history so far -> action probabilities (n, A)."""

    def __init__(self, view: RunView, truth: GroundTruth, learned: FoldStep, share: float) -> None:
        self.view, self.learned, self.share = view, learned, share
        self.usual: Policy = truth.clinicians
        self.stays = SimulatedStays(view)
        self._memberships: list[np.ndarray] = []

    def __call__(self, history: History) -> np.ndarray:
        histories, now = self._so_far(history), partial(np.take, indices=-1, axis=1)
        behavior = np.full((*histories.mask.shape, histories.n_actions), 1 / histories.n_actions)
        columns = histories.propensity_columns()[histories.time == history.step]
        behavior[:, -1] = self.learned.clinicians.probs(columns)
        policy = self.learned.step.policy("step", histories, behavior).toward(self.share)
        assert policy.deferred is not None
        deferred = now(policy.deferred)[:, None]
        return np.asarray(deferred * self.usual(history) + (1 - deferred) * now(policy.own))

    def _so_far(self, history: History) -> Histories:
        """The steps up to this one as the judge sees recorded stays; rewards are not read."""
        k, lambda_ = self.view.n_clusters, self.view.config.fusion.lambda_
        weights = fusion_weights(self.stays.now(history).distances(k, PROSPECTIVE), lambda_)
        self._memberships = [*self._memberships[: history.step], weights]
        states = self.view.scaler.scale(history.states)
        shape = states.shape[:2]
        given = np.concatenate([history.actions, np.zeros((len(history), 1), dtype=np.int64)], axis=1)
        doses = self.view.study.actions.given
        grids = states, given, np.zeros(shape), np.ones(shape, dtype=bool)
        return Histories(*grids, doses, np.stack(self._memberships, axis=1))
