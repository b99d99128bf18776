"""What runs report today beside the mix: PHWDR on held-out stays, neighbors for clinicians, a forest for the critic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.agents import FittedQEvaluation
from core.agents.config import FQIConfig
from core.base.statistics import Z95
from core.evaluation import Critic, Recorded, knn_behavior_policy, propensities, state_values, weighted_draws
from core.evaluation.judging.deferring import Deferring
from core.experiments.estimator_cases import FORESTS
from core.trajectories import Trajectories, make_transitions, padded

TRAIN_SHARE, GAMMA, N_BOOTSTRAP = 0.6, 0.99, 400


def today(data: Trajectories, policies: Sequence[Deferring], seed: int) -> list[tuple[float, float]]:
    """Difference to the clinicians and its standard error by paired bootstrap, of each policy."""
    n, actions = data.n, data.study.n_actions
    train, test = np.arange(int(TRAIN_SHARE * n)), np.arange(int(TRAIN_SHARE * n), n)
    bank, weights = data.mask[train], np.array([column.behavior_weight for column in data.study.columns])
    near = knn_behavior_policy(
        data.states[train][bank], data.actions[train][bank], data.states[data.mask], actions, weights=weights
    )
    behavior = padded(near.action_probs.astype(np.float64), data.mask, 1 / actions)
    probs = np.stack([_probs(policy, behavior) for policy in policies])
    transitions = make_transitions(data, train)
    critic = FittedQEvaluation(FQIConfig.build({**FORESTS, "gamma": GAMMA, "seed": seed}), actions, data.study.names)
    for _ in critic.fit(transitions, probs[:, transitions.patient, transitions.step + 1].astype(np.float32)):
        pass
    some = data.subset(test)
    q = np.stack([padded(values, some.mask) for values in critic.q_values(some.states[some.mask])])
    given = np.where(some.mask, propensities(behavior[test], some.actions), 1.0)
    recorded = Recorded(some.rewards, some.transition_mask, given, GAMMA)
    evaluated = propensities(probs[:, test], some.actions)
    usual = np.zeros((1, *some.mask.shape))  # the clinicians on their own records: no critic, ratios of 1
    both = Critic(
        np.concatenate([propensities(q, some.actions), usual]),
        np.concatenate([state_values(probs[:, test], q), usual]),
    )
    draws = weighted_draws("phwdr", recorded, np.concatenate([evaluated, given[None]]), both, N_BOOTSTRAP)
    gaps = draws[:, :-1] - draws[:, -1:]
    low, high = np.percentile(gaps, [2.5, 97.5], axis=0)
    return [(float(m), float(w)) for m, w in zip(gaps.mean(axis=0), (high - low) / (2 * Z95), strict=True)]


def _probs(policy: Deferring, behavior: np.ndarray) -> np.ndarray:
    """The whole policy's probabilities under estimated clinicians."""
    assert policy.deferred is not None
    d = policy.deferred[..., None]
    return d * behavior + (1 - d) * policy.own
