"""The reward atlas by brute force: every choice as records of their own, judged and learned from as if there was no
other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.evaluation.judging.atlas import Choice, Records
from core.evaluation.judging.crossfit import Fold, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.pessimism import pessimistic_step


def slow_choice(records: Records, choice: Choice) -> tuple[list[Judged], np.ndarray]:
    """The judged policies, and the action (N, T) that the step learned anew takes, -1 where it defers."""
    told = _as_chosen(records, choice)
    merge = choice.world.joined
    behaviors = [_summed(behavior, merge) for behavior in records.behaviors]
    folds = []
    for fold, behavior in zip(records.folds, behaviors, strict=True):
        given = np.ones(told.mask.shape)
        for i, t in zip(*np.nonzero(told.mask), strict=True):
            given[i, t] = behavior[i, t, told.actions[i, t]]
        policies = [Deferring(p.name, _summed(p.own, merge), p.deferred) for p in fold.policies]
        folds.append(Fold(fold.held, policies, given, behavior))
    taken = np.full(told.mask.shape, -1)
    for fold, behavior in zip(folds, behaviors, strict=True):
        policy = pessimistic_step(told, ~fold.held, records.features, chances=behavior).policy("step", told, behavior)
        assert policy.deferred is not None
        own = np.where(told.mask & (policy.deferred < 1), policy.own.argmax(axis=2), -1)
        taken[fold.held] = own[fold.held]
    return judge(told, folds, records.settings), taken


def _as_chosen(records: Records, choice: Choice) -> Histories:
    rewards = sum(f * records.terms[..., j] for j, f in enumerate(choice.factors))
    told = replace(records.histories, rewards=np.asarray(rewards), gamma=choice.world.gamma)
    merge = choice.world.joined
    if merge is None:
        return told
    actions = told.actions.copy()
    actions[told.actions > merge] -= 1
    recorded = told.actions[told.mask]
    both = [told.doses[a] for a in recorded if a in (merge, merge + 1)]
    doses = np.delete(told.doses, merge + 1).astype(float)
    doses[merge] = np.mean(both)
    return replace(told, actions=actions, doses=doses)


def _summed(probs: np.ndarray, merge: int | None) -> np.ndarray:
    if merge is None:
        return probs
    found = np.delete(probs, merge + 1, axis=-1).astype(float)
    found[..., merge] += probs[..., merge + 1]
    return found
